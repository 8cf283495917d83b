/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Statements sent to a cluster, over its HTTP protocol, and its rows: Trino's /v1/statement with pages behind
 * nextUri, ClickHouse's HTTP interface with JSON lines. Blocking.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "query/dialect.h"

struct http; /* aws/http.h */

#define ENGINE_PART_MAX 256

/* Taken apart by engine_parse(); owns nothing. */
struct engine {
    enum sql_engine kind;              /* SQL_TRINO or SQL_CLICKHOUSE */
    char origin[ENGINE_PART_MAX + 32]; /* "http://host:8080" */
    char user[ENGINE_PART_MAX];
    char password[ENGINE_PART_MAX]; /* "": none */
    char catalog[ENGINE_PART_MAX];  /* Trino's; "": none */
    char schema[ENGINE_PART_MAX];   /* or ClickHouse's database; "": none */
    unsigned timeout_s;             /* for the whole question */
};

/*
 * trino[+https]://[USER[:PASSWORD]@]HOST[:PORT][/CATALOG[/SCHEMA]] or
 * clickhouse[+https]://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE], percent-encoded where a part has such
 * characters. Without a password, that of the environment: TRINO_PASSWORD, CLICKHOUSE_PASSWORD. -EINVAL.
 */
int engine_parse(struct engine *ret, const char *text, struct fault *fault) MUST_USE;

struct engine_column {
    const char *name;
    bool is_number; /* also where a value comes as a text */
};

/* Who gets the rows; a negative return ends the question and is passed on. */
struct engine_sink {
    void *userdata;
    int (*begin)(void *userdata, const struct engine_column *columns, size_t count);
    int (*add)(void *userdata, json_t *row); /* an array, a value for each column */
};

/*
 * Runs one statement. -EINVAL where the engine refuses the SQL, -EACCES where it refuses the user,
 * -ECONNREFUSED and -ETIMEDOUT where it cannot be reached or does not answer, -EIO for all else; the fault
 * says so in one line. Rows may have come before.
 */
int engine_ask(const struct engine *engine, const char *sql, const struct engine_sink *sink,
               struct fault *fault) MUST_USE;

/* ---- what servers send, for the exchanges and for tests ---- */

#define ENGINE_URL_MAX 4096

/* Of the pages of one question, in order. */
struct engine_pages {
    bool begun; /* the sink knows the columns */
    size_t columns;
    char next[ENGINE_URL_MAX]; /* where the next page is; "": this was the last */
};

/* One page of Trino's: columns, rows, an error, and where the next one is, also after an error. */
int engine_read_trino(const struct engine *engine, const char *text, size_t len,
                      const struct engine_sink *sink, struct engine_pages *pages,
                      struct fault *fault) MUST_USE;

/* ClickHouse's whole answer to a question that went well. */
int engine_read_clickhouse(const struct engine *engine, const char *text, size_t len,
                           const struct engine_sink *sink, struct fault *fault) MUST_USE;

/* ---- between engine.c and the file of an engine ---- */

/* Milliseconds that are left; 0 when there are none, and the fault says so. */
unsigned engine_time_left(const struct engine *engine, uint64_t deadline_ns, struct fault *fault);

/* The text of a server's message without what fills more than a line of it. */
void engine_first_line(char *to, size_t size, const char *text, size_t len);

int engine_ask_trino(const struct engine *engine, struct http *http, const char *sql,
                     const struct engine_sink *sink, struct fault *fault) MUST_USE;
int engine_ask_clickhouse(const struct engine *engine, struct http *http, const char *sql,
                          const struct engine_sink *sink, struct fault *fault) MUST_USE;
