/* SPDX-License-Identifier: Apache-2.0 */
#include "insights/scope.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "insights/event.h"
#include "insights/sql.h"
#include "parquet/schema.h"

/* What CloudWatch Logs discovers in a record in other words than camel case of the field's name. */
static const struct {
    enum field_id field;
    const char *name;
} discovered_names[] = {
    {FIELD_SRCADDR, "srcAddr"},        {FIELD_DSTADDR, "dstAddr"},        {FIELD_SRCPORT, "srcPort"},
    {FIELD_DSTPORT, "dstPort"},        {FIELD_START, "startTime"},        {FIELD_END, "endTime"},
    {FIELD_PKT_SRCADDR, "pktSrcAddr"}, {FIELD_PKT_DSTADDR, "pktDstAddr"},
};

/* The event of the record. A store does not know when a record arrived; its last packet is the earliest time.
 */
#define TIMESTAMP "make_timestamp(\"start\" * 1000000)"
#define INGESTION_TIME "make_timestamp(\"end\" * 1000000)"

enum system_field {
    EVENT_TIMESTAMP,
    EVENT_INGESTION_TIME,
    EVENT_STREAM_NAME,
    EVENT_LOG,
    EVENT_MESSAGE,
    EVENT_POINTER
};

static const struct {
    const char *name;
    enum kind kind;
} system_fields[] = {
    [EVENT_TIMESTAMP] = {"@timestamp", KIND_TIME},   [EVENT_INGESTION_TIME] = {"@ingestionTime", KIND_TIME},
    [EVENT_STREAM_NAME] = {"@logStream", KIND_TEXT}, [EVENT_LOG] = {"@log", KIND_TEXT},
    [EVENT_MESSAGE] = {"@message", KIND_TEXT},       [EVENT_POINTER] = {"@ptr", KIND_TEXT},
};

/* Their columns have these numbers: the catalogue's fields, then the system's. */
#define RECORD_FIELDS (FIELD_COUNT + ARRAY_SIZE(system_fields))
static_assert(RECORD_FIELDS <= SCOPE_RECORD_FIELDS_MAX, "they fit");

void scope_done(struct scope *scope)
{
    free(scope->fields);
    *scope = (struct scope){0};
}

int scope_add(struct scope *scope, const char *name, enum kind kind)
{
    if (scope->count == SCOPE_FIELDS_MAX || strlen(name) >= SCOPE_NAME_MAX)
        return -E2BIG;
    if (!scope->fields)
        scope->fields = calloc(SCOPE_FIELDS_MAX, sizeof *scope->fields);
    if (!scope->fields)
        return -ENOMEM;
    struct scope_field *field = &scope->fields[scope->count++];
    *field = (struct scope_field){.column = scope->columns++, .kind = kind};
    memcpy(field->name, name, strlen(name) + 1);
    return (int)field->column;
}

struct scope scope_after(const struct scope *scope)
{
    struct scope next = *scope;
    next.fields = NULL;
    next.count = 0;
    return next;
}

static const char *discovered_name(char to[static SCOPE_NAME_MAX], enum field_id id)
{
    for (size_t i = 0; i < ARRAY_SIZE(discovered_names); i++)
        if (discovered_names[i].field == id)
            return discovered_names[i].name;
    size_t len = 0;
    for (const char *at = field_catalogue[id].name; *at; at++)
        to[len++] = *at == '-' ? (char)toupper((unsigned char)*++at) : *at;
    to[len] = '\0';
    return to;
}

int scope_begin(struct scope *ret)
{
    char name[SCOPE_NAME_MAX];
    int r = 0;
    for (int id = 0; id < FIELD_COUNT && r >= 0; id++) {
        enum kind kind = field_is_number((enum field_id)id) ? KIND_NUMBER : KIND_TEXT;
        r = scope_add(ret, discovered_name(name, (enum field_id)id), kind);
    }
    for (size_t i = 0; i < ARRAY_SIZE(system_fields) && r >= 0; i++)
        r = scope_add(ret, system_fields[i].name, system_fields[i].kind);
    for (size_t i = 0; i < ret->count; i++)
        ret->fields[i].discovered = true;
    return r < 0 ? r : 0;
}

/* As a column of the view. */
static void field_name(enum field_id id, struct buf *to)
{
    char name[COLUMN_NAME_MAX];
    buf_printf(to, "\"%s\"", schema_column_name(name, id));
}

static void select_system_field(enum system_field field, const char *group, struct buf *to)
{
    switch (field) {
    case EVENT_TIMESTAMP:
        buf_text(to, TIMESTAMP);
        break;
    case EVENT_INGESTION_TIME:
        buf_text(to, INGESTION_TIME);
        break;
    case EVENT_STREAM_NAME:
        buf_text(to, EVENT_STREAM);
        break;
    case EVENT_LOG:
        buf_text(to, "coalesce(account_id, 'unknown') || ':' || ");
        sql_text(to, group, strlen(group));
        break;
    case EVENT_MESSAGE:
        event_put_message(to);
        break;
    case EVENT_POINTER:
        event_put_pointer(to);
        break;
    }
}

void scope_select(const struct scope *scope, const char *group, struct buf *to)
{
    const char *separator = "SELECT ";
    for (unsigned i = 0; i < RECORD_FIELDS; i++) {
        if (!scope->used[i])
            continue;
        buf_text(to, separator);
        if (i < FIELD_COUNT)
            field_name((enum field_id)i, to);
        else
            select_system_field((enum system_field)(i - FIELD_COUNT), group, to);
        buf_printf(to, " AS c%u", i);
        separator = ", ";
    }
    buf_text(to, *separator == 'S' ? "SELECT 1 FROM flow_logs" : " FROM flow_logs");
}

/* Without case and `@`, `_`, `-`: `pktSrcAddr`, `pkt-srcaddr` and `pkt_srcaddr` are one. */
static void plain_name(char to[static SCOPE_NAME_MAX], const char *name)
{
    size_t len = 0;
    for (; *name && len < SCOPE_NAME_MAX - 1; name++)
        if (!strchr("@_-", *name))
            to[len++] = (char)tolower((unsigned char)*name);
    to[len] = '\0';
}

static bool is_same_discovered(const char *discovered, const char *name)
{
    char a[SCOPE_NAME_MAX], b[SCOPE_NAME_MAX];
    plain_name(a, discovered);
    plain_name(b, strcmp(name, "start") == 0 ? "startTime" : strcmp(name, "end") == 0 ? "endTime" : name);
    return strcmp(a, b) == 0;
}

static bool has_name(const struct scope_field *field, const char *name)
{
    return strcmp(field->name, name) == 0 || (field->discovered && is_same_discovered(field->name, name));
}

const struct scope_field *scope_find(struct scope *scope, const char *name)
{
    for (size_t i = scope->count; i > 0; i--) {
        const struct scope_field *field = &scope->fields[i - 1];
        if (!has_name(field, name))
            continue;
        if (field->discovered)
            scope->used[field->column] = true;
        return field;
    }
    return NULL;
}

const char *scope_nearest(const struct scope *scope, const char *name)
{
    struct nearest nearest = {.wanted = name, .len = strlen(name)};
    for (size_t i = 0; i < scope->count; i++)
        nearest_consider(&nearest, scope->fields[i].name);
    return nearest.name;
}

void scope_column(const struct scope_field *field, struct buf *to)
{
    buf_printf(to, "e.c%u", field->column);
}
