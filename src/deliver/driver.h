/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What each kind of destination supplies; one row per kind in destination.c. */

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "deliver/batch.h"
#include "deliver/destination.h"

enum outcome_kind {
    OUTCOME_DELIVERED, /* the destination confirmed all of it */
    OUTCOME_RETRY,     /* later, perhaps in part repeated */
    OUTCOME_REJECTED,  /* never: set aside, and told as lost */
};

/* AWS's three words for what is wrong with a delivery (delivery.md 4). */
enum error_word { ERROR_NONE, ERROR_RATE_LIMITED, ERROR_ACCESS, ERROR_UNKNOWN };

struct outcome {
    enum outcome_kind kind;
    enum error_word word;
    uint64_t not_before_ns; /* wall clock, for OUTCOME_RETRY; 0: the worker's own backoff */
    struct batch_sum
        rejected; /* of a delivered batch: what the destination refused for good (too old, too new) */
    char object[PATH_MAX];      /* where a person finds what was delivered; "" when it has no name */
    bool repeated;              /* delivered before, by a process that did not live to note it */
    uint64_t refused[REFUSALS]; /* records of `rejected` by reason */
    struct fault fault;         /* why it was not delivered, or not all of it */

    /*
     * Packets of `rejected` by interface, owned; what SKIPDATA records told is left out, as a record that
     * told it again would be refused again.
     */
    struct batch_interface *refused_of;
    uint32_t refused_of_count;
};

/* A finished object in the spool, of that size. Its bytes and key stay the same however often it is tried. */
struct object_file {
    const char *key;  /* "AWSLogs/…", without what the destination puts before it */
    const char *path; /* the file, which is the object and nothing else */
    const char *content_type;
    uint64_t size;
    uint8_t sha256[32];
    uint64_t records;
};

/*
 * Called by one worker thread at a time, so drivers block. They return soon after *cancelled becomes true
 * (OUTCOME_RETRY). `ret` comes zeroed. Exactly one of put and send is there: put takes objects; send takes
 * batches, and *progress, 0 at first, is the driver's own note of what of this batch is confirmed already.
 */
struct delivery_driver {
    uint32_t backoff_max_s; /* of the waiting between attempts */
    int (*open)(void **ret, const struct destination_settings *settings,
                struct fault *fault); /* touches nothing outside yet */
    void (*close)(void *state);
    void (*put)(void *state, const struct object_file *object, const atomic_bool *cancelled,
                struct outcome *ret);
    void (*send)(void *state, const struct batch *batch, uint64_t *progress, const atomic_bool *cancelled,
                 struct outcome *ret);
};

/* AWS's text: "Rate limited", …; "" for ERROR_NONE. */
const char *error_word_text(enum error_word word);

extern const struct delivery_driver deliver_file_driver;
extern const struct delivery_driver deliver_s3_driver;
extern const struct delivery_driver deliver_stdout_driver;
extern const struct delivery_driver deliver_cloudwatch_driver;
extern const struct delivery_driver deliver_firehose_driver;
extern const struct delivery_driver deliver_kafka_driver;
