/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "api/logs_actions.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/num.h"
#include "parquet/vector.h"

#define THREADS 1 /* the daemon's work comes first */
#define MEMORY_BYTES (512UL * 1024 * 1024)
#define COLUMNS_MAX 512
#define SQL_MAX (8 * 1024 * 1024)

bool logs_is_group_name(const struct logs_host *host, const char *name_or_arn)
{
    const char *name = strncmp(name_or_arn, "arn:", 4) == 0 ? strstr(name_or_arn, ":log-group:") : NULL;
    name = name ? name + strlen(":log-group:") : name_or_arn;
    size_t len = strlen(host->group);
    return strncmp(name, host->group, len) == 0 && (!name[len] || strcmp(name + len, ":*") == 0);
}

bool logs_is_group(struct logs_call *call)
{
    const char *name = logs_text(call, "logGroupName");
    const char *identifier = logs_text(call, "logGroupIdentifier");
    if (!name == !identifier)
        logs_fail(call, "InvalidParameterException",
                  "exactly one of logGroupName and logGroupIdentifier must be given");
    else if (!logs_is_group_name(call->host, name ? name : identifier))
        logs_fail(call, "ResourceNotFoundException",
                  "The specified log group does not exist. There is %s, the local store.", call->host->group);
    return !call->status;
}

json_t *logs_arn(const struct logs_host *host, const char *rest)
{
    return json_sprintf("arn:aws:logs:%s:%s:log-group:%s%s", host->region, host->account, host->group, rest);
}

int64_t logs_whole(const char *text)
{
    uint64_t number = 0;
    if (text)
        (void)!num_parse_u64(text, strlen(text), INT64_MAX, &number);
    return (int64_t)number;
}

static void tell(void *userdata, const char *line)
{
    log_warning("api", "%s", line);
}

static int open_files(const struct logs_host *host, uint64_t since_s, uint64_t until_s, struct sources **ret,
                      struct fault *fault)
{
    /* The daemon makes the folder with its first window. */
    bool is_there = access(host->store, F_OK) == 0;
    const struct sources_options options = {
        .store = is_there ? host->store : NULL, .since_s = since_s, .until_s = until_s, .tell = tell};
    return sources_open(ret, &options, fault);
}

bool logs_open_files(struct logs_call *call, struct logs_session *ret)
{
    struct fault fault = {0};
    int r = open_files(call->host, 0, UINT64_MAX, &ret->sources, &fault);
    if (r < 0)
        logs_fail_unavailable(call, &fault);
    return r == 0;
}

bool logs_open(struct logs_call *call, uint64_t since_s, uint64_t until_s, struct logs_session *ret)
{
    struct fault fault = {0};
    int r = open_files(call->host, since_s, until_s, &ret->sources, &fault);
    if (r == 0) {
        const struct flow_session_options flow = {.sources = ret->sources,
                                                  .since_s = since_s,
                                                  .until_s = until_s,
                                                  .threads = THREADS,
                                                  .memory_bytes = MEMORY_BYTES,
                                                  .tell = tell};
        r = flow_session_open(&ret->flow, &flow, &fault);
    }
    if (r < 0)
        logs_fail_unavailable(call, &fault);
    return r == 0;
}

void logs_close(struct logs_session *session)
{
    if (session->flow) {
        (void)flow_session_tell_faults(session->flow);
        flow_session_close(session->flow);
    }
    if (session->sources)
        sources_close(session->sources);
    *session = (struct logs_session){0};
}

uint64_t logs_bytes(const struct logs_session *session)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < sources_count(session->sources); i++)
        bytes += sources_at(session->sources, i)->size;
    return bytes;
}

bool logs_take_number(void *context, const char *const *texts, size_t count)
{
    *(uint64_t *)context = (uint64_t)logs_whole(texts[0]);
    return true;
}

/* Copies of the texts of a row: DuckDB's have no end. */
static void copy_texts(const struct vector_reader *vectors, size_t count, uint32_t row, struct buf *texts,
                       const char **ret)
{
    size_t offsets[COLUMNS_MAX];
    buf_clear(texts);
    for (size_t i = 0; i < count; i++) {
        offsets[i] = texts->len;
        if (vector_is_null(&vectors[i], row))
            continue;
        struct text text = vector_text(&vectors[i], row);
        buf_append(texts, text.at, text.len);
        buf_char(texts, '\0');
    }
    for (size_t i = 0; i < count && !texts->failed; i++)
        ret[i] = vector_is_null(&vectors[i], row) ? NULL : texts->data + offsets[i];
}

/* False when the visitor has enough, or memory ran out. */
static bool visit_chunk(const struct duckdb_functions *duckdb, duckdb_data_chunk chunk, size_t columns,
                        struct buf *texts, logs_visitor *visit, void *context)
{
    struct vector_reader vectors[COLUMNS_MAX];
    const char *row[COLUMNS_MAX];
    for (size_t i = 0; i < columns; i++)
        vectors[i] = vector_read(duckdb, duckdb->data_chunk_get_vector(chunk, i));
    uint32_t rows = (uint32_t)duckdb->data_chunk_get_size(chunk);
    for (uint32_t i = 0; i < rows; i++) {
        copy_texts(vectors, columns, i, texts, row);
        if (texts->failed || !visit(context, row, columns))
            return false;
    }
    return true;
}

static int visit_rows(const struct session *session, duckdb_result *result, logs_visitor *visit,
                      void *context, struct fault *fault)
{
    struct buf texts AUTO_BUF = BUF_INIT(SQL_MAX);
    const struct duckdb_functions *duckdb = session->duckdb;
    size_t columns = duckdb->column_count(result);
    if (columns > COLUMNS_MAX)
        return fault_set(fault, -E2BIG, "more than %d columns", COLUMNS_MAX);
    for (bool more = true; more;) {
        duckdb_data_chunk chunk = NULL;
        int r = session_fetch(session, result, &chunk, fault);
        if (r < 0 || !chunk)
            return r;
        more = visit_chunk(duckdb, chunk, columns, &texts, visit, context);
        duckdb->destroy_data_chunk(&chunk);
    }
    return texts.failed ? fault_set(fault, -ENOMEM, "out of memory") : 0;
}

static void visit_names(const struct session *session, duckdb_result *result, logs_visitor *names,
                        void *context)
{
    const char *texts[COLUMNS_MAX];
    size_t columns = session->duckdb->column_count(result);
    for (size_t i = 0; i < columns && columns <= COLUMNS_MAX; i++)
        texts[i] = session->duckdb->column_name(result, i);
    if (columns <= COLUMNS_MAX)
        (void)names(context, texts, columns);
}

bool logs_ask(struct logs_call *call, struct logs_session *session, const char *sql, logs_visitor *names,
              logs_visitor *visit, void *context)
{
    struct buf texts AUTO_BUF = BUF_INIT(SQL_MAX);
    struct fault fault = {0};
    duckdb_result result;
    buf_printf(&texts, "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (%s)", sql);
    int r = flow_session_ask(session->flow, buf_string(&texts), &result, &fault);
    if (r == 0) {
        const struct session *run = flow_session_sql(session->flow);
        if (names)
            visit_names(run, &result, names, context);
        r = visit_rows(run, &result, visit, context, &fault);
        run->duckdb->destroy_result(&result);
    }
    if (r == -EINVAL)
        logs_fail(call, "InvalidParameterException", "%s", fault.text);
    else if (r < 0)
        logs_fail_unavailable(call, &fault);
    return r == 0;
}
