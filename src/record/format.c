/* SPDX-License-Identifier: Apache-2.0 */
#include "record/format.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"

#define VERSION_DEFAULT 2
#define DEFAULT_FIELDS 14
#define VPC_FIELDS 54

/* record.md 6: all fields of versions 2 to 6, in AWS's order. */
static const uint8_t transit_gateway_fields[] = {
    FIELD_VERSION,
    FIELD_RESOURCE_TYPE,
    FIELD_ACCOUNT_ID,
    FIELD_TGW_ID,
    FIELD_TGW_ATTACHMENT_ID,
    FIELD_TGW_SRC_VPC_ACCOUNT_ID,
    FIELD_TGW_DST_VPC_ACCOUNT_ID,
    FIELD_TGW_SRC_VPC_ID,
    FIELD_TGW_DST_VPC_ID,
    FIELD_TGW_SRC_SUBNET_ID,
    FIELD_TGW_DST_SUBNET_ID,
    FIELD_TGW_SRC_ENI,
    FIELD_TGW_DST_ENI,
    FIELD_TGW_SRC_AZ_ID,
    FIELD_TGW_DST_AZ_ID,
    FIELD_TGW_PAIR_ATTACHMENT_ID,
    FIELD_SRCADDR,
    FIELD_DSTADDR,
    FIELD_SRCPORT,
    FIELD_DSTPORT,
    FIELD_PROTOCOL,
    FIELD_PACKETS,
    FIELD_BYTES,
    FIELD_START,
    FIELD_END,
    FIELD_LOG_STATUS,
    FIELD_TYPE,
    FIELD_PACKETS_LOST_NO_ROUTE,
    FIELD_PACKETS_LOST_BLACKHOLE,
    FIELD_PACKETS_LOST_MTU_EXCEEDED,
    FIELD_PACKETS_LOST_TTL_EXPIRED,
    FIELD_TCP_FLAGS,
    FIELD_REGION,
    FIELD_FLOW_DIRECTION,
    FIELD_PKT_SRC_AWS_SERVICE,
    FIELD_PKT_DST_AWS_SERVICE,
};

void format_clear(struct format *format)
{
    format->count = 0;
    format->version = VERSION_DEFAULT;
}

static void append(struct format *format, unsigned field)
{
    format->fields[format->count++] = (uint8_t)field;
    if (!field_is_own(field) && field_catalogue[field].version > format->version)
        format->version = field_catalogue[field].version;
}

int format_add(struct format *format, unsigned field)
{
    if (format->count == FORMAT_FIELDS_MAX)
        return -E2BIG;
    append(format, field);
    return 0;
}

bool format_has(const struct format *format, enum field_id field)
{
    return memchr(format->fields, (int)field, format->count) != NULL;
}

/* Rows first .. end-1 of the catalogue; a whole catalogue fits a format. */
static void add_rows(struct format *format, unsigned first, unsigned end)
{
    _Static_assert((int)FIELD_COUNT < FORMAT_FIELDS_MAX, "a format holds every field");
    for (unsigned id = first; id < end; id++)
        append(format, id);
}

void format_set_default(struct format *format)
{
    format_clear(format);
    add_rows(format, 0, DEFAULT_FIELDS);
}

static void set_all(struct format *format)
{
    format_clear(format);
    add_rows(format, 0, VPC_FIELDS);
    add_rows(format, FIELD_X_REJECT_SOURCE, FIELD_COUNT);
}

static void set_transit_gateway(struct format *format)
{
    format_clear(format);
    for (size_t i = 0; i < ARRAY_SIZE(transit_gateway_fields); i++)
        append(format, transit_gateway_fields[i]);
}

static const struct {
    const char *name;
    void (*set)(struct format *format);
} named_formats[] = {
    {"default", format_set_default},
    {"all", set_all},
    {"transit-gateway", set_transit_gateway},
};

/* Where a format string is read: `at` counts from 0, messages from 1. */
struct cursor {
    const char *text;
    size_t len;
    size_t at;
};

static char peek(const struct cursor *cursor)
{
    return cursor->at < cursor->len ? cursor->text[cursor->at] : '\0';
}

static int refuse(const struct cursor *cursor, const char *what, struct fault *fault)
{
    return fault_set(fault, -EINVAL,
                     "format, position %zu: %s; a format is ${field} ${field} …, one space between",
                     cursor->at + 1, what);
}

static int refuse_name(const struct cursor *cursor, const char *name, size_t len, struct fault *fault)
{
    size_t position = (size_t)(name - cursor->text) + 1;
    int shown = len < 100 ? (int)len : 100;
    return fault_set(fault, -EINVAL, "format, position %zu: unknown field '%.*s'; the nearest is '%s'",
                     position, shown, name, field_nearest(name, len));
}

