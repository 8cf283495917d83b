/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Values in DuckDB's vectors. */

#include <stdbool.h>
#include <stdint.h>

#include "parquet/library.h"

struct text {
    const char *at;
    size_t len;
};

struct vector_reader {
    const void *data;
    const uint64_t *valid; /* NULL: nothing is null */
};

static inline struct vector_reader vector_read(const struct duckdb_functions *duckdb, duckdb_vector vector)
{
    return (struct vector_reader){duckdb->vector_get_data(vector), duckdb->vector_get_validity(vector)};
}

static inline bool vector_is_null(const struct vector_reader *vector, uint32_t row)
{
    return vector->valid && !(vector->valid[row / 64] >> row % 64 & 1);
}

/* Of a vector of texts; valid as long as the chunk. */
static inline struct text vector_text(const struct vector_reader *vector, uint32_t row)
{
    const duckdb_string_t *text = (const duckdb_string_t *)vector->data + row;
    size_t len = text->value.inlined.length;
    bool is_inlined = len <= sizeof text->value.inlined.inlined;
    return (struct text){is_inlined ? text->value.inlined.inlined : text->value.pointer.ptr, len};
}

static inline void vector_set_null(const struct duckdb_functions *duckdb, duckdb_vector vector, uint32_t row)
{
    duckdb->vector_ensure_validity_writable(vector);
    duckdb->vector_get_validity(vector)[row / 64] &= ~(1ULL << row % 64);
}
