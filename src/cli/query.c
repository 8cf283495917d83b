/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/from.h"
#include "cli/named.h"
#include "cli/rows.h"
#include "insights/insights.h"

#define SQL_MAX (1024UL * 1024)
#define VALUES_MAX 32

struct settings {
    struct from_settings from;
    const char *where;
    unsigned form; /* enum rows_form */
    bool header;
    uint64_t max;
    const char *engine;
    uint64_t timeout_s;
    bool list;
    bool explain_query;
    bool print_sql;
    bool insights;
};

static const struct option options[] = {
    FROM_OPTIONS(struct settings, from),
    WHERE_OPTION(struct settings, where),
    ROWS_OPTIONS(struct settings),
    {.name = "rows",
     .letter = 'n',
     .metavar = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = INT64_MAX,
     .offset = offsetof(struct settings, max),
     .help = "print so many rows; default: all"},
    {.name = "list",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, list),
     .help = "list the named queries, with their purpose and parameters"},
    {.name = "explain-query",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, explain_query),
     .help = "tell what the named query is for, its parameters, and what to conclude from its rows"},
    {.name = "insights",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, insights),
     .help = "the operand is a query of CloudWatch Logs Insights: fields, filter, stats, sort, limit, parse, "
             "display, dedup"},
    {.name = "print-sql",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, print_sql),
     .help = "print the SQL instead, for --engine or DuckDB, over a table that 'flowlog schema' defines"},
    {.name = "engine",
     .metavar = "ENGINE",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, engine),
     .help = "ask there: trino://[USER[:PASSWORD]@]HOST:PORT/CATALOG/SCHEMA, "
             "clickhouse://[USER[:PASSWORD]@]HOST:PORT/DATABASE, with +https behind the name for TLS; with "
             "--print-sql also duckdb, athena, trino, spark, clickhouse"},
    {.name = "timeout",
     .metavar = "SECONDS",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 86400,
     .offset = offsetof(struct settings, timeout_s),
     .help = "how long an engine elsewhere may take; default: 300"},
    {.name = NULL},
};

/* What is asked, on the way to its SQL. */
struct question {
    const struct command *command;
    struct settings *settings;
    const struct named_query *named; /* NULL: the operand is SQL */
    enum sql_engine dialect;
    bool elsewhere; /* `engine` answers */
    struct engine engine;
    const char *values[VALUES_MAX]; /* of the named query's parameters */
    size_t value_count;
    char times[3][32]; /* values that were written as times */
    size_t time_count;
};

/* --engine: a dialect alone, or where a cluster is. */
static int settle_engine(struct question *question, struct fault *fault)
{
    const char *engine = question->settings->engine;
    question->dialect = question->settings->print_sql ? SQL_DUCKDB : SQL_OWN;
    if (!engine)
        return 0;
    for (enum sql_engine kind = 0; kind < SQL_ENGINE_COUNT; kind++)
        if (strcmp(dialect_of(kind)->name, engine) == 0) {
            question->dialect = kind == SQL_DUCKDB ? question->dialect : kind;
            return kind == SQL_DUCKDB || question->settings->print_sql
                       ? 0
                       : fault_set(
                             fault, -EINVAL,
                             "--engine %s needs --print-sql; only trino://… and clickhouse://… are asked",
                             engine);
        }
    int r = engine_parse(&question->engine, engine, fault);
    if (r < 0)
        return r;
    question->engine.timeout_s = (unsigned)question->settings->timeout_s;
    question->dialect = question->engine.kind;
    question->elsewhere = !question->settings->print_sql;
    return 0;
}

/* The same as seconds, for SQL. */
static int add_time(struct question *question, const char *name, const char *text, struct fault *fault)
{
    uint64_t seconds = 0;
    int r = from_read_time(&question->settings->from, name, text, &seconds, fault);
    if (r < 0 || !text)
        return r;
    char *value = question->times[question->time_count++];
    (void)snprintf(value, sizeof question->times[0], "%s=%llu", name, (unsigned long long)seconds);
    question->values[question->value_count++] = value;
    return 0;
}

