/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The table function read_records(): the records of text and JSON files as rows, every field of the catalogue
 * a column. Reads only what is asked for of each line, though each line is checked whole, so that a bad one
 * is left out whatever the question; several threads share the files.
 */

#include <stdatomic.h>

#include "parquet/session.h"
#include "record/format.h"
#include "store/sources.h"

/* What was wrong with a file: the first bad line, and how many there were. */
struct record_report {
    uint64_t bad_lines;
    uint64_t line; /* of the first */
    struct fault reason;
    struct fault failure; /* why it could not be read to its end; empty otherwise */
};

struct record_table_options {
    const struct sources *sources;
    const struct format *input_format; /* of lines that no header precedes; NULL: the default */
    uint64_t since_s, until_s;         /* records that end before or start after are left out */
};

struct record_table;

/* What the options point to is borrowed for good. */
int record_table_new(struct record_table **ret, const struct record_table_options *options,
                     struct fault *fault) MUST_USE;
void record_table_free(struct record_table *table);

/* Files that it reads: those of the sources that are no Parquet. */
size_t record_table_files(const struct record_table *table);

int record_table_register(struct record_table *table, const struct session *session,
                          struct fault *fault) MUST_USE;

/* Bytes of the files taken so far, of all queries together, and their size. From any thread. */
uint64_t record_table_bytes(const struct record_table *table);
uint64_t record_table_bytes_total(const struct record_table *table);
uint64_t record_table_rows(const struct record_table *table);

/* What the queries so far found of the file with that index, NULL for nothing; not while one runs. */
const struct record_report *record_table_report(const struct record_table *table, size_t index);
const char *record_table_name(const struct record_table *table, size_t index);
