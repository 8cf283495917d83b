/* SPDX-License-Identifier: Apache-2.0 */
#include "store/line_feed.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/gzip.h"
#include "base/zstd_reader.h"
#include "record/source.h"

#define RANGE_SIZE                                                                                           \
    (512UL * 1024)       /* of a plain file; stays in the processor's cache while it is looked at            \
                          */
#define TAIL_SIZE 4096UL /* read behind a range for the end of its last line */
#define BUFFER_SIZE (RANGE_SIZE + 2UL * LINE_LEN_MAX)
#define THREADS_MAX 256

/* A plain file that threads share. Ranges are handed out in order, and each waits for those before it to tell
 * how many lines they have and which format their last header line gives. */
struct shared_file {
    size_t index;
    int fd;
    uint64_t ranges;
    uint64_t next_range; /* that nobody has taken */
    uint64_t told;       /* ranges that have told */
    unsigned users;      /* threads that read it, and the feed while it hands out ranges */
    uint64_t lines;      /* of the ranges that have told */
    struct format format;
    bool is_guessed;
    pthread_cond_t has_told;
};

struct line_feed {
    const struct source_file *const *files;
    size_t count;
    const struct format *format;
    pthread_mutex_t mutex;
    size_t next_file;
    struct shared_file *shared; /* whose ranges are being handed out; NULL: none */
};

struct line_reader {
    struct line_feed *feed;
    struct line_scanner *scanner;
    char *buffer;
    /* Of a file that is this thread's alone: */
    struct source *source; /* NULL: none */
    size_t file;
    size_t begin, end; /* bytes that are read and not handed out */
    uint64_t line;     /* number of the next one */
    uint64_t position;
    bool at_end;
    int error; /* of the source; handed out after the bytes that came before it */
    struct fault fault;
    uint64_t bytes; /* taken and not told */
};

static int no_memory(struct fault *fault)
{
    return fault_set(fault, -ENOMEM, "out of memory");
}

struct line_feed *line_feed_new(const struct source_file *const *files, size_t count,
                                const struct format *format)
{
    struct line_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return NULL;
    feed->files = files;
    feed->count = count;
    feed->format = format;
    (void)pthread_mutex_init(&feed->mutex, NULL);
    return feed;
}

/* Under the mutex. */
static void leave_shared(struct shared_file *shared)
{
    if (--shared->users > 0)
        return;
    (void)close(shared->fd);
    (void)pthread_cond_destroy(&shared->has_told);
    free(shared);
}

void line_feed_free(struct line_feed *feed)
{
    if (!feed)
        return;
    if (feed->shared)
        leave_shared(feed->shared);
    (void)pthread_mutex_destroy(&feed->mutex);
    free(feed);
}

size_t line_feed_threads(const struct line_feed *feed)
{
    size_t threads = 0;
    for (size_t i = 0; i < feed->count && threads < THREADS_MAX; i++)
        threads += feed->files[i]->size / RANGE_SIZE + 1;
    return threads < THREADS_MAX ? threads : THREADS_MAX;
}

struct line_reader *line_reader_new(struct line_feed *feed, struct line_scanner *scanner)
{
    struct line_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->feed = feed;
    reader->scanner = scanner;
    reader->buffer = malloc(BUFFER_SIZE + LINE_SLACK);
    if (!reader->buffer) {
        free(reader);
        return NULL;
    }
    return reader;
}

void line_reader_free(struct line_reader *reader)
{
    if (!reader)
        return;
    source_free(reader->source);
    free(reader->buffer);
    free(reader);
}

uint64_t line_reader_bytes(struct line_reader *reader)
{
    uint64_t bytes = reader->bytes;
    reader->bytes = 0;
    return bytes;
}

static void refuse_long(struct line_reader *reader, uint64_t line)
{
    struct fault reason;
    (void)fault_set(&reason, 0, "longer than %d bytes", LINE_LEN_MAX);
    reader->scanner->is_first = false;
    reader->scanner->bad_line(reader->scanner->userdata, line, reason.text);
}

