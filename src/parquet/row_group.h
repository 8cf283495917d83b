/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Records waiting to become one row group, column by column, in the form in which DuckDB takes them. */

#include <stdint.h>

#include "parquet/library.h"
#include "record/format.h"
#include "record/record.h"

/* The columns of a file: each field of a format once, as Parquet's names have to be distinct. */
struct schema {
    unsigned count;
    uint8_t version; /* what the version column holds; 0: that of each record */
    uint8_t fields[FIELD_COUNT];
};

/* -EINVAL for a format without a known field. */
int schema_from_format(struct schema *ret, const struct format *format, struct fault *fault) MUST_USE;

/* The name of a field as a column: `_` for `-`. */
#define COLUMN_NAME_MAX 64
const char *schema_column_name(char to[static COLUMN_NAME_MAX], enum field_id field);

/* Bytes that a row takes here and again in DuckDB, texts beyond 12 bytes not counted. */
size_t schema_row_bytes(const struct schema *schema);

struct row_group;

/* `schema` is borrowed. NULL when memory ran out. */
struct row_group *row_group_new(const struct schema *schema, uint32_t rows_max) MUST_USE;
void row_group_free(struct row_group *group);

uint32_t row_group_rows(const struct row_group *group);

/* What its long texts take. */
size_t row_group_text_bytes(const struct row_group *group);

/* Copies the record's values; the group must have room for a row. -ENOMEM. */
int row_group_add(struct row_group *group, const struct record *record) MUST_USE;

/*
 * Copies rows of a chunk whose columns are the schema's, in its order and of its types: 32 or 64 bits, or
 * text; a missing text becomes "-". The group must have room for them. -ENOMEM.
 */
int row_group_add_chunk(struct row_group *group, const struct duckdb_functions *duckdb,
                        duckdb_data_chunk chunk, uint32_t first, uint32_t count) MUST_USE;

/*
 * Brings rows of one interface and pair of addresses together, which packs them better; a group is short in
 * time, so a reader who looks for a time is not slowed down. Rows keep their order otherwise. To be called
 * before row_group_fill(). -ENOMEM.
 */
int row_group_sort(struct row_group *group) MUST_USE;

/*
 * Fills a chunk with rows from `first` on; returns how many. Its texts point into the group, which must
 * stay as it is until DuckDB asks for the next chunk.
 */
uint32_t row_group_fill(const struct row_group *group, const struct duckdb_functions *duckdb, uint32_t first,
                        duckdb_data_chunk chunk);

void row_group_clear(struct row_group *group);
