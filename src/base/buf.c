/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

void buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = BUF_INIT(buf->max);
}

static bool buf_grow(struct buf *buf, size_t need)
{
    size_t cap = buf->cap ? buf->cap : 256;
    while (cap < need)
        cap *= 2;
    if (cap > buf->max)
        cap = buf->max;
    char *data = realloc(buf->data, cap);
    if (!data)
        return false;
    buf->data = data;
    buf->cap = cap;
    return true;
}

void buf_wipe(struct buf *buf)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->cap);
    buf_done(buf);
}

char *buf_reserve(struct buf *buf, size_t more)
{
    if (buf->failed)
        return NULL;
    if (more > buf->max - buf->len ||
        ((buf->len + more > buf->cap || !buf->data) && !buf_grow(buf, buf->len + more))) {
        buf->failed = true;
        return NULL;
    }
    return buf->data + buf->len;
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
    if (len == 0)
        return;
    char *to = buf_reserve(buf, len);
    if (!to)
        return;
    memcpy(to, data, len);
    buf->len += len;
}

void buf_join(struct buf *buf, const struct buf *other)
{
    buf_append(buf, other->data, other->len);
    buf->failed |= other->failed;
}

void buf_text(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_char(struct buf *buf, char c)
{
    buf_append(buf, &c, 1);
}

void buf_u64(struct buf *buf, uint64_t number)
{
    char *to = buf_reserve(buf, NUM_U64_MAX_LEN);
    if (to)
        buf->len += num_format_u64(to, number);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *to = len < 0 ? NULL : buf_reserve(buf, (size_t)len + 1);
    if (!to)
        return;
    va_start(arguments, format);
    (void)vsnprintf(to, (size_t)len + 1, format, arguments);
    va_end(arguments);
    buf->len += (size_t)len;
}

const char *buf_string(struct buf *buf)
{
    char *end = buf_reserve(buf, 1);
    if (!end)
        return "";
    *end = '\0';
    return buf->data;
}
