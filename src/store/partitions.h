/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Records on their way into the Parquet files of a store: one file, or several parts, for each account,
 * region, flow log, hour of the records' end, and set of columns. Row groups are filled for many hours at a
 * time; a bound of memory makes the largest go first.
 */

#include "base/fault.h"
#include "deliver/layout.h"
#include "record/format.h"
#include "record/record.h"

/* What records say nothing of comes from here. */
struct partition_origin {
    bool named; /* an object with a name of AWS's form: account, region, flow log and time are that one's */
    struct layout_name name;
};

struct partitions_options {
    const char *folder;   /* where the files are made; copied */
    uint64_t id;          /* files of another id have other names */
    size_t memory_bytes;  /* of rows that are not written yet */
    unsigned writers_max; /* files that are open at a time, each about 100 MiB */
};

struct partitions;

int partitions_new(struct partitions **ret, const struct partitions_options *options,
                   struct fault *fault) MUST_USE;
void partitions_free(struct partitions *partitions);

/*
 * The record is copied; `format` says which fields it has. -ERANGE where its time is none of a calendar: the
 * record is not taken, all else goes on. Any other error is for good.
 */
int partitions_add(struct partitions *partitions, const struct partition_origin *origin,
                   const struct format *format, const struct record *record, struct fault *fault) MUST_USE;

/* A finished file: its name in the folder, and its path in the store. */
struct partition_file {
    char made[32];
    char key[LAYOUT_KEY_MAX];
};

/* Completes and syncs all files; *ret is borrowed until partitions_free(). */
int partitions_finish(struct partitions *partitions, const struct partition_file **ret, size_t *ret_count,
                      struct fault *fault) MUST_USE;
