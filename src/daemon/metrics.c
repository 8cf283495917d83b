/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/metrics.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "daemon/daemon.h"
#include "deliver/driver.h"

static uint64_t nanoseconds(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * NS_PER_S + (uint64_t)time->tv_usec * 1000;
}

static uint64_t resident_bytes(void)
{
    AUTO_BUF struct buf text = BUF_INIT(1024);
    uint64_t pages = 0;
    if (file_read("/proc/self/statm", &text, NULL) < 0)
        return 0;
    const char *second = strchr(buf_string(&text), ' '); /* "SIZE RESIDENT …", in pages */
    if (second)
        (void)num_parse_u64(second + 1, strcspn(second + 1, " "), UINT64_MAX, &pages);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_files(void)
{
    DIR *folder AUTO_CLOSEDIR = opendir("/proc/self/fd");
    uint64_t count = 0;
    while (folder && readdir(folder))
        count++;
    return count > 3 ? count - 3 : 0; /* less ".", ".." and the folder itself */
}

static void measure_process(const struct daemon *daemon, struct metrics *metrics)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        metrics->cpu_ns = nanoseconds(&usage.ru_utime) + nanoseconds(&usage.ru_stime);
    metrics->resident_bytes = resident_bytes();
    metrics->open_files = open_files();
    metrics->started_s = daemon->started_s;
}

static void measure_capture(const struct daemon *daemon, struct metrics *metrics)
{
    struct capture_state state;
    live_state(daemon->live, &state);
    metrics->capturing = daemon->capturing;
    metrics->drains = daemon->drains;
    metrics->map_flows = state.inserted + state.slots_taken;
    metrics->map_entries = daemon->config.capture.map_entries;
    metrics->unaccounted = state.unaccounted + daemon->unknown_packets;
    metrics->moves_lost = state.moves_lost;
    metrics->times_unsure = state.times_unsure;
    metrics->netlink_overflows = links_overflows(daemon->links);
    metrics->windows_closed = daemon->windows_closed;
    metrics->windows_open = daemon->windows.count + daemon->long_window_open;
    metrics->journal_failures = daemon->journal_failures;
    metrics->deleted_given_up = daemon->publish.leavings.given_up.records;
    metrics->deleted_packets_given_up = daemon->publish.leavings.given_up.packets;
}

static void measure_attribution(const struct daemon *daemon, struct metrics *metrics)
{
    struct attribution_counts counts = attribution_counts(daemon->attribution);
    metrics->attribution_rounds = counts.rounds;
    metrics->attribution_packets = counts.packets;
    metrics->attribution_dropped = counts.dropped;
    metrics->attribution_unknown = counts.unknown;
    metrics->attribution_no_room = counts.no_room;
    metrics->attribution_failures = counts.failures;
    metrics->attribution_changes = counts.changes;
    metrics->attribution_known = counts.known;
}

static void measure_store(const struct daemon *daemon, struct metrics *metrics)
{
    struct keeper_counts counts;
    keeper_counts(daemon->keeper, &counts);
    metrics->store_files = counts.sums.files;
    metrics->store_bytes = counts.sums.bytes;
    metrics->store_merged = counts.sums.merged;
    metrics->store_removed = counts.sums.removed;
    metrics->store_removed_bytes = counts.sums.removed_bytes;
    metrics->store_failed = counts.sums.failed;
    metrics->store_failing = counts.error[0];
}

/* Sums of windows that the ledger has forgotten, and of those closed since. */
static void sum_ledger(const struct daemon *daemon, uint32_t index, struct metrics_interface *ret)
{
    const struct registered *entry = registry_at(&daemon->registry, (uint16_t)index);
    const struct ledger *ledger = &daemon->windows.ledger;
    ret->lost_long = entry->settled_lost_long;
    for (unsigned d = 0; d < FLOW_DIRECTIONS; d++)
        ret->side[d] = entry->settled[d];
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_row *row = &ledger->rows[i];
        if (row->interface != index || row->window >= daemon->closed_before)
            continue;
        ret->lost_long += row->lost_long;
        for (unsigned d = 0; d < FLOW_DIRECTIONS; d++)
            ledger_add_side(&ret->side[d], &row->side[d]);
    }
}

