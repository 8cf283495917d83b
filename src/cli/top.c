/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/from.h"
#include "parquet/schema.h"
#include "record/format.h"

#define SQL_MAX (64UL * 1024)
#define BY_MAX 16

enum measure { MEASURE_BYTES, MEASURE_PACKETS, MEASURE_FLOWS };

struct settings {
    struct from_settings from;
    const char *by;
    const char *where;
    unsigned measure; /* enum measure */
    unsigned form;    /* enum rows_form */
    bool header;
    uint64_t max;
};

static const struct option options[] = {
    {.name = "by",
     .metavar = "FIELD[,FIELD...]",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, by),
     .help = "what to add up by: fields of the records, such as srcaddr or dstaddr,dstport"},
    {.name = "measure",
     .metavar = "bytes|packets|flows",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct settings, measure),
     .help = "what to add up; flows is the number of records; default: bytes"},
    {.name = "rows",
     .letter = 'n',
     .metavar = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = INT64_MAX,
     .offset = offsetof(struct settings, max),
     .help = "how many rows; default: 10"},
    FROM_OPTIONS(struct settings, from),
    WHERE_OPTION(struct settings, where),
    ROWS_OPTIONS(struct settings),
    {.name = NULL},
};

struct by {
    size_t count;
    struct {
        char name[COLUMN_NAME_MAX]; /* as it was written */
        enum field_id field;
    } fields[BY_MAX];
};

static int read_by(const char *text, struct by *ret, struct fault *fault)
{
    *ret = (struct by){0};
    if (!text)
        return fault_set(fault, -EINVAL, "--by is missing: fields of the records, such as srcaddr,dstport");
    for (;;) {
        size_t len = strcspn(text, ",");
        int field = format_find_column(text, len);
        if (field < 0)
            return fault_set(fault, -EINVAL, "--by: '%.*s' is no field; the nearest is '%s'",
                             len < COLUMN_NAME_MAX ? (int)len : COLUMN_NAME_MAX, text,
                             field_nearest(text, len));
        if (ret->count == BY_MAX)
            return fault_set(fault, -EINVAL, "--by: more than %d fields", BY_MAX);
        ret->fields[ret->count].field = (enum field_id)field;
        (void)snprintf(ret->fields[ret->count++].name, COLUMN_NAME_MAX, "%.*s", (int)len, text);
        if (text[len] == '\0')
            return 0;
        text += len + 1;
    }
}

static void write_columns(const struct by *by, struct buf *sql, bool with_names)
{
    char column[COLUMN_NAME_MAX];
    for (size_t i = 0; i < by->count; i++) {
        buf_printf(sql, "%sflow_logs.\"%s\"", i ? ", " : "", schema_column_name(column, by->fields[i].field));
        if (with_names)
            buf_printf(sql, " AS \"%s\"", by->fields[i].name);
    }
}

/* Equals stand in the order of the fields, so that the answer is the same every time. */
static void write_question(const struct settings *settings, const struct by *by, struct buf *sql)
{
    static const char *const measures[] = {[MEASURE_BYTES] = "sum(flow_logs.bytes) AS bytes",
                                           [MEASURE_PACKETS] = "sum(flow_logs.packets) AS packets",
                                           [MEASURE_FLOWS] = "count(*) AS flows"};
    size_t measure = by->count + 1;
    buf_text(sql, "SELECT ");
    write_columns(by, sql, true);
    buf_printf(sql, ", %s FROM flow_logs GROUP BY ", measures[settings->measure]);
    write_columns(by, sql, false);
    if (settings->measure == MEASURE_BYTES)
        buf_text(sql, " HAVING sum(flow_logs.bytes) IS NOT NULL");
    if (settings->measure == MEASURE_PACKETS)
        buf_text(sql, " HAVING sum(flow_logs.packets) IS NOT NULL");
    buf_printf(sql, " ORDER BY %zu DESC", measure);
    for (size_t i = 1; i <= by->count; i++)
        buf_printf(sql, ", %zu", i);
    buf_printf(sql, " LIMIT %llu", (unsigned long long)settings->max);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct settings settings = {.form = ROWS_BY_OUTPUT, .max = 10};
    struct fault fault;
    struct by by;
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &settings, &operands, &status))
        return status;
    if (operands > 0)
        return command_fail(command, EXIT_USAGE, "'%s': no operand is due; globs stand in quotes", argv[0]);
    if (read_by(settings.by, &by, &fault) < 0)
        return command_fail(command, EXIT_USAGE, "%s", fault.text);
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    write_question(&settings, &by, &sql);
    const struct from_question question = {
        .command = command,
        .from = &settings.from,
        .where = settings.where,
        .sql = buf_string(&sql),
        .rows = {.command = command,
                 .form = (enum rows_form)settings.form,
                 .header = settings.header,
                 .local_time = settings.from.local_time},
    };
    return from_answer(&question);
}

const struct command command_top = {
    .name = "top",
    .summary = "Show the largest of the flow log records' traffic",
    .operands = "",
    .details = "Adds up bytes, packets or flows (records) by one or more fields of the records and prints "
               "the largest\n"
               "sums first. Reads what flowlog query reads.",
    .example = "flowlog top --by srcaddr,dstport --measure flows -n 5 --from records.log --where \"action = "
               "'REJECT'\"",
    .outcome = "prints who was rejected most often, and at which port",
    .options = options,
    .run = run,
};
