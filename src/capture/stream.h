/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The bytes of a capture file, plain or gzip, from a file or a pipe, through one buffer that grows when a
 * single packet asks for it. Reading beats mapping here: the buffer stays in the cache, and a file that
 * shrinks meanwhile is an error, not a signal.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/gzip.h"
#include "base/macro.h"

struct stream {
    uint8_t *buffer; /* owned */
    size_t capacity;
    size_t start; /* of what was not taken yet */
    size_t end;
    uint64_t offset;  /* of buffer[0] in the file; in the unpacked bytes where it is gzip */
    uint64_t fetched; /* bytes read from the file itself */
    uint64_t size;    /* of the file itself; 0 where nobody knows */
    const char *name; /* for messages; borrowed */
    int fd;
    int error; /* the file could be read this far only */
    bool ended;
    struct gzip_reader *gzip; /* NULL for a plain file */
    uint8_t *packed;          /* owned: gzip bytes not yet inflated */
    size_t packed_start;
    size_t packed_end;
    struct fault fault; /* what `error` is */
};

/* "-" is standard input. `path` is borrowed until stream_close. */
int stream_open(struct stream *stream, const char *path, struct fault *fault) MUST_USE;
void stream_close(struct stream *stream);

static inline const uint8_t *stream_at(const struct stream *stream)
{
    return stream->buffer + stream->start;
}

static inline size_t stream_available(const struct stream *stream)
{
    return stream->end - stream->start;
}

static inline uint64_t stream_offset(const struct stream *stream)
{
    return stream->offset + stream->start;
}

static inline void stream_take(struct stream *stream, size_t size)
{
    stream->start += size;
}

/*
 * Has `size` bytes (at most STREAM_NEED_MAX) at stream_at(), moving what is there already: pointers into the
 * buffer end here. False when the input ends or fails before; stream_available() is then the rest.
 */
bool stream_need(struct stream *stream, size_t size) MUST_USE;

/* Passes over `size` bytes of any number. False when there are fewer. */
bool stream_skip(struct stream *stream, uint64_t size) MUST_USE;

/* Why stream_need or stream_skip was false: the read error, or "`what` is cut off" at `offset`. Negative. */
int stream_cut(const struct stream *stream, uint64_t offset, const char *what, struct fault *fault);

#define STREAM_NEED_MAX ((size_t)64 << 20)
