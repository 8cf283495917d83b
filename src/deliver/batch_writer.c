/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/num.h"
#include "deliver/batch_format.h"
#include "record/text.h"

#define WRITE_OUT_BYTES (4UL << 20)

struct batch_writer {
    struct batch_head head;
    size_t head_room;
    struct buf block;
    uint64_t blocks;
    uint64_t bytes;
    uint64_t written_out; /* of them, so far */
    int fd;
    char path[PATH_MAX];
    char aside[PATH_MAX];
};

static void writer_free(struct batch_writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    batch_head_done(&writer->head);
    buf_done(&writer->block);
    free(writer);
}

void batch_writer_abandon(struct batch_writer *writer)
{
    if (!writer)
        return;
    if (writer->fd >= 0)
        (void)unlink(writer->aside);
    writer_free(writer);
}

static int copy_head(struct batch_head *to, const struct batch_head *from, struct fault *fault)
{
    *to = *from;
    to->flow_log_id = strdup(from->flow_log_id);
    to->format_text = strdup(from->format_text);
    to->interfaces = calloc(from->interface_count + 1U, sizeof *to->interfaces);
    if (!to->flow_log_id || !to->format_text || !to->interfaces)
        return fault_set(fault, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < from->interface_count; i++)
        to->interfaces[i].identity = from->interfaces[i].identity;
    return format_parse(&to->format, to->format_text, fault);
}

static int write_fault(const struct batch_writer *writer, int error, struct fault *fault)
{
    return fault_set(fault, error, "%s: cannot write: %s", writer->path, strerror(-error));
}

/* Room for any sums, found with none. */
static int measure_head(struct batch_writer *writer, struct fault *fault)
{
    AUTO_BUF struct buf head = BUF_INIT(DOCUMENT_FIRST_LINE_LEN + DOCUMENT_MAX);
    if (batch_head_print(&writer->head, 0, &head) < 0)
        return fault_set(fault, -ENOMEM, "out of memory");
    writer->head_room = batch_head_room(&writer->head, head.len - DOCUMENT_FIRST_LINE_LEN);
    writer->bytes = DOCUMENT_FIRST_LINE_LEN + writer->head_room;
    return 0;
}

/* With the sums as they are. */
static int write_head(struct batch_writer *writer, struct fault *fault)
{
    AUTO_BUF struct buf head = BUF_INIT(DOCUMENT_FIRST_LINE_LEN + DOCUMENT_MAX);
    int r = batch_head_print(&writer->head, writer->head_room, &head);
    if (r == 0 && lseek(writer->fd, 0, SEEK_SET) < 0)
        r = -errno;
    if (r == 0)
        r = file_write_all(writer->fd, head.data, head.len);
    return r < 0 ? write_fault(writer, r, fault) : 0;
}

