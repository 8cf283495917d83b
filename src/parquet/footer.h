/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What stands at a Parquet file's end and tells what stands before it. */

#include "base/buf.h"
#include "parquet/chunk.h"
#include "parquet/schema.h"
#include "parquet/writer.h"

/* Appends a row group's part, of whose chunks the first begins at `offset` in the file. */
void footer_print_row_group(struct buf *to, const struct chunk *chunks, unsigned count,
                            enum parquet_codec codec, uint64_t offset);

/* Appends the whole, with the parts of `group_count` row groups. */
void footer_print(struct buf *to, const struct schema *schema, const struct buf *groups, size_t group_count,
                  uint64_t rows);
