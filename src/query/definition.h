/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Statements that make flow log files a table, or view, `flow_logs` of an engine: a column per field of the
 * catalogue, as the named queries want it; what the files lack is null.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/fault.h"
#include "query/dialect.h"
#include "record/format.h"

enum definition_files {
    DEFINITION_BY_LOCATION, /* what the folder holds; Parquet where it cannot be looked into */
    DEFINITION_PARQUET,
    DEFINITION_TEXT,
};

/* Lists have commas between. */
struct definition_options {
    enum sql_engine engine;
    const char *location;        /* folder, glob or file, or s3://BUCKET/PREFIX; NULL: a bucket to replace */
    const struct format *format; /* of text; NULL: default */
    enum definition_files files;
    const char *accounts; /* NULL: not known */
    const char *regions;  /* NULL: not known */
    bool hive;
    bool hourly;
};

/* -EINVAL where the options do not fit the engine, -errno where the location cannot be looked into. */
int definition_print(const struct definition_options *options, struct buf *sql, struct fault *fault) MUST_USE;
