/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The delivery of one flow log: a spool, and a thread that takes what is in it to the destination, oldest
 * first. A destination that fails delays nobody else. All functions are for one thread, the daemon's.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"
#include "deliver/batch.h"
#include "deliver/destination.h"
#include "deliver/report.h"

/* Texts are copied. */
struct delivery_settings {
    struct destination_settings destination;
    const char *spool_folder;
    uint64_t spool_max_bytes; /* beyond either bound the oldest is given up */
    uint64_t spool_max_age_s;
    uint32_t publish_interval_s; /* objects hold the windows that end within so many seconds; above 0 */
    struct report report;
};

/* taken = delivered + waiting + given_up + rejected, of records and of packets. */
struct delivery_counts {
    struct batch_sum taken; /* what was there at the start included */
    struct batch_sum delivered;
    struct batch_sum waiting;
    struct batch_sum given_up;  /* at a bound, or damaged on the disk */
    struct batch_sum rejected;  /* by the destination, for good */
    uint64_t refused[REFUSALS]; /* records of `rejected` by the reason that the destination gave */
    uint64_t deliveries;        /* objects or batches confirmed */
    uint64_t repeated;          /* deliveries that turned out to be there already */
    uint64_t failures;          /* attempts that failed */
    uint64_t items;             /* batches and objects in the spool */
    uint64_t spool_bytes;
    uint64_t items_given_up;
    uint64_t items_rejected;
    uint64_t unreadable;   /* files of the spool whose contents nobody can tell */
    uint64_t oldest;       /* window of the oldest item, seconds since the epoch; 0: nothing waits */
    uint64_t delivered_ns; /* wall clock of the last delivery */
    char last_object[PATH_MAX];
    const char *word; /* AWS's word for the last error, of the destination or the spool's disk, "" after a
                         success; lasts */
    char error[512];  /* in full */
};

struct delivery;

/* Takes up what an earlier process left. Does not touch the destination yet: it may be unreachable now and
 * come later. */
int delivery_open(struct delivery **ret, const struct delivery_settings *settings,
                  struct fault *fault) MUST_USE;

/* The highest sequence that ever came in; those up to it are not taken again. */
uint64_t delivery_accepted(const struct delivery *delivery);

/*
 * A batch to be filled and committed. Gaps that nobody has told yet become its first records. `head` is
 * borrowed, its interfaces keep their places, `tells` is set. -EALREADY when its sequence was taken before.
 */
int delivery_begin(struct delivery *delivery, const struct batch_head *head, struct batch_writer **ret,
                   struct fault *fault) MUST_USE;

/* When it returns 0 the batch is safe. Frees the writer in every case. An empty batch is dropped. */
int delivery_commit(struct delivery *delivery, struct batch_writer *writer, struct fault *fault) MUST_USE;

/*
 * A batch that never came to be: what `head` accounts for is given up, told as a gap, and its sequence is not
 * taken any more.
 */
void delivery_lose(struct delivery *delivery, const struct batch_head *head, const char *why);

void delivery_counts(struct delivery *delivery, struct delivery_counts *ret);

/* From now on everything goes out at once, without waiting for a publish interval, and failures are repeated
 * quickly. */
void delivery_flush(struct delivery *delivery);

/* Whether nothing waits any more. */
bool delivery_is_done(struct delivery *delivery);

/* Tells the driver to stop; what is not delivered stays in the spool. */
void delivery_cancel(struct delivery *delivery);

/*
 * Cancels, and frees. -ETIMEDOUT when the driver has not come back by `deadline_ns` (monotonic): then all of
 * it is left as it is, for the process's end.
 */
int delivery_close(struct delivery *delivery, uint64_t deadline_ns);
