/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The columns of a Parquet file of records. */

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"
#include "record/format.h"

/* Each field of a format once, as Parquet's names have to be distinct. */
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

/* Bytes that a value takes in a row group, and a row; texts themselves not counted. */
size_t schema_value_bytes(unsigned field);
size_t schema_row_bytes(const struct schema *schema);