/* One "${name}". */
static int parse_token(struct cursor *cursor, struct format *format, struct fault *fault)
{
    if (peek(cursor) == ' ')
        return refuse(cursor, cursor->at == 0 ? "leading space" : "double or trailing space", fault);
    if (peek(cursor) != '$')
        return refuse(cursor, "'${' is due", fault);
    cursor->at++;
    if (peek(cursor) != '{')
        return refuse(cursor, "'{' is due after '$'", fault);
    cursor->at++;
    const char *name = cursor->text + cursor->at;
    const char *brace = memchr(name, '}', cursor->len - cursor->at);
    if (!brace)
        return refuse(cursor, "the closing '}' is missing", fault);
    size_t len = (size_t)(brace - name);
    if (len == 0)
        return refuse(cursor, "a field name is due in '${}'", fault);
    int field = field_find(name, len);
    if (field < 0)
        return refuse_name(cursor, name, len, fault);
    if (format_add(format, (unsigned)field) < 0)
        return refuse(cursor, "more than 256 fields", fault);
    cursor->at += len + 1;
    return 0;
}

static int parse_tokens(struct cursor *cursor, struct format *format, struct fault *fault)
{
    format_clear(format);
    for (;;) {
        int r = parse_token(cursor, format, fault);
        if (r < 0)
            return r;
        if (cursor->at == cursor->len)
            return 0;
        if (peek(cursor) != ' ')
            return refuse(cursor, "a space is due", fault);
        cursor->at++;
        if (cursor->at == cursor->len)
            return refuse(cursor, "trailing space", fault);
    }
}

int format_parse(struct format *format, const char *text, struct fault *fault)
{
    for (size_t i = 0; i < ARRAY_SIZE(named_formats); i++) {
        if (strcmp(text, named_formats[i].name) != 0)
            continue;
        named_formats[i].set(format);
        return 0;
    }
    struct cursor cursor = {.text = text, .len = strlen(text)};
    /* AWS's own Query API example has the whole string in quotes. */
    if (cursor.len >= 2 && text[0] == '\'' && text[cursor.len - 1] == '\'') {
        cursor.text++;
        cursor.len -= 2;
    }
    if (cursor.len == 0)
        return fault_set(fault, -EINVAL, "format: empty; give default, all, or ${field} ${field} …");
    struct format parsed;
    int r = parse_tokens(&cursor, &parsed, fault);
    if (r == 0)
        *format = parsed;
    return r;
}

int format_find_column(const char *name, size_t len)
{
    char hyphens[64];
    if (len > sizeof hyphens)
        return -1;
    for (size_t i = 0; i < len; i++)
        hyphens[i] = name[i] == '_' ? '-' : name[i];
    return field_find(hyphens, len);
}

int format_parse_header(struct format *format, const char *line, size_t len, struct fault *fault)
{
    struct format parsed;
    struct fault first_unknown = {0};
    int unknown = 0;
    format_clear(&parsed);
    for (size_t at = 0; at < len;) {
        const char *name = line + at;
        const char *space = memchr(name, ' ', len - at);
        size_t name_len = space ? (size_t)(space - name) : len - at;
        at += name_len + 1;
        if (name_len == 0)
            continue;
        int field = format_find_column(name, name_len);
        if (field < 0 && unknown++ == 0)
            (void)fault_set(&first_unknown, 0, "unknown field '%.*s' in the header; the nearest is '%s'",
                            name_len < 100 ? (int)name_len : 100, name, field_nearest(name, name_len));
        if (format_add(&parsed, field < 0 ? FIELD_UNKNOWN : (unsigned)field) < 0)
            return fault_set(fault, -EINVAL, "a header of more than %d fields", FORMAT_FIELDS_MAX);
    }
    if (unknown * 2 >= parsed.count)
        return fault_set(fault, -EINVAL, "not a header line");
    *format = parsed;
    if (unknown && fault)
        *fault = first_unknown;
    return unknown;
}

static void print_fields(const struct format *format, struct buf *buf, const char *before, const char *after)
{
    for (unsigned i = 0; i < format->count; i++) {
        if (i > 0)
            buf_char(buf, ' ');
        const struct field *field = &field_catalogue[format->fields[i]];
        buf_text(buf, before);
        buf_append(buf, field->name, field->name_len);
        buf_text(buf, after);
    }
}

void format_print(const struct format *format, struct buf *buf)
{
    print_fields(format, buf, "${", "}");
}

void format_print_header(const struct format *format, struct buf *buf)
{
    print_fields(format, buf, "", "");
}