/* since= and until= are the options of that name; now= is a time as well. The rest is the query's business.
 */
static int take_values(struct question *question, char **values, int count, struct fault *fault)
{
    struct from_settings *from = &question->settings->from;
    const char *now = NULL;
    const struct {
        const char *prefix;
        const char **to;
    } times[] = {{"since=", &from->since}, {"until=", &from->until}, {"now=", &now}};
    if (count > VALUES_MAX - (int)ARRAY_SIZE(times))
        return fault_set(fault, -EINVAL, "too many parameters");
    for (int i = 0; i < count; i++) {
        const char **to = NULL;
        for (size_t t = 0; t < ARRAY_SIZE(times); t++)
            if (strncmp(values[i], times[t].prefix, strlen(times[t].prefix)) == 0)
                to = times[t].to;
        if (to && *to)
            return fault_set(fault, -EINVAL, "%.*s: given twice", (int)strcspn(values[i], "="), values[i]);
        if (to)
            *to = strchr(values[i], '=') + 1;
        else
            question->values[question->value_count++] = values[i];
    }
    return now ? add_time(question, "now", now, fault) : 0;
}

/* The session leaves out by itself what is not asked for; other engines are told in SQL. */
static int render(struct question *question, struct buf *sql, struct fault *fault)
{
    bool own = question->dialect == SQL_OWN;
    int r = own ? 0 : add_time(question, "since", question->settings->from.since, fault);
    if (r == 0 && !own)
        r = add_time(question, "until", question->settings->from.until, fault);
    if (r < 0)
        return r;
    const struct named_options rendering = {.engine = question->dialect,
                                            .values = question->values,
                                            .value_count = question->value_count,
                                            .where = own ? NULL : question->settings->where,
                                            .now_s = clock_wall_ns() / NS_PER_S};
    return named_render(question->named, &rendering, sql, fault);
}

/* The language of Logs Insights instead of SQL. Columns of the answer are called as they are in the query. */
static int settle_insights(struct question *question, char **operands, int count, struct buf *sql,
                           struct fault *fault)
{
    const struct insights_options translating = {.group = "flow_logs", .rows = INSIGHTS_ROWS_DEFAULT};
    struct insights_sql translated AUTO_INSIGHTS_SQL = {0};
    struct insights_error error;
    int r = settle_engine(question, fault);
    if (r < 0)
        return r;
    if (count != 1)
        return fault_set(fault, -EINVAL,
                         "--insights: one operand is due, such as 'stats sum(bytes) by srcAddr'");
    if (question->dialect != SQL_OWN && question->dialect != SQL_DUCKDB)
        return fault_set(fault, -EINVAL,
                         "--insights: only DuckDB's SQL is made of it, not that of --engine %s",
                         question->settings->engine);
    r = insights_translate(operands[0], &translating, &translated, &error);
    if (r == -EINVAL)
        return fault_set(fault, r, "position %zu: %s", error.start + 1, error.message);
    if (r == 0)
        buf_append(sql, translated.rows.data, translated.rows.len);
    return r < 0 ? fault_set(fault, r, "out of memory") : 0;
}

static int settle_sql(struct question *question, char **operands, int count, struct buf *sql,
                      struct fault *fault)
{
    int r = settle_engine(question, fault);
    if (r < 0)
        return r;
    if (question->named) {
        r = take_values(question, operands + 1, count - 1, fault);
        return r < 0 ? r : render(question, sql, fault);
    }
    const struct settings *settings = question->settings;
    if ((question->elsewhere || settings->print_sql) &&
        (settings->where || settings->from.since || settings->from.until))
        return fault_set(fault, -EINVAL, "--where, --since and --until: put them into the SQL");
    buf_text(sql, operands[0]);
    return 0;
}

static int ask(const struct question *question, const char *sql)
{
    const struct settings *settings = question->settings;
    const struct rows_options rows = {.command = question->command,
                                      .form = (enum rows_form)settings->form,
                                      .header = settings->header,
                                      .local_time = settings->from.local_time,
                                      .max = settings->max};
    if (question->elsewhere)
        return named_ask_engine(&question->engine, sql, &rows);
    const struct from_question from = {.command = question->command,
                                       .from = &settings->from,
                                       .where = settings->where,
                                       .sql = sql,
                                       .rows = rows};
    return from_answer(&from);
}

