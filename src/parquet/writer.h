/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Records into a Parquet file as AWS's flow logs have it (delivery.md 2.6): a column per field with `_` for
 * `-`, INT_32, INT_64 and strings, absent numbers null, absent texts "-". A field that the format lists twice
 * comes once. Row groups follow the order in which records are added, which should be that of time; within
 * one, rows of an interface and pair of addresses stand together. Equal records in equal order give equal
 * bytes.
 *
 * Encoded by our own code: DuckDB's COPY, which this is compatible with, takes two to eight times as long and
 * four times the memory. A row group being gathered takes at most 40 MiB.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "record/format.h"
#include "record/record.h"

enum parquet_codec { PARQUET_GZIP, PARQUET_ZSTD };

struct parquet_writer;

/*
 * Writes into the file that `fd` stands for, from its beginning; it must be empty, and seekable or not does
 * not matter. `fd` stays the caller's: syncing is left to him, and he may only close it after the writer.
 * `name` is for messages.
 */
int parquet_writer_open(struct parquet_writer **ret, int fd, const char *name, const struct format *format,
                        enum parquet_codec codec, struct fault *fault) MUST_USE;

/*
 * The same for row groups that the caller fills himself, by a schema that outlives the writer and them. Such
 * a writer takes nothing else: parquet_writer_add_group() writes a group, not empty, and empties it.
 */
struct schema;
struct row_group;
int parquet_writer_open_schema(struct parquet_writer **ret, int fd, const char *name,
                               const struct schema *schema, enum parquet_codec codec,
                               struct fault *fault) MUST_USE;
int parquet_writer_add_group(struct parquet_writer *writer, struct row_group *group,
                             struct fault *fault) MUST_USE;

/* Rows of such a group: wide records make short ones, so that memory stays bounded. */
uint32_t parquet_writer_rows(const struct schema *schema);

/* Whether it is due, as it has so many rows, or long texts. */
bool parquet_writer_is_full(const struct row_group *group, uint32_t rows_max);

/* The record is copied. An error is for good: the file is worth nothing then. */
int parquet_writer_add(struct parquet_writer *writer, const struct record *record,
                       struct fault *fault) MUST_USE;

/* The same for rows that DuckDB has made, whose columns are as row_group_add_chunk() wants them. */
struct _duckdb_data_chunk;
int parquet_writer_add_chunk(struct parquet_writer *writer, struct _duckdb_data_chunk *chunk,
                             struct fault *fault) MUST_USE;

/*
 * What the file would about come to if it were closed now, reckoned from the row groups that are packed; 0
 * before the first is. The same for equal records, so that a file may be ended by it.
 */
uint64_t parquet_writer_bytes(const struct parquet_writer *writer);

/* Completes the file; frees in every case. */
int parquet_writer_close(struct parquet_writer *writer, struct fault *fault) MUST_USE;

/* Gives up, leaving half a file. */
void parquet_writer_abandon(struct parquet_writer *writer);
