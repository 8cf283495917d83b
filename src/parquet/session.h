/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An in-memory database of its own and a connection to it. Nothing here knows of Parquet. */

#include <stdbool.h>

#include "base/buf.h"
#include "parquet/library.h"

struct session {
    const struct duckdb_functions *duckdb;
    duckdb_database database;
    duckdb_connection connection;
};

struct session_options {
    unsigned threads;
    uint64_t memory_bytes; /* of what DuckDB accounts for; nothing is spilled to disk */
    bool any_order;        /* rows may come in another order where there are several threads */
};

/* A session belongs to one thread at a time; several may be open. */
int session_open(struct session *ret, const struct session_options *options, struct fault *fault) MUST_USE;

/* Also of one that was zeroed and never opened. */
void session_close(struct session *session);

/* Runs a statement whose result nobody wants. */
int session_run(const struct session *session, const char *sql, struct fault *fault) MUST_USE;

/* Runs a query to its end. *ret is to be destroyed only on success. */
int session_query(const struct session *session, const char *sql, duckdb_result *ret,
                  struct fault *fault) MUST_USE;

/* Runs a query whose rows are made while chunks are fetched. *ret is to be destroyed only on success. */
int session_stream(const struct session *session, const char *sql, duckdb_result *ret,
                   struct fault *fault) MUST_USE;

/* The next rows, to be destroyed; NULL at the end. */
int session_fetch(const struct session *session, duckdb_result *result, duckdb_data_chunk *ret,
                  struct fault *fault) MUST_USE;

/* Whether a query has any row. */
int session_has_row(const struct session *session, const char *query, bool *ret,
                    struct fault *fault) MUST_USE;

/* DuckDB's message as a fault; a negative errno, -ENOSPC and -ENOMEM among them where the message tells. */
int session_fault(const char *message, struct fault *fault);

/* What a failed result says; -EINVAL where the question is wrong for the data, such as a division by zero. */
int session_result_fault(const struct session *session, duckdb_result *result, struct fault *fault);

/* Files are named to DuckDB by their descriptors, as a path may hold what SQL takes for a pattern, a scheme
 * or a partition. */
#define SESSION_FILE_MAX 32
const char *session_file_name(char to[static SESSION_FILE_MAX], int fd);

/* Puts `path` in the place of that name in what a fault says. */
void session_tell_path(struct fault *fault, int fd, const char *path);

/* Takes away the statement that DuckDB shows behind its message, where nobody but the program wrote it. */
void session_drop_statement(struct fault *fault);

/* Appends text as SQL wants it between its quotes: ' or ". */
void session_quote(struct buf *sql, const char *text, char quote);