static int open_aside(struct batch_writer *writer, const char *path, struct fault *fault)
{
    if ((size_t)snprintf(writer->path, sizeof writer->path, "%s", path) >= sizeof writer->path ||
        (size_t)snprintf(writer->aside, sizeof writer->aside, "%s.tmp", path) >= sizeof writer->aside)
        return fault_set(fault, -ENAMETOOLONG, "%s: path too long", path);
    writer->fd = open(writer->aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    return writer->fd < 0 ? write_fault(writer, -errno, fault) : 0;
}

int batch_writer_open(struct batch_writer **ret, const char *path, const struct batch_head *head,
                      struct fault *fault)
{
    struct batch_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return fault_set(fault, -ENOMEM, "out of memory");
    writer->fd = -1;
    writer->block = BUF_INIT(BATCH_BLOCK_MAX);
    int r = copy_head(&writer->head, head, fault);
    if (r == 0)
        r = measure_head(writer, fault);
    if (r == 0)
        r = open_aside(writer, path, fault);
    if (r == 0)
        r = write_head(writer, fault);
    if (r < 0) {
        batch_writer_abandon(writer);
        return r;
    }
    *ret = writer;
    return 0;
}

const struct batch_head *batch_writer_head(const struct batch_writer *writer)
{
    return &writer->head;
}

/* The disk works meanwhile; what it has taken by then, fsync() at the end need not wait for. */
static void start_writing_out(struct batch_writer *writer)
{
    if (writer->bytes - writer->written_out < WRITE_OUT_BYTES)
        return;
    (void)sync_file_range(writer->fd, (off_t)writer->written_out,
                          (off_t)(writer->bytes - writer->written_out), SYNC_FILE_RANGE_WRITE);
    writer->written_out = writer->bytes;
}

static int write_block(struct batch_writer *writer, uint32_t kind, const void *data, size_t len,
                       struct fault *fault)
{
    const struct batch_block block = {
        .kind = kind,
        .len = (uint32_t)len,
        .checksum = batch_checksum(kind, writer->head.sequence, writer->blocks, data, len)};
    int r = file_write_all(writer->fd, &block, sizeof block);
    if (r == 0)
        r = file_write_all(writer->fd, data, len);
    if (r < 0)
        return write_fault(writer, r, fault);
    writer->blocks++;
    writer->bytes += sizeof block + len;
    start_writing_out(writer);
    return 0;
}

static int end_line(struct batch_writer *writer, uint32_t interface, const struct batch_sum *sum,
                    struct fault *fault)
{
    if (writer->block.failed)
        return fault_set(fault, -ENOMEM, "out of memory");
    batch_sum_add(&writer->head.interfaces[interface].sum, sum);
    if (writer->block.len < BATCH_BLOCK_LEN)
        return 0;
    int r = write_block(writer, BATCH_BLOCK_LINES, writer->block.data, writer->block.len, fault);
    buf_clear(&writer->block);
    return r;
}

static void print_prefix(struct batch_writer *writer, uint64_t interface, uint64_t start, uint64_t end,
                         const struct batch_sum *sum)
{
    uint64_t window = writer->head.window;
    const uint64_t numbers[] = {interface, start - window, end - window, sum->packets, sum->lost};
    struct buf *buf = &writer->block;
    char *to = buf_reserve(buf, ARRAY_SIZE(numbers) * (NUM_U64_MAX_LEN + 1));
    if (!to)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        to += num_format_u64(to, numbers[i]);
        *to++ = i + 1 < ARRAY_SIZE(numbers) ? ' ' : '\t';
    }
    buf->len = (size_t)(to - buf->data);
}

static uint64_t time_of(const struct record *record, enum field_id field, uint64_t otherwise)
{
    const struct value *value = &record->values[field];
    return value->kind == VALUE_NUMBER ? value->number : otherwise;
}

int batch_writer_add(struct batch_writer *writer, uint32_t interface, const struct record *record,
                     uint64_t packets, uint64_t lost, struct fault *fault)
{
    const struct batch_sum sum = {.records = 1, .packets = packets, .lost = lost};
    uint64_t start = time_of(record, FIELD_START, writer->head.window);
    print_prefix(writer, interface, start, time_of(record, FIELD_END, start), &sum);
    record_write_text(&writer->block, &writer->head.format, record);
    return end_line(writer, interface, &sum, fault);
}

int batch_writer_copy(struct batch_writer *writer, const struct batch_line *line, struct fault *fault)
{
    const struct batch_sum sum = {.records = 1, .packets = line->packets, .lost = line->lost};
    print_prefix(writer, line->interface, line->start, line->end, &sum);
    buf_append(&writer->block, line->text, line->len);
    buf_char(&writer->block, '\n');
    return end_line(writer, line->interface, &sum, fault);
}

static int finish(struct batch_writer *writer, struct batch_sum *ret, struct fault *fault)
{
    int r = 0;
    if (writer->block.len)
        r = write_block(writer, BATCH_BLOCK_LINES, writer->block.data, writer->block.len, fault);
    *ret = batch_head_sum(&writer->head);
    const struct batch_totals totals = {.records = ret->records, .packets = ret->packets};
    if (r == 0)
        r = write_block(writer, BATCH_BLOCK_END, &totals, sizeof totals, fault);
    if (r == 0)
        r = write_head(writer, fault);
    if (r == 0 && (fsync(writer->fd) < 0 || rename(writer->aside, writer->path) < 0))
        r = write_fault(writer, -errno, fault);
    return r;
}

int batch_writer_commit(struct batch_writer *writer, struct batch_sum *ret, uint64_t *ret_bytes,
                        struct fault *fault)
{
    struct batch_sum sum;
    int r = finish(writer, &sum, fault);
    if (r < 0) {
        batch_writer_abandon(writer);
        return r;
    }
    file_sync_folder_of(writer->path);
    *ret = sum;
    *ret_bytes = writer->bytes;
    writer_free(writer);
    return 0;
}
