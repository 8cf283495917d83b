/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Closed windows on their way into the spools of the flow logs, each of which delivers by itself
 * (deliver/delivery.h). A window is kept until every flow log that wants it has it on the disk. When the disk
 * does not take it, it is tried again at each publish_retry(), and only beyond a bound is the oldest window
 * given up: counted, and told by SKIPDATA records.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "base/fault.h"
#include "daemon/config.h"
#include "daemon/leaving.h"
#include "daemon/registry.h"
#include "daemon/world.h"
#include "deliver/delivery.h"
#include "flow/emit.h"
#include "flow/ledger.h"
#include "flow/table.h"

#define PUBLISHERS_MAX (CONFIG_FLOW_LOGS_MAX + 1) /* one more for --print */
#define PUBLISH_WAITING_MAX 64                    /* closed windows kept while the disk does not take them */

struct publisher {
    const struct flow_log *flow_log; /* borrowed from the configuration */
    struct delivery *delivery;
    char error[512]; /* why the spool did not take the last window; "" when it did */
};

struct closed_window {
    struct flow_table flows;
    uint64_t pending[BITS_WORDS(PUBLISHERS_MAX)]; /* places of the publishers that have not taken it */
    uint64_t sequence;
};

struct publish {
    struct publisher *publishers; /* owned; room for those of `config` and --print */
    size_t count;
    struct closed_window waiting[PUBLISH_WAITING_MAX]; /* oldest first */
    size_t waiting_count;
    const struct config *config;
    const struct registry *registry;
    const struct ledger *ledger;
    const struct flow_log *print; /* NULL without --print */
    struct leavings leavings;     /* of flow logs that are no more */
    const char *deleting; /* id of the flow log that a reload is to delete, with its spool; NULL: none */
    struct world *world;  /* borrowed; set it before publish_open() */
    const char *state;    /* folder */
    uint64_t origin;
    uint64_t sequence;         /* tells batches of one window apart, also across restarts */
    const uint64_t *published; /* sequences that an earlier process published everywhere: not again */
    size_t published_count;
    bool holding;                                    /* windows are only queued */
    void (*taken)(void *context, uint64_t sequence); /* every flow log has the window on the disk */
    void *context;
    emit_rule_name *rule_name; /* for x-reject-rule */
    void *rule_context;
};

/*
 * `config`, `registry`, `ledger` and `state` are borrowed. `print`: records also go to standard output.
 * Deliveries take up what earlier processes left.
 */
int publish_open(struct publish *publish, const struct config *config, const struct registry *registry,
                 const struct ledger *ledger, const char *state, uint64_t origin,
                 const struct flow_log *print, struct fault *fault) MUST_USE;

/* What is not delivered stays in the spools. Waits for destinations until `deadline_ns` (monotonic) at most.
 */
void publish_close(struct publish *publish, uint64_t deadline_ns);

/*
 * Other flow logs from now on. Those that stay keep their counters and what waits for them; the flow logs
 * before must still be there for the call. After an error the flow logs from the first that failed are
 * without a publisher.
 */
int publish_reload(struct publish *publish, const struct config *config, struct fault *fault) MUST_USE;

/* After the journal was gone through: sequences go on above all that any spool has seen. */
void publish_settle_sequence(struct publish *publish);

/* Into the spools. Takes the table over, leaving an empty one, unless an earlier process published it. */
void publish_window(struct publish *publish, struct flow_table *flows);

/* Tries what waits. Returns how many windows still wait. */
size_t publish_retry(struct publish *publish);

/*
 * Before the end: what is in the spools goes out at once. True when all of it has arrived by `deadline_ns`
 * (monotonic).
 */
bool publish_flush(struct publish *publish, uint64_t deadline_ns);

/* Closed windows that are not in that publisher's spool yet. */
size_t publish_waiting_for(const struct publish *publish, size_t place);

/* Whether any flow log has this interval. */
bool publish_wants(const struct publish *publish, uint32_t interval);
