/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Records waiting to become one row group, column by column: numbers as they are, texts by number. */

#include <stdint.h>

#include "parquet/dictionary.h"
#include "parquet/library.h"
#include "parquet/schema.h"
#include "record/record.h"

struct column {
    uint8_t field;
    uint8_t type; /* enum field_type */
    union {
        uint32_t *numbers_of_texts; /* FIELD_STRING: in `texts` */
        int32_t *numbers32;
        int64_t *numbers64;
        void *any;
    };
    struct dictionary texts;
    uint64_t *valid; /* a bit per row; NULL for texts, where a missing value is the text "-" */
    uint32_t missing;
};

struct row_group {
    const struct schema *schema; /* borrowed */
    uint32_t rows;
    uint32_t rows_max;
    uint32_t rows_room; /* what there is memory for */
    size_t text_bytes;
    struct column columns[FIELD_COUNT]; /* the schema's, in its order */
    uint32_t *order;                    /* which row comes where, once sorted */
    uint64_t *keys;                     /* of the sort, the row in the lowest bits */
    uint64_t *spare;                    /* the sort's other half */
};

#define ROW_GROUP_SORT_BYTES (sizeof(uint32_t) + 2 * sizeof(uint64_t)) /* a row */

/* `schema` is borrowed. NULL when memory ran out. */
struct row_group *row_group_new(const struct schema *schema, uint32_t rows_max) MUST_USE;
void row_group_free(struct row_group *group);

static inline bool row_group_is_valid(const struct column *column, uint32_t row)
{
    return column->valid[row / 64] >> row % 64 & 1;
}

uint32_t row_group_rows(const struct row_group *group);

/* What its texts take. */
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
 * before the group is encoded. -ENOMEM.
 */
int row_group_sort(struct row_group *group) MUST_USE;

void row_group_clear(struct row_group *group);
