/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A byte buffer that grows up to a maximum it was born with. Errors are sticky: after a failed append
 * `failed` stays set and later appends do nothing, so a writer checks once at its end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/macro.h"

struct buf {
    char *data; /* owned; not NUL-terminated unless buf_string() was called */
    size_t len;
    size_t cap;
    size_t max;
    bool failed; /* the maximum was reached or memory ran out */
};

#define BUF_INIT(maximum)                                                                                    \
    (struct buf)                                                                                             \
    {                                                                                                        \
        .max = (maximum)                                                                                     \
    }

void buf_done(struct buf *buf);
#define AUTO_BUF CLEANUP(buf_done)

/* The same for what holds a secret: its last bytes do not stay in memory. */
void buf_wipe(struct buf *buf);
#define AUTO_SECRET_BUF CLEANUP(buf_wipe)

/* Makes room for `more` bytes beyond len; returns where they go, or NULL (and sets failed). */
char *buf_reserve(struct buf *buf, size_t more) MUST_USE;

void buf_append(struct buf *buf, const void *data, size_t len);
void buf_join(struct buf *buf, const struct buf *other); /* its contents, and its failure */
void buf_text(struct buf *buf, const char *text);
void buf_char(struct buf *buf, char c);
void buf_u64(struct buf *buf, uint64_t number);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* The contents as a C string, valid until the next change; "" when empty or failed. */
const char *buf_string(struct buf *buf);

static inline void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}
