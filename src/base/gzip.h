/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Gzip streams (RFC 1952) in pieces, by ISA-L: fifteen times zlib's speed at log files' usual ratio. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct gzip_writer;
struct gzip_reader;

/* One member, without name or time: equal input in equal pieces gives equal bytes. -ENOMEM. */
int gzip_writer_new(struct gzip_writer **ret) MUST_USE;

/* The same for bytes that are packed already, of which a longer search still takes a little off. */
int gzip_writer_new_small(struct gzip_writer **ret) MUST_USE;

/* Appends what is ready to `to`; with `last` the member's end as well. -ENOMEM when `to` is at its maximum.
 */
int gzip_writer_add(struct gzip_writer *writer, const void *data, size_t len, bool last,
                    struct buf *to) MUST_USE;
void gzip_writer_free(struct gzip_writer *writer);

int gzip_reader_new(struct gzip_reader **ret) MUST_USE;

/*
 * Inflates into to[0..cap) from *in, of which *in_len bytes are there; both move past what was taken.
 * Concatenated members are one stream; zero bytes behind a member are padding. Call until neither input is
 * taken nor output made. -EBADMSG when the bytes are no gzip or damaged, also by checksum.
 */
int gzip_reader_inflate(struct gzip_reader *reader, const uint8_t **in, size_t *in_len, void *to, size_t cap,
                        size_t *ret_len) MUST_USE;

/* Between members: true at the end of an uncut stream. */
bool gzip_reader_is_complete(const struct gzip_reader *reader);
void gzip_reader_free(struct gzip_reader *reader);

static inline bool gzip_is_magic(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    return len >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}
