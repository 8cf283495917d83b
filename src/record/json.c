/* SPDX-License-Identifier: Apache-2.0 */
#include "record/json.h"

#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "base/num.h"
#include "record/value.h"

static bool needs_escape(unsigned char byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\';
}

#define BYTES(byte) (0x0101010101010101ULL * (byte))

/* Whether one of eight bytes needs an escape: the top bit of each tells. */
static bool any_needs_escape(uint64_t word)
{
    uint64_t quote = word ^ BYTES('"');
    uint64_t backslash = word ^ BYTES('\\');
    uint64_t marks = ((word - BYTES(0x20)) & ~word) | ((quote - BYTES(1)) & ~quote) |
                     ((backslash - BYTES(1)) & ~backslash);
    return (marks & BYTES(0x80)) != 0;
}

/* Nearly all texts; the last eight bytes are looked at as such, whatever the length. */
static bool is_plain(const char *text, size_t len)
{
    uint64_t word;
    bool found = false;
    if (len < sizeof word) {
        for (size_t i = 0; i < len; i++)
            found |= needs_escape((unsigned char)text[i]);
        return !found;
    }
    for (size_t at = 0; at < len - sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        found |= any_needs_escape(word);
    }
    memcpy(&word, text + len - sizeof word, sizeof word);
    return !found && !any_needs_escape(word);
}

static void write_escaped(struct buf *buf, const char *text, size_t len)
{
    size_t copied = 0;
    buf_char(buf, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (!needs_escape(byte))
            continue;
        buf_append(buf, text + copied, i - copied);
        copied = i + 1;
        if (byte < 0x20)
            buf_printf(buf, "\\u%04x", byte);
        else
            buf_append(buf, (char[]){'\\', text[i]}, 2);
    }
    buf_append(buf, text + copied, len - copied);
    buf_char(buf, '"');
}

/* Writes the plain text and returns where it ends; the caller has made room. */
static char *put_plain(char *at, const char *text, size_t len)
{
    *at++ = '"';
    memcpy(at, text, len);
    at[len] = '"';
    return at + len + 1;
}

void json_write_string(struct buf *buf, const char *text, size_t len)
{
    if (!is_plain(text, len)) {
        write_escaped(buf, text, len);
        return;
    }
    char *at = buf_reserve(buf, len + 2);
    if (at)
        buf->len += (size_t)(put_plain(at, text, len) - at);
}

/* Longest value but text: an address in quotes. */
#define SHORT_VALUE_MAX (ADDRESS_TEXT_MAX + 2)

/* Writes a value that needs no escapes and returns where it ends; the caller has made room. */
static char *put_value(char *at, const struct value *value)
{
    switch ((enum value_kind)value->kind) {
    case VALUE_NUMBER:
        return at + num_format_u64(at, value->number);
    case VALUE_TEXT:
        return put_plain(at, value->text, value->len);
    case VALUE_ADDRESS:
        *at++ = '"';
        at += address_format(at, value->address, (uint8_t)value->len);
        *at++ = '"';
        return at;
    case VALUE_ABSENT:
        break;
    }
    static const char null[4] = {'n', 'u', 'l', 'l'};
    memcpy(at, null, sizeof null);
    return at + sizeof null;
}

static void write_field(struct buf *buf, char before, const struct field *field, const struct value *value)
{
    bool is_text = value->kind == VALUE_TEXT;
    bool escapes = is_text && !is_plain(value->text, value->len);
    size_t room = is_text && !escapes ? (size_t)value->len + 2 : SHORT_VALUE_MAX;
    char *at = buf_reserve(buf, 1 + sizeof field->member + room);
    if (!at)
        return;
    *at++ = before;
    memcpy(at, field->member, sizeof field->member);
    at += field->name_len + 3;
    if (!escapes)
        at = put_value(at, value);
    buf->len = (size_t)(at - buf->data);
    if (escapes)
        write_escaped(buf, value->text, value->len);
}

void json_write_member(struct buf *buf, const char *before, const char *text)
{
    buf_text(buf, before);
    if (text)
        json_write_string(buf, text, strlen(text));
    else
        buf_text(buf, "null");
}

void record_write_json(struct buf *buf, const struct format *format, const struct record *record)
{
    const struct value version = {.number = format->version, .kind = VALUE_NUMBER};
    bool seen[FIELD_COUNT] = {false};
    char before = '{';
    for (unsigned i = 0; i < format->count; i++) {
        unsigned id = format->fields[i];
        if (id == FIELD_UNKNOWN || seen[id])
            continue;
        seen[id] = true;
        write_field(buf, before, &field_catalogue[id], id == FIELD_VERSION ? &version : &record->values[id]);
        before = ',';
    }
    buf_append(buf, "}\n", 2);
}

static int read_string(struct value *value, enum field_id field, const json_t *string, struct fault *fault)
{
    const char *text = json_string_value(string);
    size_t len = json_string_length(string);
    if (len == 1 && text[0] == '-') {
        value->kind = VALUE_ABSENT;
        return 0;
    }
    return value_parse_string(value, field, text, len, fault);
}

static int read_value(struct value *value, enum field_id field, const json_t *member, struct fault *fault)
{
    const char *name = field_catalogue[field].name;
    if (json_is_null(member))
        return 0;
    if (json_is_string(member))
        return read_string(value, field, member, fault);
    if (!field_is_number(field))
        return fault_set(fault, -EINVAL, "%s: a string is due", name);
    if (!json_is_integer(member))
        return fault_set(fault, -EINVAL, "%s: a whole number is due", name);
    if (json_integer_value(member) < 0)
        return fault_set(fault, -EINVAL, "%s: negative", name);
    return value_check_number(value, field, (uint64_t)json_integer_value(member), fault);
}

int record_read_json(struct record *record, struct format *format, const json_t *object, struct fault *fault)
{
    const char *name;
    json_t *member;
    *record = (struct record){0};
    format_clear(format);
    json_object_foreach((json_t *)object, name, member)
    {
        int field = format_find_column(name, strlen(name));
        if (field < 0)
            continue;
        if (format_has(format, (enum field_id)field))
            return fault_set(fault, -EINVAL, "%s: twice in one object", field_catalogue[field].name);
        int r = format_add(format, (unsigned)field);
        if (r == 0)
            r = read_value(&record->values[field], (enum field_id)field, member, fault);
        if (r < 0)
            return r;
    }
    if (format->count == 0)
        return fault_set(fault, -EINVAL, "no member is a record field");
    return 0;
}
