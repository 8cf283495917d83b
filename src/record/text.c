/* SPDX-License-Identifier: Apache-2.0 */
#include "record/text.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/num.h"
#include "record/value.h"

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

void record_write_text(struct buf *buf, const struct format *format, const struct record *record)
{
    const struct value version = {.number = format->version, .kind = VALUE_NUMBER};
    size_t start = buf->len;
    for (unsigned i = 0; i < format->count; i++) {
        const struct value *value = &record->values[format->fields[i]];
        if (format->fields[i] == FIELD_VERSION)
            value = &version;
        char *at = buf_reserve(buf, room_needed(value));
        if (!at) {
            buf->len = start; /* no half lines */
            return;
        }
        char *end = write_value(at, value);
        *end++ = i + 1 < format->count ? ' ' : '\n';
        buf->len = (size_t)(end - buf->data);
    }
}

#define BYTES(byte) (0x0101010101010101ULL * (byte))

/* The eight bytes at `at`; beyond `end` they are spaces. */
static uint64_t load_bytes(const char *at, const char *end)
{
    uint64_t word = BYTES(' ');
    size_t left = (size_t)(end - at);
    memcpy(&word, at, left < sizeof word ? left : sizeof word);
    return le64toh(word);
}

/* Top bit of each byte that is below 0x21: spaces, which separate, and control characters. */
static uint64_t find_separators(uint64_t word)
{
    return ~((word | BYTES(0x80)) - BYTES(0x21)) & ~word & BYTES(0x80);
}

/* Where the fields of a line end. */
struct fields {
    uint32_t ends[FORMAT_FIELDS_MAX + 1]; /* offset of the separator behind each, or the line's length */
    unsigned count;                       /* one more than the format has is as far as it counts */
    bool control;                         /* a control character stands between two */
    bool high;                            /* some byte is not ASCII */
};

static void split_fields(struct fields *fields, const char *line, size_t len, unsigned limit)
{
    uint64_t high = 0;
    fields->count = 0;
    fields->control = false;
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = load_bytes(line + at, line + len);
        high |= word;
        for (uint64_t marks = find_separators(word); marks; marks &= marks - 1) {
            size_t where = at + (size_t)__builtin_ctzll(marks) / 8;
            if (where >= len || fields->count > limit)
                break;
            fields->control |= line[where] != ' ';
            fields->ends[fields->count++] = (uint32_t)where;
        }
    }
    fields->high = (high & BYTES(0x80)) != 0;
    if (fields->count <= limit)
        fields->ends[fields->count++] = (uint32_t)len;
}

static int refuse_count(const struct fields *fields, const struct format *format, const char *line,
                        size_t len, struct fault *fault)
{
    if (memmem(line, len, "  ", 2) || line[0] == ' ' || line[len - 1] == ' ')
        return fault_set(fault, -EINVAL,
                         "an empty field: more than one space, or one at the beginning or end");
    if (fields->count > format->count)
        return fault_set(fault, -EINVAL, "more than the %u fields of the format", format->count);
    return fault_set(fault, -EINVAL, "%u fields, the format has %u", fields->count, format->count);
}

int record_parse_text(struct record *record, const struct format *format, const char *line, size_t len,
                      struct fault *fault)
{
    struct fields fields;
    if (len == 0)
        return fault_set(fault, -EINVAL, "an empty line");
    split_fields(&fields, line, len, format->count);
    if (fields.count != format->count)
        return refuse_count(&fields, format, line, len, fault);
    if (fields.control)
        return fault_set(fault, -EINVAL, "a control character, such as a tab, where a space is due");
    if (fields.high && !value_is_utf8(line, len))
        return fault_set(fault, -EINVAL, "neither ASCII nor UTF-8");
    const char *at = line;
    for (unsigned i = 0; i < format->count; i++) {
        size_t value_len = (size_t)(line + fields.ends[i] - at);
        enum field_id field = format->fields[i];
        if (field != FORMAT_UNKNOWN) {
            int r = value_parse(&record->values[field], field, at, value_len, fault);
            if (r < 0)
                return r;
        }
        at += value_len + 1;
    }
    return 0;
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
