/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fits the second-level cache together with the flows of a batch. */
#define BUFFER_SIZE ((size_t)256 << 10)
#define PACKED_SIZE ((size_t)128 << 10)

static void stream_fail(struct stream *stream, int error)
{
    uint64_t offset = stream->offset + stream->end;
    stream->error = error;
    stream->ended = true;
    if (error == -EBADMSG)
        (void)fault_set(&stream->fault, error, "%s: offset %" PRIu64 ": the gzip data are damaged or cut off",
                        stream->name, offset);
    else
        (void)fault_set(&stream->fault, error, "%s: offset %" PRIu64 ": cannot read: %s", stream->name,
                        offset, strerror(-error));
}

/* Bytes read, 0 at the end, or a negative errno. */
static ssize_t fetch(struct stream *stream, void *to, size_t size)
{
    ssize_t got;
    do {
        got = read(stream->fd, to, size);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    stream->fetched += (uint64_t)got;
    return got;
}

/* As fetch; *ret_error is set when the bytes returned are the last before damage. */
static ssize_t fetch_packed(struct stream *stream, void *to, size_t size, int *ret_error)
{
    for (;;) {
        const uint8_t *in = stream->packed + stream->packed_start;
        size_t in_len = stream->packed_end - stream->packed_start;
        size_t made = 0;
        int r = gzip_reader_inflate(stream->gzip, &in, &in_len, to, size, &made);
        stream->packed_start = stream->packed_end - in_len;
        if (made > 0) {
            *ret_error = r;
            return (ssize_t)made;
        }
        if (r < 0)
            return r;
        if (in_len > 0)
            continue;
        ssize_t got = fetch(stream, stream->packed, PACKED_SIZE);
        if (got < 0)
            return got;
        if (got == 0)
            return gzip_reader_is_complete(stream->gzip) ? 0 : -EBADMSG;
        stream->packed_start = 0;
        stream->packed_end = (size_t)got;
    }
}

/* Reads on behind `end`; false at the end of the input. */
static bool stream_fill(struct stream *stream)
{
    if (stream->ended)
        return false;
    uint8_t *to = stream->buffer + stream->end;
    size_t room = stream->capacity - stream->end;
    int error = 0;
    ssize_t got = stream->gzip ? fetch_packed(stream, to, room, &error) : fetch(stream, to, room);
    if (got < 0)
        error = (int)got;
    else
        stream->end += (size_t)got;
    if (error < 0)
        stream_fail(stream, error);
    if (got == 0)
        stream->ended = true;
    return got > 0;
}

static bool stream_make_room(struct stream *stream, size_t size)
{
    size_t available = stream_available(stream);
    if (size > stream->capacity) {
        uint8_t *buffer = malloc(size);
        if (!buffer) {
            stream_fail(stream, -ENOMEM);
            return false;
        }
        memcpy(buffer, stream_at(stream), available);
        free(stream->buffer);
        stream->buffer = buffer;
        stream->capacity = size;
    } else {
        memmove(stream->buffer, stream_at(stream), available);
    }
    stream->offset += stream->start;
    stream->start = 0;
    stream->end = available;
    return true;
}

bool stream_need(struct stream *stream, size_t size)
{
    if (stream_available(stream) >= size)
        return true;
    if (size > STREAM_NEED_MAX || !stream_make_room(stream, size))
        return false;
    while (stream_available(stream) < size)
        if (!stream_fill(stream))
            return false;
    return true;
}

bool stream_skip(struct stream *stream, uint64_t size)
{
    while (size > stream_available(stream)) {
        size -= stream_available(stream);
        stream->offset += stream->end;
        stream->start = stream->end = 0;
        if (!stream_fill(stream))
            return false;
    }
    stream_take(stream, (size_t)size);
    return true;
}

int stream_cut(const struct stream *stream, uint64_t offset, const char *what, struct fault *fault)
{
    if (stream->error) {
        if (fault)
            *fault = stream->fault;
        return stream->error;
    }
    return fault_set(fault, -EBADMSG, "%s: offset %" PRIu64 ": %s is cut off by the end of the file",
                     stream->name, offset, what);
}

/* What was read so far is gzip: unpacks it from its first byte. */
static int begin_gzip(struct stream *stream, struct fault *fault)
{
    stream->packed = malloc(PACKED_SIZE > stream->end ? PACKED_SIZE : stream->end);
    if (!stream->packed || gzip_reader_new(&stream->gzip) < 0)
        return fault_set(fault, -ENOMEM, "%s: out of memory", stream->name);
    memcpy(stream->packed, stream->buffer, stream->end);
    stream->packed_end = stream->end;
    stream->end = 0;
    stream->ended = false;
    return 0;
}

static int open_file(struct stream *stream, const char *path, struct fault *fault)
{
    struct stat status;
    bool is_stdin = strcmp(path, "-") == 0;
    stream->fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (stream->fd < 0)
        return fault_set(fault, -errno, "%s: cannot open: %s", stream->name, strerror(errno));
    if (fstat(stream->fd, &status) == 0 && S_ISREG(status.st_mode))
        stream->size = (uint64_t)status.st_size;
    (void)posix_fadvise(stream->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint; pipes refuse it */
    return 0;
}

static int begin(struct stream *stream, const char *path, struct fault *fault)
{
    int r = open_file(stream, path, fault);
    if (r < 0)
        return r;
    stream->buffer = malloc(BUFFER_SIZE);
    if (!stream->buffer)
        return fault_set(fault, -ENOMEM, "%s: out of memory", stream->name);
    stream->capacity = BUFFER_SIZE;
    if (!stream_need(stream, 2) && stream->error)
        return stream_cut(stream, 0, "", fault);
    return gzip_is_magic(stream->buffer, stream->end) ? begin_gzip(stream, fault) : 0;
}

int stream_open(struct stream *stream, const char *path, struct fault *fault)
{
    *stream = (struct stream){.fd = -1, .name = strcmp(path, "-") == 0 ? "standard input" : path};
    int r = begin(stream, path, fault);
    if (r < 0)
        stream_close(stream);
    return r;
}

void stream_close(struct stream *stream)
{
    if (stream->fd >= 0)
        (void)close(stream->fd);
    gzip_reader_free(stream->gzip);
    free(stream->packed);
    free(stream->buffer);
    *stream = (struct stream){.fd = -1};
}
