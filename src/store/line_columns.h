/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where the values of lines go: columns of a chunk of rows, as DuckDB keeps them. */

#include <duckdb.h>
#include <stdbool.h>
#include <string.h>

#include "record/format.h"
#include "record/record.h"

#define LINE_ROWS_MAX 2048 /* DuckDB's vectors */

struct line_column {
    uint8_t field;
    uint8_t type; /* enum field_type: of the field */
    bool has_null;
    void *data;                         /* int32_t, int64_t or duckdb_string_t, by the type */
    uint64_t valid[LINE_ROWS_MAX / 64]; /* a bit per row; set where there is a value */
};

struct line_columns {
    unsigned count;
    uint32_t rows;
    uint32_t max; /* at most LINE_ROWS_MAX */
    struct line_column columns[FIELD_COUNT];
};

static inline void line_column_set_null(struct line_column *column, uint32_t row)
{
    column->valid[row / 64] &= ~(1ULL << row % 64);
    column->has_null = true;
}

/* The text stays where it is: it must outlive the chunk. */
static inline void line_column_set_text(struct line_column *column, uint32_t row, const char *text,
                                        size_t len)
{
    duckdb_string_t *to = (duckdb_string_t *)column->data + row;
    to->value.inlined.length = (uint32_t)len;
    if (len <= sizeof to->value.inlined.inlined) {
        memset(to->value.inlined.inlined, 0, sizeof to->value.inlined.inlined);
        memcpy(to->value.inlined.inlined, text, len);
    } else {
        memcpy(to->value.pointer.prefix, text, sizeof to->value.pointer.prefix);
        to->value.pointer.ptr = (char *)text;
    }
}

static inline void line_column_set_number(struct line_column *column, uint32_t row, uint64_t number)
{
    if (column->type == FIELD_INT32)
        ((int32_t *)column->data)[row] = (int32_t)number;
    else
        ((int64_t *)column->data)[row] = (int64_t)number;
}

/* A row of the record's values. */
void line_columns_add(struct line_columns *columns, const struct record *record);

/* All rows are without value in columns that `format` lacks. */
void line_columns_begin(struct line_columns *columns, const struct format *format);
