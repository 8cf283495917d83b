/* SPDX-License-Identifier: Apache-2.0 */
#include "record/text.h"

#include <string.h>

#include "base/address.h"
#include "base/num.h"

/* Longest value but text: an address. */
#define SHORT_VALUE_MAX ADDRESS_TEXT_MAX

/* Writes the value and returns where it ends; the caller has made room. */
static char *write_value(char *at, const struct value *value)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_NUMBER:
        return at + num_format_u64(at, value->number);
    case VALUE_ADDRESS:
        return at + address_format(at, value->address, (uint8_t)value->len);
    case VALUE_TEXT:
        memcpy(at, value->text, value->len);
        return at + value->len;
    case VALUE_ABSENT:
        break;
    }
    *at = '-';
    return at + 1;
}

static size_t room_needed(const struct value *value)
{
    return (value->kind == VALUE_TEXT ? value->len : SHORT_VALUE_MAX) + 1; /* and what ends it */
}

#define ROOM_AT_ONCE 1024 /* most lines are shorter */

void record_write_text(struct buf *buf, const struct format *format, const struct record *record)
{
    const struct value version = {.number = format->version, .kind = VALUE_NUMBER};
    size_t start = buf->len;
    char *at = NULL;
    const char *limit = NULL;
    for (unsigned i = 0; i < format->count; i++) {
        const struct value *value =
            format->fields[i] == FIELD_VERSION ? &version : &record->values[format->fields[i]];
        size_t needed = room_needed(value);
        if ((size_t)(limit - at) < needed) {
            buf->len = at ? (size_t)(at - buf->data) : start;
            at = buf_reserve(buf, needed + ROOM_AT_ONCE);
            if (!at) {
                buf->len = start; /* no half lines */
                return;
            }
            limit = at + needed + ROOM_AT_ONCE;
        }
        at = write_value(at, value);
        *at++ = i + 1 < format->count ? ' ' : '\n';
    }
    buf->len = at ? (size_t)(at - buf->data) : start;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

void record_encode_text(struct buf *buf, const char *text, size_t len)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (is_unreserved(text[i]))
            buf_char(buf, text[i]);
        else
            buf_append(buf, (char[]){'%', hex[byte >> 4], hex[byte & 15]}, 3);
    }
}
