/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Values of DuckDB's results as text. */

#include "cli/rows.h"
#include "parquet/vector.h"

#define CELL_TEXT_MAX 64

/* Of one column. */
struct cell_reader {
    duckdb_type type;
    duckdb_type internal; /* of a decimal: the number that it is kept as */
    uint8_t scale;        /* of a decimal */
    bool is_json;
    bool local_time;
    struct vector_reader values; /* of the chunk */
    char text[CELL_TEXT_MAX];    /* what a cell points to that is no text */
};

void cell_reader_init(struct cell_reader *reader, const struct duckdb_functions *duckdb,
                      duckdb_result *result, size_t column, bool local_time);
void cell_reader_set(struct cell_reader *reader, const struct duckdb_functions *duckdb, duckdb_vector vector);

/* Valid until the next call for that column. */
void cell_read(struct cell_reader *reader, uint32_t row, struct cell *ret);
