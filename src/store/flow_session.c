/* SPDX-License-Identifier: Apache-2.0 */
#include "store/flow_session.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "parquet/schema.h"
#include "store/address_function.h"
#include "store/parquet_view.h"
#include "store/record_table.h"

#define SQL_MAX (256UL * 1024 * 1024)

struct flow_session {
    struct flow_session_options options;
    struct session session;
    struct record_table *table;
    bool *left_out;  /* by index in the sources: Parquet files that cannot be read */
    uint64_t faults; /* how many there are */
};

void flow_session_close(struct flow_session *session)
{
    if (!session)
        return;
    session_close(&session->session);
    record_table_free(session->table);
    free(session->left_out);
    free(session);
}

static void flow_session_cleanup(struct flow_session **session)
{
    flow_session_close(*session);
}

const struct session *flow_session_sql(const struct flow_session *session)
{
    return &session->session;
}

void flow_session_interrupt(struct flow_session *session)
{
    session->session.duckdb->interrupt(session->session.connection);
}

static unsigned count_processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? (unsigned)count : 1;
}

/* Three quarters of what the machine has. */
static uint64_t choose_memory(void)
{
    struct sysinfo info;
    return sysinfo(&info) == 0 ? (uint64_t)info.totalram * info.mem_unit / 4 * 3 : 1ULL << 30;
}

/* The columns of the catalogue that no branch of the view gives. */
static void write_no_rows(struct buf *sql)
{
    static const char *const types[] = {
        [FIELD_INT32] = "INTEGER", [FIELD_INT64] = "BIGINT", [FIELD_STRING] = "VARCHAR"};
    char name[COLUMN_NAME_MAX];
    for (int id = 0; id < FIELD_COUNT; id++)
        buf_printf(sql, "%sNULL::%s AS \"%s\"", id ? ", " : "SELECT ", types[field_catalogue[id].type],
                   schema_column_name(name, (enum field_id)id));
    buf_text(sql, " WHERE false");
}

static struct parquet_view_options parquet_options(const struct flow_session *session)
{
    return (struct parquet_view_options){
        .session = &session->session,
        .sources = session->options.sources,
        .left_out = session->left_out,
        .since_s = session->options.since_s,
        .until_s = session->options.until_s,
        .userdata = session->options.userdata,
        .tell = session->options.tell,
    };
}

static int write_view(struct flow_session *session, struct buf *sql, struct fault *fault)
{
    const struct flow_session_options *options = &session->options;
    const struct parquet_view_options parquet = parquet_options(session);
    bool has_records = record_table_files(session->table) > 0;
    size_t branches = has_records ? 1 : 0;
    buf_text(sql, "CREATE OR REPLACE TEMP VIEW flow_logs AS ");
    if (options->where)
        buf_text(sql, "SELECT * FROM (");
    if (has_records)
        buf_text(sql, "SELECT * FROM read_records()");
    int r = parquet_view_write(&parquet, sql, &branches, &session->faults, fault);
    if (branches == 0)
        write_no_rows(sql);
    if (options->where)
        buf_printf(sql, ") WHERE (%s\n)", options->where);
    return r == 0 && sql->failed ? fault_set(fault, -ENOMEM, "out of memory") : r;
}

/* Its text is the user's only in `where`. */
static int create_view(struct flow_session *session, struct fault *fault)
{
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    int r = write_view(session, &sql, fault);
    if (r == 0)
        r = session_run(&session->session, buf_string(&sql), fault);
    if (r < 0 && session->options.where) {
        fault_prefix(fault, "--where");
        return -EINVAL;
    }
    return r;
}

static int prepare(struct flow_session *session, struct fault *fault)
{
    const struct session_options options = {
        .threads = session->options.threads ? session->options.threads : count_processors(),
        .memory_bytes = session->options.memory_bytes ? session->options.memory_bytes : choose_memory(),
    };
    const struct record_table_options table = {
        .sources = session->options.sources,
        .input_format = session->options.input_format,
        .since_s = session->options.since_s,
        .until_s = session->options.until_s,
    };
    session->left_out = calloc(sources_count(session->options.sources) + 1, sizeof *session->left_out);
    if (!session->left_out)
        return fault_set(fault, -ENOMEM, "out of memory");
    int r = session_open(&session->session, &options, fault);
    if (r == 0 && !session->options.local_time)
        r = session_run(&session->session, "SET TimeZone = 'UTC'", fault);
    if (r == 0) /* the columns, the view and the question need the files' footers: parsed once */
        r = session_run(&session->session, "SET parquet_metadata_cache = true", fault);
    if (r == 0)
        r = record_table_new(&session->table, &table, fault);
    if (r == 0)
        r = record_table_register(session->table, &session->session, fault);
    if (r == 0)
        r = address_function_add(&session->session, fault);
    if (r == 0)
        r = create_view(session, fault);
    if (r == 0)
        r = session_run(&session->session, "SET lock_configuration = true", fault);
    return r;
}