/* The first byte of what is neither blank nor a comment; '\0' where there is none. */
static char first_byte(const char *at, const char *end)
{
    static const char mark[] = {'\xef', '\xbb', '\xbf'};
    if ((size_t)(end - at) >= sizeof mark && memcmp(at, mark, sizeof mark) == 0)
        at += sizeof mark;
    while (at < end) {
        if (*at == '#') {
            at = memchr(at, '\n', (size_t)(end - at));
            if (!at)
                return '\0';
        } else if (*at != ' ' && *at != '\t' && *at != '\r' && *at != '\n') {
            return *at;
        }
        at++;
    }
    return '\0';
}

/* Fills the buffer behind what is held; stops at the end, at an error, and when there is a range of bytes. */
static void fill(struct line_reader *reader)
{
    memmove(reader->buffer, reader->buffer + reader->begin, reader->end - reader->begin);
    reader->end -= reader->begin;
    reader->begin = 0;
    size_t wanted = reader->end + RANGE_SIZE;
    while (reader->end < wanted && !reader->at_end && reader->error == 0) {
        ssize_t got =
            source_read(reader->source, reader->buffer + reader->end, wanted - reader->end, &reader->fault);
        if (got < 0)
            reader->error = (int)got;
        else
            reader->end += (size_t)got;
        reader->at_end = got == 0;
    }
    uint64_t position = source_position(reader->source);
    reader->bytes += position - reader->position;
    reader->position = position;
}

/* The rest of a line that is too long goes by; false at the end of the file. */
static void skip_long(struct line_reader *reader)
{
    refuse_long(reader, reader->line++);
    for (;;) {
        char *at = reader->buffer + reader->begin;
        char *newline = memchr(at, '\n', reader->end - reader->begin);
        reader->begin = newline ? (size_t)(newline + 1 - reader->buffer) : reader->end;
        if (newline || reader->at_end || reader->error < 0)
            return;
        fill(reader);
    }
}

static void close_stream(struct line_reader *reader)
{
    source_free(TAKE(reader->source));
}

/* The last line, whose newline is missing; false where there is none. */
static bool end_last_line(struct line_reader *reader, struct line_block *ret)
{
    if (reader->begin == reader->end)
        return false;
    if (reader->error < 0) {
        reader->scanner->is_first = false;
        reader->scanner->bad_line(reader->scanner->userdata, reader->line,
                                  "cut off where the file could not be read on");
        return false;
    }
    reader->buffer[reader->end++] = '\n';
    *ret = (struct line_block){reader->buffer + reader->begin, reader->buffer + reader->end, reader->line};
    reader->begin = reader->end;
    return true;
}

/* As line_reader_next() for the file that is this thread's alone. */
static int next_of_stream(struct line_reader *reader, struct line_block *ret, struct fault *fault)
{
    for (;;) {
        char *at = reader->buffer + reader->begin;
        size_t held = reader->end - reader->begin;
        char *newline = memrchr(at, '\n', held);
        if (newline) {
            *ret = (struct line_block){at, newline + 1, reader->line};
            reader->begin = (size_t)(newline + 1 - reader->buffer);
            return LINE_FEED_BLOCK;
        }
        if (held > LINE_LEN_MAX) {
            skip_long(reader);
        } else if (!reader->at_end && reader->error == 0) {
            fill(reader);
        } else {
            if (end_last_line(reader, ret))
                return LINE_FEED_BLOCK;
            close_stream(reader);
            if (reader->error < 0 && fault)
                *fault = reader->fault;
            return reader->error < 0 ? reader->error : LINE_FEED_END;
        }
    }
}

static int begin_scanner(struct line_reader *reader, struct fault *fault)
{
    return line_scanner_begin(reader->scanner, reader->feed->format) < 0 ? no_memory(fault) : 0;
}

