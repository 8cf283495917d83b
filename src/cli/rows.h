/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Rows of an answer on standard output: a table for people, JSON lines, CSV, or text as records are. */

#include "base/buf.h"
#include "cli/command.h"
#include "parquet/session.h"

enum rows_form {
    ROWS_TABLE,
    ROWS_JSON, /* one object per line */
    ROWS_CSV,  /* with a line of names */
    ROWS_TEXT, /* values with spaces between, '-' where there is none; spaces in a value are percent-encoded
                */
    ROWS_BY_OUTPUT, /* a table on a terminal, else text */
};

/* The rows of the options -o and --header; `settings` has members `form` (unsigned) and `header` (bool). */
#define ROWS_OPTIONS(settings)                                                                               \
    {.name = "output",                                                                                       \
     .letter = 'o',                                                                                          \
     .metavar = "table|json|csv|text",                                                                       \
     .kind = OPTION_CHOICE,                                                                                  \
     .offset = offsetof(settings, form),                                                                     \
     .help = "a table, one JSON object per line, comma-separated values, or values with spaces between; "    \
             "default: a table on a terminal, else text"},                                                   \
    {                                                                                                        \
        .name = "header", .kind = OPTION_FLAG, .offset = offsetof(settings, header),                         \
        .help = "text: the names of the columns first"                                                       \
    }

struct rows_options {
    const struct command *command; /* for messages */
    enum rows_form form;
    bool header;
    bool local_time;
    bool continued; /* the names stand above already */
    uint64_t max;   /* rows that are printed; 0: all */
};

enum cell_kind { CELL_NULL, CELL_NUMBER, CELL_TEXT, CELL_JSON };

struct cell {
    const char *text;
    size_t len;
    enum cell_kind kind;
};

struct rows;

/* `names` are copied. */
int rows_new(struct rows **ret, const struct rows_options *options, const char *const *names,
             size_t count) MUST_USE;

/* As many cells as there are names; copied. -errno when standard output takes no more. */
int rows_add(struct rows *rows, const struct cell *cells) MUST_USE;

/* Prints what is left; frees in every case. Without a row nothing is printed at all. */
int rows_finish(struct rows *rows) MUST_USE;

/*
 * Prints the rows of a result of flow_session_ask() as they come; *ret_rows are printed, also on failure.
 */
int rows_print(const struct rows_options *options, const struct session *session, duckdb_result *result,
               uint64_t *ret_rows, struct fault *fault) MUST_USE;