int flow_session_open(struct flow_session **ret, const struct flow_session_options *options,
                      struct fault *fault)
{
    CLEANUP(flow_session_cleanup) struct flow_session *session = calloc(1, sizeof *session);
    if (!session)
        return fault_set(fault, -ENOMEM, "out of memory");
    session->options = *options;
    int r = prepare(session, fault);
    if (r < 0)
        return r;
    *ret = TAKE(session);
    return 0;
}

int flow_session_is_whole(const struct flow_session *session, const uint8_t *fields, size_t count, bool *ret,
                          struct fault *fault)
{
    const struct parquet_view_options parquet = parquet_options(session);
    *ret = false;
    if (record_table_files(session->table) > 0)
        return 0;
    return parquet_view_is_whole(&parquet, fields, count, ret, fault);
}

static bool is_question(duckdb_statement_type type)
{
    return type == DUCKDB_STATEMENT_TYPE_SELECT || type == DUCKDB_STATEMENT_TYPE_EXPLAIN ||
           type == DUCKDB_STATEMENT_TYPE_COPY;
}

/* Types that are handed out as they are. */
static bool is_simple(duckdb_type type)
{
    return (type >= DUCKDB_TYPE_BOOLEAN && type <= DUCKDB_TYPE_DATE) || type == DUCKDB_TYPE_HUGEINT ||
           type == DUCKDB_TYPE_VARCHAR || type == DUCKDB_TYPE_DECIMAL || type == DUCKDB_TYPE_TIMESTAMP_S ||
           type == DUCKDB_TYPE_TIMESTAMP_MS || type == DUCKDB_TYPE_TIMESTAMP_NS ||
           type == DUCKDB_TYPE_TIMESTAMP_TZ;
}

static bool has_parts(duckdb_type type)
{
    return type == DUCKDB_TYPE_LIST || type == DUCKDB_TYPE_STRUCT || type == DUCKDB_TYPE_MAP ||
           type == DUCKDB_TYPE_ARRAY || type == DUCKDB_TYPE_UNION;
}

/* The same question with the columns of other types as JSON or text; nothing where all are simple. */
static void write_simplified(const struct session *session, duckdb_prepared_statement statement,
                             const char *question, struct buf *sql)
{
    const struct duckdb_functions *duckdb = session->duckdb;
    idx_t columns = duckdb->prepared_statement_column_count(statement);
    bool all_simple = true;
    for (idx_t i = 0; i < columns; i++) {
        duckdb_type type = duckdb->prepared_statement_column_type(statement, i);
        const char *name = duckdb->prepared_statement_column_name(statement, i);
        bool simple = is_simple(type);
        all_simple &= simple;
        buf_printf(sql, "%s%s(c%" PRIu64 "%s) AS ", i ? ", " : "SELECT ",
                   simple            ? ""
                   : has_parts(type) ? "to_json"
                                     : "CAST",
                   i, simple || has_parts(type) ? "" : " AS VARCHAR");
        session_quote(sql, name ? name : "", '"');
        duckdb->free((void *)name);
    }
    buf_printf(sql, " FROM (%s\n) AS answer(", question);
    for (idx_t i = 0; i < columns; i++)
        buf_printf(sql, "%sc%" PRIu64, i ? ", " : "", i);
    buf_char(sql, ')');
    if (all_simple)
        buf_clear(sql);
}

/* Works on the question in this thread as well, which has a look at the clock between its parts. */
static bool execute_in_parts(const struct flow_session *session, duckdb_prepared_statement statement,
                             duckdb_result *ret)
{
    const struct duckdb_functions *duckdb = session->session.duckdb;
    const struct timespec moment = {.tv_nsec = NS_PER_MS};
    duckdb_pending_result pending = NULL;
    duckdb_pending_state state = DUCKDB_PENDING_RESULT_NOT_READY;
    if (duckdb->pending_prepared_streaming(statement, &pending) != DuckDBSuccess)
        state = DUCKDB_PENDING_ERROR;
    while (state != DUCKDB_PENDING_ERROR && !duckdb->pending_execution_is_finished(state)) {
        state = duckdb->pending_execute_task(pending);
        if (state == DUCKDB_PENDING_NO_TASKS_AVAILABLE)
            (void)nanosleep(&moment, NULL);
        session->options.progress(session->options.userdata);
    }
    bool done = duckdb->execute_pending(pending, ret) == DuckDBSuccess; /* tells the error, too */
    duckdb->destroy_pending(&pending);
    return done;
}

