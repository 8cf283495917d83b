/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Keeps a store in order: the small files of an hour become one, and what is too old or too much goes. Only
 * Parquet files that bear names of AWS's form are merged, those of one folder, flow log and hour.
 */

#include "deliver/report.h"
#include "store/upkeep.h"

struct compact_settings {
    uint64_t now_s;
    uint64_t delay_s;     /* so long after its end, and after its last file came, an hour is merged */
    uint64_t retain_s;    /* files are kept so long after their hour and their arrival; 0: for good */
    uint64_t max_bytes;   /* of all files; beyond, the oldest go; 0: any number */
    uint64_t patience_ns; /* for readers, where they are to be waited for */
    const atomic_bool *cancelled;
    struct report report;
};

struct compact_counts {
    uint64_t merged; /* files, into how many, of how many records */
    uint64_t made;
    uint64_t records;
    uint64_t removed; /* files, by age or size */
    uint64_t removed_bytes;
    uint64_t failed; /* hours that could not be merged */
    uint64_t files;  /* that the store had at the end, or nearly so */
    uint64_t bytes;
    bool waiting; /* readers use what is to go; the next round goes on */
};

/*
 * One round. What cannot be merged is reported and left as it is; an error is one of the store as a whole. On
 * cancellation it stops early.
 */
int compact_store(struct upkeep *upkeep, const struct compact_settings *settings, struct compact_counts *ret,
                  struct fault *fault) MUST_USE;
