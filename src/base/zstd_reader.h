/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Zstandard streams (RFC 8878), read in pieces. Windows of up to 128 MiB. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/macro.h"

struct zstd_reader;

int zstd_reader_new(struct zstd_reader **ret) MUST_USE;

/*
 * As gzip_reader_inflate(): into to[0..cap) from *in, which moves past what was taken; frames that follow
 * each other are one stream. -EBADMSG when the bytes are no such stream or damaged.
 */
int zstd_reader_inflate(struct zstd_reader *reader, const uint8_t **in, size_t *in_len, void *to, size_t cap,
                        size_t *ret_len) MUST_USE;

/* Between frames: true at the end of an uncut stream. */
bool zstd_reader_is_complete(const struct zstd_reader *reader);
void zstd_reader_free(struct zstd_reader *reader);

static inline bool zstd_is_magic(const void *data, size_t len)
{
    static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    return len >= sizeof magic && memcmp(data, magic, sizeof magic) == 0;
}
