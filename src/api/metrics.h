/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the daemon counts, as OpenMetrics text (https://prometheus.io/docs/specs/om/open_metrics_spec/). A
 * metric is a row of the table in metrics.c: its name, type, unit and help, and the member below that holds
 * its value; the manual's list is made of the same rows. Counters begin with the process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "flow/ledger.h"

#define METRICS_CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Text is borrowed. */
struct metrics_interface {
    const char *device;
    const char *interface_id;
    bool attached;
    uint64_t lost_long; /* packets in closed windows, lost to the ten-minute records alone */
    int64_t difference; /* of the hooks to the interface's own counters, at the last closed window */
    struct ledger_side side[FLOW_DIRECTIONS]; /* sums over closed windows */
};

struct metrics_flow_log {
    const char *id;
    const char *name;
    const char *destination;
    uint64_t taken; /* records: taken = delivered + waiting + given up + rejected */
    uint64_t delivered;
    uint64_t waiting;
    uint64_t given_up;
    uint64_t rejected;
    uint64_t refused_too_new; /* of those rejected, by the destination's reason */
    uint64_t refused_too_old;
    uint64_t refused_expired;
    uint64_t refused_too_large;
    uint64_t refused_invalid;
    uint64_t packets_given_up;
    uint64_t packets_rejected;
    uint64_t deliveries;
    uint64_t repeated;
    uint64_t spool_bytes;
    uint64_t unspooled;
    uint64_t unreadable;
    uint64_t lag_s;
    uint64_t failures;
    uint64_t last_success_s; /* 0: never */
    bool failing;
    bool rate_limited; /* AWS's words for what is wrong */
    bool access_error;
    bool unknown_error;
    char error[512]; /* the same in full; "" when nothing is */
};

struct metrics {
    bool capturing;
    uint64_t started_s;
    uint64_t cpu_ns;
    uint64_t resident_bytes;
    uint64_t open_files;
    uint64_t drains;
    uint64_t map_flows;
    uint64_t map_entries;
    uint64_t unaccounted;
    uint64_t moves_lost;
    uint64_t times_unsure;
    uint64_t netlink_overflows;
    uint64_t windows_closed;
    uint64_t windows_open;
    uint64_t journal_failures;
    uint64_t attribution_rounds;
    uint64_t attribution_packets;
    uint64_t attribution_dropped;
    uint64_t attribution_unknown;
    uint64_t attribution_no_room;
    uint64_t attribution_failures;
    uint64_t attribution_changes;
    uint64_t attribution_known;
    uint64_t deleted_given_up; /* records */
    uint64_t deleted_packets_given_up;
    uint64_t store_files;
    uint64_t store_bytes;
    uint64_t store_merged;
    uint64_t store_removed;
    uint64_t store_removed_bytes;
    uint64_t store_failed;
    bool store_failing;
    struct metrics_interface *interfaces; /* owned */
    size_t interface_count;
    struct metrics_flow_log *flow_logs; /* owned */
    size_t flow_log_count;
};

void metrics_done(struct metrics *metrics);
#define AUTO_METRICS CLEANUP(metrics_done)

void metrics_print(const struct metrics *metrics, struct buf *buf);

/* The list of metrics, as troff. */
void metrics_manual(struct buf *buf);
