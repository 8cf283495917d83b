/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The Parquet files of the sources as branches of the view flow_logs. */

#include "base/buf.h"
#include "parquet/session.h"
#include "store/sources.h"

struct parquet_view_options {
    const struct session *session;
    const struct sources *sources;
    bool *left_out; /* by index in the sources: not to be read; those that are told are marked */
    uint64_t since_s, until_s;
    void *userdata;
    void (*tell)(void *userdata, const char *line); /* which file cannot be used, and why; the others are */
};

/*
 * Appends a SELECT of all fields in the order of the catalogue for each set of files that have the same
 * columns, with UNION ALL between; *branches counts them and says whether something stands before, *faults
 * the files that were told.
 */
int parquet_view_write(const struct parquet_view_options *options, struct buf *sql, size_t *branches,
                       uint64_t *faults, struct fault *fault) MUST_USE;

/*
 * Reads every Parquet file that is not left out to its end; marks and tells those that cannot be read.
 * Returns how many.
 */
uint64_t parquet_view_check(const struct parquet_view_options *options);

/*
 * Whether the statistics of all Parquet files that are not left out say that no record of theirs lacks one of
 * these fields (enum field_id). Files whose columns are named otherwise than by schema.h do not say so.
 */
int parquet_view_is_whole(const struct parquet_view_options *options, const uint8_t *fields, size_t count,
                          bool *ret, struct fault *fault) MUST_USE;
