/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Closed windows on their way to the flow logs' destinations. A window is kept until every flow log that
 * wants it has taken it; a destination that fails is tried again at each publish_retry(), and only beyond a
 * bound is the oldest window given up: counted, and told by SKIPDATA lines with the next window.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "daemon/config.h"
#include "daemon/registry.h"
#include "deliver/destination.h"
#include "flow/ledger.h"
#include "flow/table.h"

#define PUBLISH_FLOW_LOGS_MAX 63 /* one bit each, and one for --print */
#define PUBLISH_WAITING_MAX 64   /* closed windows kept for destinations that fail */

struct publisher {
    const struct flow_log *flow_log; /* borrowed from the configuration */
    struct destination *destination;
    uint64_t records;
    uint64_t windows_given_up;
    uint64_t packets_given_up;
    char error[512]; /* of the last attempt; "" after a success */
};

struct closed_window {
    struct flow_table flows;
    uint64_t pending; /* a bit for each publisher that has not taken it */
    uint64_t sequence;
};

struct publish {
    struct publisher publishers[PUBLISH_FLOW_LOGS_MAX + 1];
    size_t count;
    struct closed_window waiting[PUBLISH_WAITING_MAX]; /* oldest first */
    size_t waiting_count;
    const struct registry *registry;
    const struct ledger *ledger;
    const struct flow_log *print; /* NULL without --print */
    uint64_t origin;
    uint64_t sequence;         /* tells batches of one window apart, also across restarts */
    const uint64_t *delivered; /* sequences that an earlier process delivered: not to be delivered again */
    size_t delivered_count;
    bool holding;                                        /* windows are only queued */
    void (*published)(void *context, uint64_t sequence); /* a window has been taken by every flow log */
    void *context;
};

/* `config`, `registry` and `ledger` are borrowed. `print`: records also go to standard output. */
int publish_open(struct publish *publish, const struct config *config, const struct registry *registry,
                 const struct ledger *ledger, uint64_t origin, const struct flow_log *print,
                 struct fault *fault) MUST_USE;
void publish_close(struct publish *publish);

/*
 * Other flow logs from now on. Those that stay keep their counters and what waits for them; the flow logs
 * before must still be there for the call. After an error the flow logs from the first that failed are
 * without a publisher.
 */
int publish_reload(struct publish *publish, const struct config *config, struct fault *fault) MUST_USE;

/* Tries to deliver. Takes the table over, leaving an empty one, unless an earlier process delivered it. */
void publish_window(struct publish *publish, struct flow_table *flows);

/* Tries what waits. Returns how many windows still wait. */
size_t publish_retry(struct publish *publish);

/* Closed windows that the publisher at that place has not taken yet. */
size_t publish_waiting_for(const struct publish *publish, size_t place);

/* Whether any flow log has this interval. */
bool publish_wants(const struct publish *publish, uint32_t interval);
