/* SPDX-License-Identifier: Apache-2.0 */
#include "record/json.h"

#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "record/value.h"

static bool needs_escape(unsigned char byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\';
}

void json_write_string(struct buf *buf, const char *text, size_t len)
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

static void write_value(struct buf *buf, const struct value *value)
{
    char address[ADDRESS_TEXT_MAX];
    switch ((enum value_kind)value->kind) {
    case VALUE_ABSENT:
        buf_append(buf, "null", 4);
        return;
    case VALUE_NUMBER:
        buf_u64(buf, value->number);
        return;
    case VALUE_TEXT:
        json_write_string(buf, value->text, value->len);
        return;
    case VALUE_ADDRESS:
        json_write_string(buf, address, address_format(address, value->address, (uint8_t)value->len));
        return;
    }
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
        buf_append(buf, (char[]){before, '"'}, 2);
        buf_append(buf, field_catalogue[id].name, field_catalogue[id].name_len);
        buf_append(buf, "\":", 2);
        write_value(buf, id == FIELD_VERSION ? &version : &record->values[id]);
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
