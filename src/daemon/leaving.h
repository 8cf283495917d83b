/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Deliveries of flow logs that are no more, until they have let go: nobody waits for a destination that does
 * not answer. One that was deleted goes on for a minute with what waits in its spool; what has not arrived by
 * then is given up and counted, and the spool is removed. One that is no longer declared stops at once and
 * keeps its spool.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "deliver/delivery.h"

#define LEAVING_PATIENCE_S 60

struct leaving;

struct leavings {
    struct leaving *list;
    struct batch_sum given_up; /* of flow logs that were deleted */
};

/* Takes the delivery over. `folder`: its spool. */
void leavings_add(struct leavings *leavings, struct delivery *delivery, const char *flow_log_id,
                  const char *folder, bool deleted);

/* To be called at each tick. */
void leavings_process(struct leavings *leavings);

/* Before a spool is used again. -ETIMEDOUT when its delivery has not let go by then (monotonic). */
int leavings_wait(struct leavings *leavings, const char *flow_log_id, uint64_t deadline_ns) MUST_USE;

/* Ends them all. */
void leavings_close(struct leavings *leavings, uint64_t deadline_ns);

/* At the start: spools below this folder whose flow logs were deleted before a process died. */
void leavings_sweep(struct leavings *leavings, const char *spools);
