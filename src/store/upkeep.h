/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Changes to the files of a store that its readers do not notice. One process at a time makes them, under a
 * lock; each step may be the last one that it lives to make, and the next process goes on from there:
 *
 *   1. The new file is written below .flowlog/made, where nobody looks.
 *   2. A manifest says that it holds the records of files A, B, … From here on readers take it and not those.
 *   3. When no reader goes by an earlier manifest any more, the new file gets its name among the others as a
 *      second link, and A, B, … are removed: for other engines, which know no manifest, both are there for
 * the instant between.
 *   4. A manifest without the change. When no reader goes by the earlier one any more, the first link goes.
 *
 * A file with a second link is not touched: somebody is still putting it there (a delivery that has not been
 * noted in its spool, an import), and would put it there again if it went.
 */

#include <stdatomic.h>

#include "store/dataset.h"

struct upkeep {
    char *folder;
    int lock;
};

/*
 * Makes the folder a store where it is none. -EBUSY when another process is at it; `wait`: until that is
 * done.
 */
int upkeep_open(struct upkeep *ret, const char *folder, bool wait, struct fault *fault) MUST_USE;

/* Also of one that was zeroed and never opened. */
void upkeep_close(struct upkeep *upkeep);
#define AUTO_UPKEEP CLEANUP(upkeep_close)

/* Makes the folder a store, so that its readers lock what they go by, without the upkeep's lock. */
int upkeep_make_store(const char *folder, struct fault *fault) MUST_USE;

/* Goes on with what is begun. 1 when all of it is done; 0 when readers are to be waited for. */
int upkeep_settle(struct upkeep *upkeep, struct fault *fault) MUST_USE;

/* The same, waiting for readers until it is done, `patience_ns` are over (0) or *cancelled is set (0). */
int upkeep_wait(struct upkeep *upkeep, uint64_t patience_ns, const atomic_bool *cancelled,
                struct fault *fault) MUST_USE;

/* Begins changes; everything before must be settled. */
int upkeep_begin(struct upkeep *upkeep, const struct manifest *changes, struct fault *fault) MUST_USE;

/* Where a new file is made, below the store's folder; its name must be unlike any other's. */
#define UPKEEP_MADE DATASET_OWN "/made"
