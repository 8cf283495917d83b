/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where finished records go. A batch is what one flow log has of one closed window: begin, add each record,
 * commit. Until commit returns 0 nothing counts as delivered and the caller keeps the batch. Delivering the
 * same batch again (same window and sequence, same records in the same order) changes nothing at the
 * destination: bytes and names depend on the batch alone.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"
#include "record/format.h"
#include "record/record.h"

enum destination_kind {
    DESTINATION_FILE,
    DESTINATION_STDOUT,
};

enum file_format {
    FILE_FORMAT_PLAIN_TEXT, /* to files: gzip text with a header line (delivery.md 2.5) */
    FILE_FORMAT_JSON,       /* JSON lines; to files: gzip */
};

/* Text is borrowed for destination_open. */
struct destination_settings {
    enum destination_kind kind;
    const char *folder; /* DIR/P of delivery.md 2.2 */
    enum file_format file_format;
    bool hive;
    bool hourly;
    const char *account;
    const char *region;
    const char *flow_log_id;
    uint64_t
        origin; /* hash of machine and state folder: daemons that share a folder name objects differently */
    const struct format *format; /* copied */
};

struct delivery_counts {
    uint64_t batches;
    uint64_t records;
    uint64_t objects;
    uint64_t failures;       /* failed commits */
    uint64_t delivered_ns;   /* wall clock of the last commit that succeeded */
    const char *last_object; /* path; "" before the first. Valid until the next call */
};

struct destination;

/* Does not touch the destination yet: it may be unreachable now and come later. */
int destination_open(struct destination **ret, const struct destination_settings *settings,
                     struct fault *fault) MUST_USE;
void destination_close(struct destination *destination); /* gives up an open batch */

/* `window` in seconds since the epoch. `sequence` tells the batches of one flow log and window apart. */
int destination_begin(struct destination *destination, uint64_t window, uint64_t sequence,
                      struct fault *fault) MUST_USE;

/* The record is serialised at once. After an error only destination_abandon may follow. */
int destination_add(struct destination *destination, const struct record *record,
                    struct fault *fault) MUST_USE;

/* Ends the batch in every case. After an error nothing half-written has its final name; begin it again later.
 */
int destination_commit(struct destination *destination, struct fault *fault) MUST_USE;
void destination_abandon(struct destination *destination);

void destination_counts(const struct destination *destination, struct delivery_counts *ret);
