/* SPDX-License-Identifier: Apache-2.0 */
#include "record/csv.h"

#include <string.h>

#include "base/address.h"

void csv_write_cell(struct buf *buf, const char *text, size_t len)
{
    bool quote = memchr(text, ',', len) || memchr(text, '"', len) || memchr(text, '\n', len) ||
                 memchr(text, '\r', len);
    if (!quote) {
        buf_append(buf, text, len);
        return;
    }
    buf_char(buf, '"');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            buf_char(buf, '"');
        buf_char(buf, text[i]);
    }
    buf_char(buf, '"');
}

void record_write_csv_header(struct buf *buf, const struct format *format)
{
    for (unsigned i = 0; i < format->count; i++) {
        if (i > 0)
            buf_char(buf, ',');
        buf_text(buf, field_catalogue[format->fields[i]].name);
    }
    buf_char(buf, '\n');
}

static void write_value(struct buf *buf, const struct value *value)
{
    char address[ADDRESS_TEXT_MAX];
    switch ((enum value_kind)value->kind) {
    case VALUE_ABSENT:
        return;
    case VALUE_NUMBER:
        buf_u64(buf, value->number);
        return;
    case VALUE_TEXT:
        csv_write_cell(buf, value->text, value->len);
        return;
    case VALUE_ADDRESS:
        buf_append(buf, address, address_format(address, value->address, (uint8_t)value->len));
        return;
    }
}

void record_write_csv(struct buf *buf, const struct format *format, const struct record *record)
{
    const struct value version = {.number = format->version, .kind = VALUE_NUMBER};
    for (unsigned i = 0; i < format->count; i++) {
        if (i > 0)
            buf_char(buf, ',');
        write_value(buf, format->fields[i] == FIELD_VERSION ? &version : &record->values[format->fields[i]]);
    }
    buf_char(buf, '\n');
}
