/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "deliver/batch_format.h"

struct batch_reader {
    struct batch_head head;
    uint64_t blocks_at; /* offset of the first block */
    uint64_t place;     /* number of the next block */
    uint64_t offset;    /* of the next block */
    struct buf block;
    size_t at; /* in `block` */
    bool at_end;
    int fd;
    char path[PATH_MAX];
};

static int read_all(int fd, void *to, size_t len, uint64_t offset)
{
    char *at = to;
    while (len > 0) {
        ssize_t got = pread(fd, at, len, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -EBADMSG;
        at += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return 0;
}

static int damage(const struct batch_reader *reader, int error, const char *what, struct fault *fault)
{
    if (error == -EBADMSG)
        return fault_set(fault, error, "%s: %s", reader->path, what);
    return fault_set(fault, error, "%s: cannot read: %s", reader->path, strerror(-error));
}

static int read_document(const struct batch_reader *reader, json_t **ret, size_t *ret_len)
{
    char line[DOCUMENT_FIRST_LINE_LEN];
    uint64_t checksum = 0;
    size_t len = 0;
    int r = read_all(reader->fd, line, sizeof line, 0);
    if (r == 0)
        r = document_parse_first_line(DOCUMENT_BATCH, line, &len, &checksum);
    if (r < 0)
        return r;
    AUTO_FREE char *text = malloc(len + 1);
    r = text ? read_all(reader->fd, text, len, sizeof line) : -ENOMEM;
    if (r < 0)
        return r;
    *ret_len = len;
    *ret = document_parse(text, len, checksum);
    return *ret ? 0 : -EBADMSG;
}

static int read_head(struct batch_reader *reader, struct fault *fault)
{
    json_t *document = NULL;
    size_t len = 0;
    struct fault why = {0};
    int r = read_document(reader, &document, &len);
    if (r == 0)
        r = batch_head_parse(&reader->head, document, &why);
    json_decref(document);
    if (r < 0)
        return damage(reader, r, why.text[0] ? why.text : "no batch, or its head is damaged", fault);
    reader->blocks_at = DOCUMENT_FIRST_LINE_LEN + len;
    reader->offset = reader->blocks_at;
    return 0;
}

int batch_reader_open(struct batch_reader **ret, const char *path, struct fault *fault)
{
    struct batch_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return fault_set(fault, -ENOMEM, "out of memory");
    (void)snprintf(reader->path, sizeof reader->path, "%s", path);
    reader->block = BUF_INIT(BATCH_BLOCK_MAX);
    reader->fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = reader->fd < 0 ? damage(reader, -errno, "cannot be opened", fault) : read_head(reader, fault);
    if (r < 0) {
        batch_reader_close(reader);
        return r;
    }
    *ret = reader;
    return 0;
}

void batch_reader_close(struct batch_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    buf_done(&reader->block);
    batch_head_done(&reader->head);
    free(reader);
}

const struct batch_head *batch_reader_head(const struct batch_reader *reader)
{
    return &reader->head;
}

void batch_reader_rewind(struct batch_reader *reader)
{
    reader->place = 0;
    reader->offset = reader->blocks_at;
    reader->at_end = false;
    reader->at = 0;
    buf_clear(&reader->block);
}

int batch_head_read(struct batch_head *ret, const char *path, struct fault *fault)
{
    struct batch_reader *reader = NULL;
    int r = batch_reader_open(&reader, path, fault);
    if (r < 0)
        return r;
    /* The analyser cannot know that fault_set() returns its error. NOLINTNEXTLINE */
    *ret = reader->head;
    reader->head = (struct batch_head){0};
    batch_reader_close(reader);
    return 0;
}

static bool is_block(const struct batch_block *block)
{
    return (block->kind == BATCH_BLOCK_LINES && block->len > 0 && block->len <= BATCH_BLOCK_MAX) ||
           (block->kind == BATCH_BLOCK_END && block->len == sizeof(struct batch_totals));
}

/*
 * The next block into `block`. What comes behind a block whose own beginning is damaged cannot be found;
 * behind damaged contents the next one begins as if nothing had happened.
 */
static int read_block(struct batch_reader *reader, struct fault *fault)
{
    struct batch_block block;
    buf_clear(&reader->block);
    reader->at = 0;
    int r = read_all(reader->fd, &block, sizeof block, reader->offset);
    if (r == 0 && !is_block(&block))
        r = -EBADMSG;
    if (r < 0) {
        reader->at_end = true;
        return damage(reader, r, "the batch's end is missing", fault);
    }
    char *to = buf_reserve(&reader->block, block.len);
    r = to ? read_all(reader->fd, to, block.len, reader->offset + sizeof block) : -ENOMEM;
    uint64_t place = reader->place++;
    reader->offset += sizeof block + block.len;
    if (r == 0 && batch_checksum(block.kind, reader->head.sequence, place, to, block.len) != block.checksum)
        r = -EBADMSG;
    if (r < 0)
        return damage(reader, r, "a block of the batch is damaged", fault);
    reader->at_end = block.kind == BATCH_BLOCK_END;
    reader->block.len = reader->at_end ? 0 : block.len;
    return 0;
}

/* A number and what ends it; in one pass, as it is done five times a line. */
static bool take_number(const char **at, const char *end, char separator, uint64_t *ret)
{
    uint64_t number = 0;
    const char *digit = *at;
    for (; digit < end && (unsigned char)(*digit - '0') <= 9; digit++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (unsigned char)(*digit - '0'), &number))
            return false;
    if (digit == *at || digit == end || *digit != separator)
        return false;
    *at = digit + 1;
    *ret = number;
    return true;
}

/* One line of text[0..len), without its newline. */
static bool parse_line(const struct batch_head *head, const char *text, size_t len, struct batch_line *ret)
{
    const char *at = text;
    const char *end = text + len;
    uint64_t interface;
    if (!take_number(&at, end, ' ', &interface) || interface >= head->interface_count ||
        !take_number(&at, end, ' ', &ret->start) || !take_number(&at, end, ' ', &ret->end) ||
        !take_number(&at, end, ' ', &ret->packets) || !take_number(&at, end, '\t', &ret->lost))
        return false;
    ret->start += head->window;
    ret->end += head->window;
    ret->interface = (uint32_t)interface;
    ret->text = at;
    ret->len = (uint32_t)(end - at);
    return true;
}

int batch_reader_next(struct batch_reader *reader, struct batch_line *ret, struct fault *fault)
{
    while (reader->at == reader->block.len) {
        if (reader->at_end)
            return 0;
        int r = read_block(reader, fault);
        if (r < 0)
            return r;
    }
    const char *text = reader->block.data + reader->at;
    const char *stop = memchr(text, '\n', reader->block.len - reader->at);
    size_t len = stop ? (size_t)(stop - text) : reader->block.len - reader->at;
    reader->at += len + (stop != NULL);
    if (stop && parse_line(&reader->head, text, len, ret))
        return 1;
    return damage(reader, -EBADMSG, "a line of the batch is none", fault);
}

static int map_file(struct batch *batch, int fd)
{
    struct stat found;
    if (fstat(fd, &found) < 0)
        return -errno;
    batch->map_len = (size_t)found.st_size;
    batch->map = mmap(NULL, batch->map_len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (batch->map != MAP_FAILED)
        return 0;
    batch->map = NULL;
    return -errno;
}

/* Lines were read and checked a block at a time; here they stand at the same place of the map. */
static int index_lines(struct batch *batch, struct batch_reader *reader, struct fault *fault)
{
    struct batch_line line;
    size_t capacity = batch_head_sum(&reader->head).records;
    int r;
    if (capacity > batch->map_len) /* a line takes more than a byte */
        return damage(reader, -EBADMSG, "more records than the file has room for", fault);
    batch->lines = calloc(capacity + 1, sizeof *batch->lines);
    if (!batch->lines)
        return fault_set(fault, -ENOMEM, "out of memory");
    while ((r = batch_reader_next(reader, &line, fault)) > 0) {
        if (batch->line_count == capacity)
            return damage(reader, -EBADMSG, "more records than the head says", fault);
        uint64_t block_at = reader->offset - reader->block.len;
        line.text = (const char *)batch->map + block_at + (line.text - reader->block.data);
        batch->lines[batch->line_count++] = line;
    }
    if (r == 0 && batch->line_count != capacity)
        return damage(reader, -EBADMSG, "fewer records than the head says", fault);
    return r;
}

int batch_load(struct batch *ret, const char *path, struct fault *fault)
{
    struct batch batch = {0};
    struct batch_reader *reader = NULL;
    int r = batch_reader_open(&reader, path, fault);
    if (r < 0)
        return r;
    /* The analyser cannot know that fault_set() returns its error. NOLINTNEXTLINE */
    r = map_file(&batch, reader->fd);
    if (r < 0)
        (void)damage(reader, r, "cannot be mapped", fault);
    if (r == 0)
        r = index_lines(&batch, reader, fault);
    batch.head = reader->head;
    reader->head = (struct batch_head){0};
    batch_reader_close(reader);
    if (r < 0)
        batch_done(&batch);
    else
        *ret = batch;
    return r;
}

void batch_done(struct batch *batch)
{
    if (batch->map)
        (void)munmap(batch->map, batch->map_len);
    free(batch->lines);
    batch_head_done(&batch->head);
    *batch = (struct batch){0};
}
