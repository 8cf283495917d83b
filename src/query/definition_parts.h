/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of definition.c share. */

#include "parquet/row_group.h"
#include "query/definition.h"

/* How text files end. */
#define DEFINITION_ENDINGS 5
extern const char *const definition_endings[DEFINITION_ENDINGS];

#define DEFINITION_PATH_MAX 4096

struct definition {
    const struct definition_options *options;
    const struct dialect *dialect;
    struct buf *sql;
    char quote;                         /* round names */
    char location[DEFINITION_PATH_MAX]; /* a folder without its last '/', a glob, or a file */
    bool is_s3;
    bool is_folder; /* or a prefix */
    bool is_text;
    bool has_header;                  /* lines of text are preceded by one of names */
    bool endings[DEFINITION_ENDINGS]; /* of the text files that are there */
};

/* The engine's word for the type of a field. */
const char *definition_type(const struct definition *definition, enum field_id field);

/* A name in quotes, and the column of a field. Names are quoted throughout: "end" has to be, and any engine
 * may make another a reserved word. */
void definition_print_name(const struct definition *definition, const char *name);
void definition_print_column(const struct definition *definition, enum field_id field);

/* Of the column of text at that place: a field that is listed again gets a number. */
#define DEFINITION_COLUMN_MAX (COLUMN_NAME_MAX + 16)
const char *definition_format_column(char to[static DEFINITION_COLUMN_MAX], const struct format *format,
                                     unsigned place);

/* The name under which files have a field: with hyphens in a header line, with '_' otherwise. */
const char *definition_text_column(const struct definition *definition, char to[static COLUMN_NAME_MAX],
                                   enum field_id field);

void definition_print_athena(const struct definition *definition);
void definition_print_trino(const struct definition *definition);
void definition_print_spark(const struct definition *definition);
void definition_print_duckdb(const struct definition *definition);
void definition_print_clickhouse(const struct definition *definition);