static int execute(const struct flow_session *session, duckdb_prepared_statement statement,
                   duckdb_result *ret, struct fault *fault)
{
    const struct duckdb_functions *duckdb = session->session.duckdb;
    duckdb_result result = {0};
    bool done = session->options.progress
                    ? execute_in_parts(session, statement, &result)
                    : duckdb->execute_prepared_streaming(statement, &result) == DuckDBSuccess;
    if (done) {
        *ret = result;
        return 0;
    }
    int r = session_result_fault(&session->session, &result, fault);
    duckdb->destroy_result(&result);
    return r;
}

/* *ret is to be destroyed in every case. */
static int prepare_question(const struct session *session, const char *sql, duckdb_prepared_statement *ret,
                            struct fault *fault)
{
    if (session->duckdb->prepare(session->connection, sql, ret) == DuckDBSuccess)
        return 0;
    const char *message = session->duckdb->prepare_error(*ret);
    const char *place =
        message ? strstr(message, "\n\nLINE ") : NULL; /* the line again, with a mark below it */
    AUTO_FREE char *brief = place ? strndup(message, (size_t)(place - message)) : NULL;
    (void)session_fault(brief ? brief : message, fault);
    return -EINVAL;
}

/* Wrapped only where it has to be: a semicolon at the end is no part of a question in brackets. */
static int simplify(const struct session *session, const char *sql, duckdb_prepared_statement *statement,
                    struct fault *fault)
{
    AUTO_BUF struct buf simplified = BUF_INIT(SQL_MAX);
    AUTO_FREE char *question = strdup(sql);
    if (!question)
        return fault_set(fault, -ENOMEM, "out of memory");
    for (size_t len = strlen(question); len > 0 && strchr("; \t\r\n", question[len - 1]); len--)
        question[len - 1] = '\0';
    write_simplified(session, *statement, question, &simplified);
    if (simplified.len == 0 && !simplified.failed)
        return 0;
    session->duckdb->destroy_prepare(statement);
    return prepare_question(session, buf_string(&simplified), statement, fault);
}

int flow_session_ask(struct flow_session *session, const char *sql, duckdb_result *ret, struct fault *fault)
{
    const struct session *plain = &session->session;
    duckdb_prepared_statement statement = NULL;
    int r = prepare_question(plain, sql, &statement, fault);
    duckdb_statement_type type =
        r < 0 ? DUCKDB_STATEMENT_TYPE_INVALID : plain->duckdb->prepared_statement_type(statement);
    if (r == 0 && !is_question(type))
        r = fault_set(fault, -EINVAL, "only questions are answered: SELECT, EXPLAIN, COPY");
    if (r == 0 && type == DUCKDB_STATEMENT_TYPE_SELECT)
        r = simplify(plain, sql, &statement, fault);
    if (r == 0)
        r = execute(session, statement, ret, fault);
    plain->duckdb->destroy_prepare(&statement);
    return r;
}

bool flow_session_leave_out_damaged(struct flow_session *session)
{
    const struct parquet_view_options parquet = parquet_options(session);
    uint64_t damaged = parquet_view_check(&parquet);
    session->faults += damaged;
    return damaged > 0 && create_view(session, NULL) == 0;
}

struct flow_session_progress flow_session_progress(const struct flow_session *session)
{
    return (struct flow_session_progress){
        .bytes = record_table_bytes(session->table),
        .bytes_total = record_table_bytes_total(session->table),
        .records = record_table_rows(session->table),
    };
}

static void tell_bad_lines(const struct flow_session *session, const char *name,
                           const struct record_report *report)
{
    struct fault said;
    if (report->bad_lines == 0)
        return;
    (void)fault_set(&said, 0, "%s:%" PRIu64 ": %s; %" PRIu64 " bad line%s in this file", name, report->line,
                    report->reason.text, report->bad_lines, report->bad_lines > 1 ? "s" : "");
    session->options.tell(session->options.userdata, said.text);
}

uint64_t flow_session_tell_faults(struct flow_session *session)
{
    uint64_t faults = session->faults;
    for (size_t i = 0; i < record_table_files(session->table); i++) {
        const struct record_report *report = record_table_report(session->table, i);
        if (!report)
            continue;
        tell_bad_lines(session, record_table_name(session->table, i), report);
        if (!report->failure.text[0])
            continue;
        session->options.tell(session->options.userdata, report->failure.text);
        faults++;
    }
    return faults;
}
