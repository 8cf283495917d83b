/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The Parquet files of the sources as branches of the view flow_logs. */

#include "base/buf.h"
#include "parquet/session.h"
#include "store/sources.h"

struct parquet_view_options {
    const struct session *session;
    const struct sources *sources;
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
