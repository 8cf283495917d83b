/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The running daemon: one thread, one event loop. The kernel counts by itself; this loop drains it when a
 * minute has ended (or the map fills), closes windows, publishes them, follows interfaces and answers
 * `flowlog status`.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/access_keys.h"
#include "api/flow_log_store.h"
#include "api/http.h"
#include "base/fault.h"
#include "capture/live.h"
#include "daemon/attribution.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/keeper.h"
#include "daemon/log_reader.h"
#include "daemon/publish.h"
#include "daemon/recover.h"
#include "daemon/registry.h"
#include "daemon/world.h"
#include "flow/journal.h"
#include "flow/windows.h"
#include "topology/links.h"

struct daemon_options {
    const char *config_path; /* NULL: no configuration */
    const char *state;       /* folder */
    bool print;
};

/* What is to be done with the flow map that the kernel does not write to. */
enum quiescent {
    QUIESCENT_UNREAD, /* all of it, or the rest of it, is to be taken */
    QUIESCENT_DIRTY,  /* taken; to be emptied before anything else, or its counts would be taken twice */
    QUIESCENT_EMPTY,
};

struct daemon {
    const struct daemon_options *options;
    struct config config;
    struct flow_log print_log; /* what --print shows */
    char machine_id[MACHINE_ID_MAX];
    struct live *live;
    struct links *links;
    struct registry registry;
    struct windows windows;
    struct flow_table long_window; /* of 600 s, fed by closed windows of 60 s */
    struct publish publish;
    struct attribution *attribution; /* of rejects to rules; idle unless configured */
    struct control *control;
    struct journal *journal;
    uint64_t journal_failures;
    struct keeper *keeper;
    struct http *http; /* NULL: no listener */
    struct log_reader *log_reader;
    struct upload *uploads;
    struct access_keys *access_keys;
    struct world world;
    struct flow_log_store *store; /* of flow logs made through the API */
    int epoll;
    int signals;
    int ticks;
    int clock_changes;
    uint64_t started_s;
    uint64_t drains;
    uint64_t windows_closed;
    uint64_t
        unknown_packets; /* drained for interfaces that nobody knows, or without memory even to say whose */
    uint32_t due_count;  /* interfaces that wait to be attached */
    uint64_t flows_in_window; /* since the window began, for the live line */
    uint32_t closed_before;   /* windows before this one are closed (WINDOW_SECONDS since the epoch) */
    enum quiescent quiescent; /* unread at first: an earlier process may have left something */
    bool long_window_open;
    bool journal_failing; /* since it was last written whole */
    bool drain_failing;
    bool capturing;       /* what was there at the start is attached, or has waited long enough */
    bool gone_undrained;  /* interfaces have gone, and their last flows are in the kernel */
    bool listens_to_host; /* alone: on loopback */
    bool stopping;
    bool live_line; /* standard error is a terminal */
};

int daemon_open(struct daemon *daemon, const struct daemon_options *options, struct fault *fault) MUST_USE;

/* Runs until SIGTERM or SIGINT; then everything is drained, published and detached. */
int daemon_run(struct daemon *daemon, struct fault *fault) MUST_USE;
void daemon_close(struct daemon *daemon);

/* drain.c: the kernel's counts to windows, and windows to the publisher. */
int daemon_drain(struct daemon *daemon, struct fault *fault) MUST_USE;

/* The same events from the journal. */
void daemon_take_flow(struct daemon *daemon, const struct flow_delta *delta);
void daemon_take_account(struct daemon *daemon, const struct account_key *key, const struct account *account);
void daemon_take_discard(struct daemon *daemon, const struct discard_key *key, uint64_t packets);
void daemon_close_taken(struct daemon *daemon, uint32_t before);

/* What they had led to: flows of the open window, and of the open ten minutes, that start at `start`. */
void daemon_restore_flow(struct daemon *daemon, uint64_t start, const struct flow *flow);
void daemon_restore_long_flow(struct daemon *daemon, uint64_t start, const struct flow *flow);

/* Takes the accounts from the kernel and closes every window before `before` (WINDOW_SECONDS since the
 * epoch). */
void daemon_close_windows(struct daemon *daemon, uint32_t before);

/* At the start, when links were taken over: what was counted under an earlier process is left out where the
 * interfaces' own counters are held against the hooks'. */
void daemon_compare_anew(struct daemon *daemon);

/* follow.c: interfaces come, change and go. A link_listener, for the daemon. */
void daemon_follow_link(void *context, enum link_event event, const struct link *link);

/*
 * After a reload: interfaces that no entry of the configuration covers any more end, new ones begin, and
 * those whose entry says something else begin anew. The entries before must still be there for the call.
 */
void daemon_follow_rules(struct daemon *daemon);

/* Attaches one of the interfaces that wait, which takes some 30 ms: the kernel waits for all CPUs, twice. */
void daemon_attach_next(struct daemon *daemon);

/* After the links were read: interfaces of the journal that are there no more. */
void daemon_forget_vanished(struct daemon *daemon);

/* commands.c: a control_handler, for the daemon. */
json_t *daemon_answer(void *context, const char *command, const json_t *request, struct fault *fault);

/* status.c */
json_t *daemon_answer_status(struct daemon *daemon);
/* What the interface counted and the hooks did not see (below 0), or the other way round (above). */
int64_t daemon_counter_difference(const struct registered *entry);
void daemon_draw_live_line(struct daemon *daemon);
void daemon_clear_live_line(const struct daemon *daemon); /* before records are printed */

/* How many seconds ago the oldest window ended that is not delivered; 0: nothing waits. */
uint64_t daemon_delivery_lag(const struct flow_log *log, const struct delivery_counts *counts);

/* api.c: the listener, for what is asked by HTTP. */
int daemon_open_api(struct daemon *daemon, struct fault *fault) MUST_USE;

/* Opens it anew when it has a certificate, which may be another by now. 1 when it did; negative: nobody
 * listens. */
int daemon_renew_api(struct daemon *daemon, struct fault *fault) MUST_USE;

/* metrics.c: an http_handler, for the daemon. */
void daemon_answer_metrics(void *context, const struct http_request *request, struct http_answer *answer);

static inline uint32_t daemon_window_of(uint64_t wall_ns)
{
    return (uint32_t)(wall_ns / NS_PER_S / WINDOW_SECONDS);
}