static bool measure_interfaces(const struct daemon *daemon, struct metrics *metrics)
{
    metrics->interfaces = calloc(daemon->registry.count + 1, sizeof *metrics->interfaces);
    for (uint32_t i = 0; metrics->interfaces && i < daemon->registry.count; i++) {
        const struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        if (!entry->used || entry->gone)
            continue;
        struct metrics_interface *interface = &metrics->interfaces[metrics->interface_count++];
        *interface = (struct metrics_interface){.device = entry->device,
                                                .interface_id = entry->interface.identity.interface_id,
                                                .attached = entry->attached,
                                                .difference = daemon_counter_difference(entry)};
        sum_ledger(daemon, i, interface);
    }
    return metrics->interfaces;
}

static bool measure_flow_logs(const struct daemon *daemon, struct metrics *metrics)
{
    metrics->flow_logs = calloc(daemon->publish.count + 1, sizeof *metrics->flow_logs);
    for (size_t i = 0; metrics->flow_logs && i < daemon->publish.count; i++) {
        const struct publisher *publisher = &daemon->publish.publishers[i];
        struct delivery_counts counts;
        delivery_counts(publisher->delivery, &counts);
        struct metrics_flow_log *flow_log = &metrics->flow_logs[metrics->flow_log_count++];
        *flow_log =
            (struct metrics_flow_log){.id = publisher->flow_log->id,
                                      .name = publisher->flow_log->name,
                                      .taken = counts.taken.records,
                                      .delivered = counts.delivered.records,
                                      .waiting = counts.waiting.records,
                                      .given_up = counts.given_up.records,
                                      .rejected = counts.rejected.records,
                                      .refused_too_new = counts.refused[REFUSAL_TOO_NEW],
                                      .refused_too_old = counts.refused[REFUSAL_TOO_OLD],
                                      .refused_expired = counts.refused[REFUSAL_EXPIRED],
                                      .refused_too_large = counts.refused[REFUSAL_TOO_LARGE],
                                      .refused_invalid = counts.refused[REFUSAL_INVALID],
                                      .packets_given_up = counts.given_up.packets,
                                      .packets_rejected = counts.rejected.packets,
                                      .deliveries = counts.deliveries,
                                      .repeated = counts.repeated,
                                      .failures = counts.failures,
                                      .spool_bytes = counts.spool_bytes,
                                      .unspooled = publish_waiting_for(&daemon->publish, i),
                                      .unreadable = counts.unreadable,
                                      .lag_s = daemon_delivery_lag(publisher->flow_log, &counts),
                                      .failing = counts.error[0] || publisher->error[0],
                                      .rate_limited = counts.word == error_word_text(ERROR_RATE_LIMITED),
                                      .access_error = counts.word == error_word_text(ERROR_ACCESS),
                                      .unknown_error = counts.word == error_word_text(ERROR_UNKNOWN),
                                      .last_success_s = counts.delivered_ns / NS_PER_S};
        (void)snprintf(flow_log->error, sizeof flow_log->error, "%s",
                       counts.error[0] ? counts.error : publisher->error);
    }
    return metrics->flow_logs;
}

void daemon_answer_metrics(void *context, const struct http_request *request, struct http_answer *answer)
{
    const struct daemon *daemon = context;
    struct metrics metrics AUTO_METRICS = {0};
    answer->content_type = METRICS_CONTENT_TYPE;
    measure_process(daemon, &metrics);
    measure_capture(daemon, &metrics);
    measure_attribution(daemon, &metrics);
    measure_store(daemon, &metrics);
    if (measure_interfaces(daemon, &metrics) && measure_flow_logs(daemon, &metrics))
        metrics_print(&metrics, &answer->body);
    else
        answer->body.failed = true;
}
