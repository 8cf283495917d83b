/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/session.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/macro.h"

int session_fault(const char *message, struct fault *fault)
{
    static const struct {
        const char *words;
        int error;
    } rows[] = {
        {"No space left on device", -ENOSPC}, {"Disk quota exceeded", -EDQUOT}, {"Out of Memory", -ENOMEM}};
    int error = -EIO;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (message && strstr(message, rows[i].words))
            error = rows[i].error;
    return fault_set(fault, error, "%s", message ? message : "DuckDB failed without a message");
}

const char *session_file_name(char to[static SESSION_FILE_MAX], int fd)
{
    (void)snprintf(to, SESSION_FILE_MAX, "/proc/self/fd/%d", fd);
    return to;
}

void session_tell_path(struct fault *fault, int fd, const char *path)
{
    char name[SESSION_FILE_MAX];
    const char *found = fault ? strstr(fault->text, session_file_name(name, fd)) : NULL;
    if (!found)
        return;
    const struct fault said = *fault;
    size_t before = (size_t)(found - fault->text);
    (void)fault_set(fault, 0, "%.*s%s%s", (int)before, said.text, path, said.text + before + strlen(name));
}

void session_drop_statement(struct fault *fault)
{
    char *statement = fault ? strstr(fault->text, " LINE 1:") : NULL;
    while (statement && statement > fault->text && statement[-1] == ' ')
        statement--;
    if (statement)
        *statement = '\0';
}

void session_quote(struct buf *sql, const char *text, char quote)
{
    buf_char(sql, quote);
    for (; *text; text++) {
        if (*text == quote)
            buf_char(sql, quote);
        buf_char(sql, *text);
    }
    buf_char(sql, quote);
}

static int set_options(const struct session *session, duckdb_config config,
                       const struct session_options *options, struct fault *fault)
{
    char threads[16];
    char memory[32];
    (void)snprintf(threads, sizeof threads, "%u", options->threads);
    (void)snprintf(memory, sizeof memory, "%" PRIu64 "B", options->memory_bytes);
    const struct {
        const char *name;
        const char *value;
    } rows[] = {
        {"threads", threads},
        {"memory_limit", memory},
        {"temp_directory", ""},
        {"preserve_insertion_order", options->any_order ? "false" : "true"},
        {"autoinstall_known_extensions", "false"}, /* nothing is fetched from anywhere */
        {"autoload_known_extensions", "false"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (session->duckdb->set_config(config, rows[i].name, rows[i].value) != DuckDBSuccess)
            return fault_set(fault, -EINVAL, "DuckDB refuses %s = '%s'", rows[i].name, rows[i].value);
    return 0;
}

static int open_database(struct session *session, const struct session_options *options, struct fault *fault)
{
    duckdb_config config = NULL;
    char *message = NULL;
    if (session->duckdb->create_config(&config) != DuckDBSuccess)
        return fault_set(fault, -ENOMEM, "out of memory");
    int r = set_options(session, config, options, fault);
    if (r == 0 && session->duckdb->open_ext(NULL, &session->database, config, &message) != DuckDBSuccess)
        r = session_fault(message, fault);
    session->duckdb->free(message);
    session->duckdb->destroy_config(&config);
    return r;
}

int session_open(struct session *ret, const struct session_options *options, struct fault *fault)
{
    struct session session = {0};
    int r = library_load(&session.duckdb, fault);
    if (r == 0)
        r = open_database(&session, options, fault);
    if (r == 0 && session.duckdb->connect(session.database, &session.connection) != DuckDBSuccess)
        r = fault_set(fault, -ENOMEM, "DuckDB gives no connection");
    if (r < 0) {
        session_close(&session);
        return r;
    }
    *ret = session;
    return 0;
}

void session_close(struct session *session)
{
    if (session->connection)
        session->duckdb->disconnect(&session->connection);
    if (session->database)
        session->duckdb->close(&session->database);
}

int session_run(const struct session *session, const char *sql, struct fault *fault)
{
    duckdb_result result;
    int r = 0;
    if (session->duckdb->query(session->connection, sql, &result) != DuckDBSuccess)
        r = session_fault(session->duckdb->result_error(&result), fault);
    session->duckdb->destroy_result(&result);
    return r;
}

int session_query(const struct session *session, const char *sql, duckdb_result *ret, struct fault *fault)
{
    duckdb_result result;
    if (session->duckdb->query(session->connection, sql, &result) == DuckDBSuccess) {
        *ret = result;
        return 0;
    }
    int r = session_result_fault(session, &result, fault);
    session->duckdb->destroy_result(&result);
    return r;
}

int session_result_fault(const struct session *session, duckdb_result *result, struct fault *fault)
{
    static const duckdb_error_type questions[] = {
        DUCKDB_ERROR_OUT_OF_RANGE,  DUCKDB_ERROR_CONVERSION,      DUCKDB_ERROR_DECIMAL,
        DUCKDB_ERROR_MISMATCH_TYPE, DUCKDB_ERROR_DIVIDE_BY_ZERO,  DUCKDB_ERROR_INVALID_TYPE,
        DUCKDB_ERROR_EXPRESSION,    DUCKDB_ERROR_NOT_IMPLEMENTED, DUCKDB_ERROR_BINDER,
        DUCKDB_ERROR_CATALOG,       DUCKDB_ERROR_PARSER,          DUCKDB_ERROR_PERMISSION,
    };
    duckdb_error_type type = session->duckdb->result_error_type(result);
    int r = session_fault(session->duckdb->result_error(result), fault);
    for (size_t i = 0; i < ARRAY_SIZE(questions) && r == -EIO; i++)
        if (type == questions[i])
            r = -EINVAL;
    return r;
}

int session_stream(const struct session *session, const char *sql, duckdb_result *ret, struct fault *fault)
{
    const struct duckdb_functions *duckdb = session->duckdb;
    duckdb_prepared_statement statement = NULL;
    duckdb_result result = {0};
    int r = 0;
    if (duckdb->prepare(session->connection, sql, &statement) != DuckDBSuccess) {
        r = session_fault(duckdb->prepare_error(statement), fault);
    } else if (duckdb->execute_prepared_streaming(statement, &result) != DuckDBSuccess) {
        r = session_fault(duckdb->result_error(&result), fault);
        duckdb->destroy_result(&result);
    }
    duckdb->destroy_prepare(&statement);
    if (r == 0)
        *ret = result;
    return r;
}

int session_fetch(const struct session *session, duckdb_result *result, duckdb_data_chunk *ret,
                  struct fault *fault)
{
    duckdb_data_chunk chunk = session->duckdb->fetch_chunk(*result);
    const char *message = chunk ? NULL : session->duckdb->result_error(result);
    if (message && message[0])
        return session_result_fault(session, result, fault);
    *ret = chunk;
    return 0;
}

int session_has_row(const struct session *session, const char *query, bool *ret, struct fault *fault)
{
    duckdb_result result = {0};
    duckdb_data_chunk chunk = NULL;
    int r = session_stream(session, query, &result, fault);
    if (r < 0)
        return r;
    r = session_fetch(session, &result, &chunk, fault);
    *ret = chunk != NULL;
    session->duckdb->destroy_data_chunk(&chunk);
    session->duckdb->destroy_result(&result);
    return r;
}
