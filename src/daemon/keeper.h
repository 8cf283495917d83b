/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Keeps the local store in order while the daemon runs (store/compact.h): a thread of its own, of low
 * priority, that the event loop never waits for.
 */

#include "daemon/config.h"
#include "store/compact.h"

struct keeper;

struct keeper_counts {
    struct compact_counts sums; /* since the start; files and bytes are those of now */
    uint64_t rounds;
    char error[512]; /* of the last round, "" when it went well */
};

/* Settings are copied. A store that cannot be made is told, and tried again. */
int keeper_open(struct keeper **ret, const struct config *config, struct fault *fault) MUST_USE;

/* After a reload. Counts begin anew with another folder. */
void keeper_configure(struct keeper *keeper, const struct config *config);

/* `keeper` NULL: nothing. */
void keeper_counts(struct keeper *keeper, struct keeper_counts *ret);

/* Stops what it is at, soon, and frees. */
void keeper_close(struct keeper *keeper);