/* LINE_FEED_INPUT for JSON, else LINE_FEED_BLOCK: there are lines to come. */
static int open_stream(struct line_reader *reader, size_t file, struct fault *fault)
{
    int r = source_open(&reader->source, reader->feed->files[file]->path, fault);
    if (r < 0)
        return r;
    reader->file = file;
    reader->begin = 0;
    reader->end = 0;
    reader->line = 1;
    reader->position = 0;
    reader->at_end = false;
    reader->error = 0;
    fill(reader);
    if (first_byte(reader->buffer, reader->buffer + reader->end) == '{') {
        close_stream(reader);
        return LINE_FEED_INPUT;
    }
    r = begin_scanner(reader, fault);
    return r < 0 ? r : LINE_FEED_BLOCK;
}

static size_t read_at(int fd, char *to, size_t len, uint64_t offset, int *ret_error)
{
    size_t done = 0;
    while (done < len) {
        ssize_t got = pread(fd, to + done, len - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            *ret_error = -errno;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

/* What of a range is lines that begin in it. */
struct range {
    size_t begin, end; /* in the buffer */
    bool has_long;     /* a line that is too long follows */
    int error;
};

/* Reads on until the range's last line has its end; false when that is too far away. */
static bool find_end(struct line_reader *reader, const struct shared_file *shared, struct range *range,
                     size_t border, uint64_t offset, size_t *held)
{
    for (;;) {
        size_t from = border > range->begin ? border - 1 : range->begin;
        char *newline = *held > from ? memchr(reader->buffer + from, '\n', *held - from) : NULL;
        range->end = newline ? (size_t)(newline + 1 - reader->buffer) : *held;
        if (newline)
            return true;
        if (*held > border + LINE_LEN_MAX)
            return false;
        size_t got =
            read_at(shared->fd, reader->buffer + *held, LINE_LEN_MAX / 2, offset + *held, &range->error);
        *held += got;
        if (got > 0)
            continue;
        if (*held > range->begin && reader->buffer[*held - 1] != '\n')
            reader->buffer[(*held)++] = '\n'; /* the last line of the file lacks it */
        range->end = *held;
        return true;
    }
}

static void read_range(struct line_reader *reader, const struct shared_file *shared, uint64_t number,
                       struct range *range)
{
    size_t before = number > 0; /* the byte before tells whether a line begins with the range */
    size_t border = before + RANGE_SIZE;
    uint64_t offset = number * RANGE_SIZE - before;
    size_t held = read_at(shared->fd, reader->buffer, border + TAIL_SIZE, offset, &range->error);
    if (before) {
        char *newline = memchr(reader->buffer, '\n', held < border ? held : border);
        size_t begin = newline ? (size_t)(newline + 1 - reader->buffer) : held;
        range->begin = range->end = begin;
        if (!newline || begin >= border || begin >= held)
            return;
    }
    if (held <= range->begin || find_end(reader, shared, range, border, offset, &held))
        return;
    char *last = memrchr(reader->buffer + range->begin, '\n', border - 1 - range->begin);
    range->end = last ? (size_t)(last + 1 - reader->buffer) : range->begin;
    range->has_long = true;
}

/* Waits for the ranges before; sets the scanner and the block, and tells those behind. */
static int join_ranges(struct line_reader *reader, struct shared_file *shared, uint64_t number,
                       const struct range *range, struct line_block *ret, struct fault *fault)
{
    struct line_feed *feed = reader->feed;
    struct line_survey survey;
    *ret = (struct line_block){.at = reader->buffer + range->begin, .end = reader->buffer + range->end};
    line_survey(&survey, ret->at, ret->end, number == 0);
    (void)pthread_mutex_lock(&feed->mutex);
    while (shared->told < number)
        (void)pthread_cond_wait(&shared->has_told, &feed->mutex);
    ret->line = shared->lines + 1;
    int r = begin_scanner(reader, fault);
    if (r == 0 && number > 0)
        line_scanner_go_on(reader->scanner, &shared->format, shared->is_guessed);
    shared->lines += survey.lines + range->has_long;
    if (survey.has_header) {
        shared->format = survey.format;
        shared->is_guessed = false;
    }
    shared->told++;
    (void)pthread_cond_broadcast(&shared->has_told);
    leave_shared(shared);
    (void)pthread_mutex_unlock(&feed->mutex);
    if (range->has_long)
        refuse_long(reader, ret->line + survey.lines);
    return r;
}

/* The range is this thread's, which counts as a user. */
static int take_range(struct line_reader *reader, struct shared_file *shared, uint64_t number,
                      struct line_block *ret, size_t *ret_file, struct fault *fault)
{
    struct range range = {0};
    *ret_file = shared->index;
    read_range(reader, shared, number, &range);
    reader->bytes += range.end - range.begin;
    int r = join_ranges(reader, shared, number, &range, ret, fault);
    if (r == 0 && range.error < 0)
        return fault_set(fault, range.error, "%s: cannot read: %s", reader->feed->files[*ret_file]->name,
                         strerror(-range.error));
    return r < 0 ? r : LINE_FEED_BLOCK;
}

/* Under the mutex: the next range of the shared file; NULL where there is none. */
static struct shared_file *claim_range(struct line_feed *feed, uint64_t *ret_number)
{
    struct shared_file *shared = feed->shared;
    if (!shared)
        return NULL;
    *ret_number = shared->next_range++;
    shared->users++;
    if (shared->next_range == shared->ranges) {
        feed->shared = NULL;
        leave_shared(shared);
    }
    return shared;
}

/* Under the mutex: a plain file becomes the one whose ranges are handed out; false for what is no such file.
 */
static bool share_file(struct line_reader *reader, size_t file, int *fd)
{
    struct line_feed *feed = reader->feed;
    off_t size = lseek(*fd, 0, SEEK_END);
    int error = 0;
    size_t held = size > 0 ? read_at(*fd, reader->buffer, TAIL_SIZE, 0, &error) : 0;
    if (zstd_is_magic(reader->buffer, held) || gzip_is_magic(reader->buffer, held))
        return false;
    char first = first_byte(reader->buffer, reader->buffer + held);
    if (first == '{' || first == '\0')
        return false; /* JSON, or not to be told from the beginning alone */
    struct shared_file *shared = calloc(1, sizeof *shared);
    if (!shared)
        return false;
    *shared = (struct shared_file){.index = file,
                                   .fd = TAKE_FD(*fd),
                                   .ranges = ((uint64_t)size + RANGE_SIZE - 1) / RANGE_SIZE,
                                   .users = 1,
                                   .is_guessed = !feed->format};
    if (feed->format)
        shared->format = *feed->format;
    else
        format_set_default(&shared->format);
    (void)pthread_cond_init(&shared->has_told, NULL);
    feed->shared = shared;
    return true;
}

int line_reader_next(struct line_reader *reader, struct line_block *ret, size_t *ret_file,
                     struct fault *fault)
{
    struct line_feed *feed = reader->feed;
    for (;;) {
        if (reader->source) {
            *ret_file = reader->file;
            reader->line = ret->line > reader->line ? ret->line : reader->line;
            int r = next_of_stream(reader, ret, fault);
            if (r != LINE_FEED_END)
                return r;
        }
        uint64_t number = 0;
        (void)pthread_mutex_lock(&feed->mutex);
        size_t file = feed->next_file;
        bool is_new = !feed->shared && file < feed->count;
        AUTO_CLOSE int fd = is_new ? open(feed->files[file]->path, O_RDONLY | O_CLOEXEC) : -1;
        feed->next_file += is_new;
        bool is_stream = is_new && fd >= 0 && !share_file(reader, file, &fd);
        int error = is_new && !feed->shared && !is_stream ? -errno : 0;
        struct shared_file *shared = claim_range(feed, &number);
        (void)pthread_mutex_unlock(&feed->mutex);
        *ret_file = file;
        if (shared)
            return take_range(reader, shared, number, ret, ret_file, fault);
        if (!is_new)
            return LINE_FEED_END;
        if (error < 0)
            return fault_set(fault, error, "%s: cannot open: %s", feed->files[file]->name, strerror(-error));
        *ret = (struct line_block){0};
        int r = open_stream(reader, file, fault);
        if (r != LINE_FEED_BLOCK)
            return r;
    }
}