static int find_named(struct question *question, char **operands, int count, struct fault *fault)
{
    if (count == 0)
        return fault_set(fault, -EINVAL,
                         "the SQL is missing, such as 'SELECT count(*) FROM flow_logs', or a query's name: "
                         "--list shows them");
    if (named_is_name(operands[0])) {
        question->named = named_find(operands[0]);
        return question->named ? 0
                               : fault_set(fault, -EINVAL, "'%s': no query of that name; the nearest is '%s'",
                                           operands[0], named_nearest(operands[0]));
    }
    if (count > 1)
        return fault_set(fault, -EINVAL, "'%s': one operand is due, the SQL; globs stand in quotes",
                         operands[1]);
    return question->settings->explain_query
               ? fault_set(fault, -EINVAL, "--explain-query is for named queries; --list shows them")
               : 0;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct settings settings = {.form = ROWS_BY_OUTPUT, .timeout_s = 300};
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &settings, &operands, &status))
        return status;
    if (settings.list) {
        const struct rows_options rows = {.command = command,
                                          .form =
                                              settings.form == ROWS_BY_OUTPUT ? ROWS_TABLE : settings.form,
                                          .header = settings.header};
        return named_print_list(command, &rows);
    }
    struct fault fault;
    struct question question = {.command = command, .settings = &settings};
    int r = settings.insights ? 0 : find_named(&question, argv, operands, &fault);
    if (r == 0 && question.named && settings.explain_query)
        return named_print_help(command, question.named);
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    if (r == 0)
        r = (settings.insights ? settle_insights : settle_sql)(&question, argv, operands, &sql, &fault);
    if (r < 0)
        return command_fail(command, command_status(r), "%s", fault.text);
    if (settings.print_sql) {
        buf_text(&sql, ";\n");
        return command_print(command, &sql);
    }
    status = ask(&question, buf_string(&sql));
    return status == EXIT_NO && question.named ? named_tell_missing(command, question.named) : status;
}

const struct command command_query = {
    .name = "query",
    .summary = "Answer a question in SQL from flow log records",
    .operands = "SQL|NAME [PARAMETER=VALUE...]",
    .details =
        "The SQL is DuckDB's, over the view flow_logs: a row per record and a column per field, with '_' "
        "for\n"
        "'-' in its name (interface_id, \"end\", log_status); a field that a file lacks is null.\n"
        "in_cidr(address, block) tells whether an address lies in a block; to_timestamp(start) makes a time\n"
        "of seconds.\n\n"
        "Text with or without a header line, JSON and Parquet are read as they are, also compressed and\n"
        "mixed, without an import. With --since and --until only those files are opened whose names or\n"
        "folders (AWS's object names; 2026/01/31/23 or year=2026/month=01/day=31/hour=23) allow records of\n"
        "that time. The first bad line of a file is reported, with the number of them; the rest goes on.\n\n"
        "A NAME is that of one of the questions that people ask of flow logs: --list shows them, "
        "--explain-query\n"
        "what one is for, and flowlog-queries(7) all of them. since= and until= are --since and --until.\n\n"
        "With --insights the operand is in the language of CloudWatch Logs Insights, with its names of the\n"
        "fields (srcAddr, dstPort, bytes); flowlog-insights(7) has what is understood.\n\n"
        "With --engine a cluster that reads the same files answers instead, over its table flow_logs; the\n"
        "passwords of TRINO_PASSWORD and CLICKHOUSE_PASSWORD are used where the address has none.\n\n"
        "Without a row nothing is printed and the exit status is 1.",
    .example = "flowlog query --from records.log 'SELECT srcaddr, sum(bytes) AS bytes FROM flow_logs\n"
               "    GROUP BY srcaddr ORDER BY bytes DESC LIMIT 5'",
    .outcome = "prints the five addresses that sent most",
    .options = options,
    .run = run,
};
