/* SPDX-License-Identifier: Apache-2.0 */
#include "api/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "base/troff.h"
#include "record/value.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_INFO };

/* How often it is told, with which labels. */
enum metric_scope {
    SCOPE_DAEMON,
    SCOPE_INTERFACE, /* device, interface_id */
    SCOPE_SIDE,      /* and direction */
    SCOPE_FLOW_LOG,  /* flow_log_id, name */
};

enum sample_kind {
    SAMPLE_NUMBER,  /* uint64_t */
    SAMPLE_SIGNED,  /* int64_t */
    SAMPLE_BOOL,    /* bool: 0 or 1 */
    SAMPLE_NS,      /* uint64_t nanoseconds, told in seconds */
    SAMPLE_SECONDS, /* uint64_t seconds; not told while 0 */
    SAMPLE_ONE,     /* no member: the labels are what is told */
    SAMPLE_TEXT,    /* char[]: the label "text"; not told while empty */
};

struct metric {
    const char *name; /* with its unit, without the suffix that its type gives */
    uint8_t type;
    uint8_t scope;
    uint8_t kind;
    size_t offset;     /* of the member in the scope's struct */
    const char *unit;  /* NULL: none */
    const char *label; /* one more label with its value; rows of one name follow one another */
    const char *help;
};

#define DAEMON(member) .scope = SCOPE_DAEMON, .offset = offsetof(struct metrics, member)
#define INTERFACE(member) .scope = SCOPE_INTERFACE, .offset = offsetof(struct metrics_interface, member)
#define SIDE(member) .scope = SCOPE_SIDE, .offset = offsetof(struct ledger_side, member)
#define FLOW_LOG(member) .scope = SCOPE_FLOW_LOG, .offset = offsetof(struct metrics_flow_log, member)

static const struct metric metrics_table[] = {
    {"flowlog_build", METRIC_INFO, .kind = SAMPLE_ONE, .scope = SCOPE_DAEMON,
     .label = "version=\"" FLOWLOG_VERSION "\"", .help = "The version that runs."},
    {"flowlog_capturing", METRIC_GAUGE, .kind = SAMPLE_BOOL, DAEMON(capturing),
     .help = "1 while packets are counted."},
    {"process_start_time_seconds", METRIC_GAUGE, DAEMON(started_s), .unit = "seconds",
     .help = "When the process started, since the epoch."},
    {"process_cpu_seconds", METRIC_COUNTER, .kind = SAMPLE_NS, DAEMON(cpu_ns), .unit = "seconds",
     .help = "Processor time of the process, user and system."},
    {"process_resident_memory_bytes", METRIC_GAUGE, DAEMON(resident_bytes), .unit = "bytes",
     .help = "Memory of the process."},
    {"process_open_fds", METRIC_GAUGE, DAEMON(open_files), .help = "Open file descriptors of the process."},
    {"flowlog_drains", METRIC_COUNTER, DAEMON(drains),
     .help = "How often the kernel's flow map was emptied."},
    {"flowlog_map_flows", METRIC_GAUGE, DAEMON(map_flows), .unit = "flows",
     .help = "Flows in the kernel's map now."},
    {"flowlog_map_capacity_flows", METRIC_GAUGE, DAEMON(map_entries), .unit = "flows",
     .help = "Flows that the kernel's map has room for (capture.map-entries)."},
    {"flowlog_unaccounted_packets", METRIC_COUNTER, DAEMON(unaccounted), .unit = "packets",
     .help =
         "Packets that no interface's ledger holds: of interfaces that nobody knew, or without room for an "
         "account."},
    {"flowlog_moves_lost_packets", METRIC_COUNTER, DAEMON(moves_lost), .unit = "packets",
     .help = "Rejected packets that could not be moved from ACCEPT to REJECT."},
    {"flowlog_times_unsure_packets", METRIC_COUNTER, DAEMON(times_unsure), .unit = "packets",
     .help = "Rejected packets that waited between count and reject for so long that start and end of what "
             "was accepted may include them."},
    {"flowlog_netlink_overflows", METRIC_COUNTER, DAEMON(netlink_overflows),
     .help = "How often the kernel's news of interfaces overflowed and everything was read anew."},
    {"flowlog_windows_closed", METRIC_COUNTER, DAEMON(windows_closed),
     .help = "Windows of a minute that were closed."},
    {"flowlog_open_windows", METRIC_GAUGE, DAEMON(windows_open), .help = "Windows that still collect."},
    {"flowlog_journal_failures", METRIC_COUNTER, DAEMON(journal_failures),
     .help = "Notes that the journal could not take: a daemon killed then loses them."},

    {"flowlog_deleted_given_up_records", METRIC_COUNTER, DAEMON(deleted_given_up), .unit = "records",
     .help = "Records that still waited a minute after their flow log was deleted: given up."},
    {"flowlog_deleted_given_up_packets", METRIC_COUNTER, DAEMON(deleted_packets_given_up), .unit = "packets",
     .help = "Packets in them."},

    {"flowlog_attribution_rounds", METRIC_COUNTER, DAEMON(attribution_rounds),
     .help = "How often packets were traced to find the rules that drop them (attribution: nftrace)."},
    {"flowlog_attribution_packets", METRIC_COUNTER, DAEMON(attribution_packets), .unit = "packets",
     .help = "Packets traced to their end."},
    {"flowlog_attribution_dropped_packets", METRIC_COUNTER, DAEMON(attribution_dropped), .unit = "packets",
     .help = "Those of them that a rule or a policy of nftables dropped."},
    {"flowlog_attribution_unknown_packets", METRIC_COUNTER, DAEMON(attribution_unknown), .unit = "packets",
     .help = "Packets marked whose end was not learnt."},
    {"flowlog_attribution_no_room", METRIC_COUNTER, DAEMON(attribution_no_room),
     .help = "Rules found and not kept, as the rules of too many flows are known."},
    {"flowlog_attribution_failures", METRIC_COUNTER, DAEMON(attribution_failures),
     .help = "Rounds that could not begin or were broken off."},
    {"flowlog_attribution_ruleset_changes", METRIC_COUNTER, DAEMON(attribution_changes),
     .help = "Changes of the ruleset that made void what was known."},
    {"flowlog_attribution_known_flows", METRIC_GAUGE, DAEMON(attribution_known), .unit = "flows",
     .help = "Flows that a traced packet belonged to, with the rule or without a certain one."},

    {"flowlog_store_files", METRIC_GAUGE, DAEMON(store_files), .unit = "files",
     .help = "Files of the local store, at the last round of its upkeep."},
    {"flowlog_store_bytes", METRIC_GAUGE, DAEMON(store_bytes), .unit = "bytes", .help = "What they take."},
    {"flowlog_store_merged_files", METRIC_COUNTER, DAEMON(store_merged), .unit = "files",
     .help = "Files that became part of a larger one, record by record."},
    {"flowlog_store_removed_files", METRIC_COUNTER, DAEMON(store_removed), .unit = "files",
     .help = "Files removed with their records, by age or size (store.retain, store.max-size)."},
    {"flowlog_store_removed_bytes", METRIC_COUNTER, DAEMON(store_removed_bytes), .unit = "bytes",
     .help = "What those took."},
    {"flowlog_store_failed_hours", METRIC_COUNTER, DAEMON(store_failed),
     .help = "Attempts to merge an hour's files that failed and left them as they were."},
    {"flowlog_store_failing", METRIC_GAUGE, .kind = SAMPLE_BOOL, DAEMON(store_failing),
     .help = "1 when the last round of the store's upkeep failed."},

    {"flowlog_interface_attached", METRIC_GAUGE, .kind = SAMPLE_BOOL, INTERFACE(attached),
     .help = "1 while the interface's packets are counted."},
    {"flowlog_interface_difference_packets", METRIC_GAUGE, .kind = SAMPLE_SIGNED, INTERFACE(difference),
     .unit = "packets",
     .help = "Packets seen less those of the interface's own counters, when a window was last closed."},
    {"flowlog_lost_long_packets", METRIC_COUNTER, INTERFACE(lost_long), .unit = "packets",
     .help = "Packets in records of a minute, for which there was no memory in those of ten minutes; these "
             "say SKIPDATA."},
    {"flowlog_seen_packets", METRIC_COUNTER, SIDE(seen), .unit = "packets",
     .help = "Packets seen, in closed windows. They are the recorded, excluded, not-IP, malformed and lost "
             "ones."},
    {"flowlog_recorded_packets", METRIC_COUNTER, SIDE(recorded), .unit = "packets",
     .help = "Packets in records."},
    {"flowlog_excluded_packets", METRIC_COUNTER, SIDE(excluded), .unit = "packets",
     .help = "Packets left out by configuration (capture.exclude)."},
    {"flowlog_not_ip_packets", METRIC_COUNTER, SIDE(not_ip), .unit = "packets",
     .help = "Frames that are no IP."},
    {"flowlog_malformed_packets", METRIC_COUNTER, SIDE(malformed), .unit = "packets",
     .help = "Packets too damaged to belong to a flow."},
    {"flowlog_lost_packets", METRIC_COUNTER, SIDE(lost_full), .unit = "packets", .label = "cause=\"full\"",
     .help =
         "Packets that no record holds; records say SKIPDATA. Cause \"full\": no room in the kernel's map; "
         "\"busy\": it did not take the update; \"memory\": the daemon had none for the flow."},
    {"flowlog_lost_packets", METRIC_COUNTER, SIDE(lost_busy), .unit = "packets", .label = "cause=\"busy\""},
    {"flowlog_lost_packets", METRIC_COUNTER, SIDE(lost_memory), .unit = "packets",
     .label = "cause=\"memory\""},
    {"flowlog_added_packets", METRIC_COUNTER, SIDE(added), .unit = "packets",
     .help = "Part of those seen: rejected before they could be counted."},
    {"flowlog_unmatched_packets", METRIC_COUNTER, SIDE(unmatched), .unit = "packets",
     .help = "Rejected packets whose accepted twin was not found: they stay ACCEPT."},
    {"flowlog_discarded_packets", METRIC_COUNTER, SIDE(discarded), .unit = "packets",
     .help = "Packets accepted and then discarded for no reason of security; part of those recorded."},

    {"flowlog_delivery_taken_records", METRIC_COUNTER, FLOW_LOG(taken), .unit = "records",
     .help =
         "Records that came into the flow log's spool. They are delivered, waiting, given up or rejected."},
    {"flowlog_delivery_delivered_records", METRIC_COUNTER, FLOW_LOG(delivered), .unit = "records",
     .help = "Records that the destination has confirmed."},
    {"flowlog_delivery_waiting_records", METRIC_GAUGE, FLOW_LOG(waiting), .unit = "records",
     .help = "Records in the spool."},
    {"flowlog_delivery_given_up_records", METRIC_COUNTER, FLOW_LOG(given_up), .unit = "records",
     .help = "Records given up at a bound of the spool, or lost with a damaged file of it."},
    {"flowlog_delivery_rejected_records", METRIC_COUNTER, FLOW_LOG(rejected), .unit = "records",
     .help = "Records that the destination refused for good."},
    {"flowlog_delivery_refused_records", METRIC_COUNTER, FLOW_LOG(refused_too_new), .unit = "records",
     .label = "cause=\"too-new\"",
     .help = "Those of them that the destination gave a reason for: its clock (\"too-new\"), its limits "
             "(\"too-old\", \"too-large\"), how long it keeps what came (\"expired\"), none of these "
             "(\"invalid\")."},
    {"flowlog_delivery_refused_records", METRIC_COUNTER, FLOW_LOG(refused_too_old), .unit = "records",
     .label = "cause=\"too-old\""},
    {"flowlog_delivery_refused_records", METRIC_COUNTER, FLOW_LOG(refused_expired), .unit = "records",
     .label = "cause=\"expired\""},
    {"flowlog_delivery_refused_records", METRIC_COUNTER, FLOW_LOG(refused_too_large), .unit = "records",
     .label = "cause=\"too-large\""},
    {"flowlog_delivery_refused_records", METRIC_COUNTER, FLOW_LOG(refused_invalid), .unit = "records",
     .label = "cause=\"invalid\""},
    {"flowlog_delivery_given_up_packets", METRIC_COUNTER, FLOW_LOG(packets_given_up), .unit = "packets",
     .help = "Packets of records given up, told by SKIPDATA records."},
    {"flowlog_delivery_rejected_packets", METRIC_COUNTER, FLOW_LOG(packets_rejected), .unit = "packets",
     .help = "Packets of records that the destination refused, told by SKIPDATA records."},
    {"flowlog_delivery_deliveries", METRIC_COUNTER, FLOW_LOG(deliveries),
     .help = "Objects or batches that the destination has confirmed."},
    {"flowlog_delivery_repeated", METRIC_COUNTER, FLOW_LOG(repeated),
     .help = "Those of them that turned out to be there already."},
    {"flowlog_delivery_spool_bytes", METRIC_GAUGE, FLOW_LOG(spool_bytes), .unit = "bytes",
     .help = "What waits in the spool."},
    {"flowlog_delivery_unspooled_windows", METRIC_GAUGE, FLOW_LOG(unspooled), .unit = "windows",
     .help = "Closed windows that the spool's disk has not taken yet."},
    {"flowlog_delivery_unreadable_files", METRIC_COUNTER, FLOW_LOG(unreadable), .unit = "files",
     .help = "Files of the spool that are damaged so that nobody can tell what they held."},
    {"flowlog_delivery_lag_seconds", METRIC_GAUGE, FLOW_LOG(lag_s), .unit = "seconds",
     .help = "How long ago the oldest window ended that is not delivered."},
    {"flowlog_delivery_failures", METRIC_COUNTER, FLOW_LOG(failures),
     .help = "Deliveries that failed and are repeated."},
    {"flowlog_delivery_failing", METRIC_GAUGE, .kind = SAMPLE_BOOL, FLOW_LOG(failing),
     .help = "1 when the last delivery failed."},
    {"flowlog_delivery_error", METRIC_GAUGE, .kind = SAMPLE_BOOL, FLOW_LOG(rate_limited),
     .label = "error=\"Rate limited\"",
     .help = "1 for what was wrong with the last delivery, in the words of AWS."},
    {"flowlog_delivery_error", METRIC_GAUGE, .kind = SAMPLE_BOOL, FLOW_LOG(access_error),
     .label = "error=\"Access error\""},
    {"flowlog_delivery_error", METRIC_GAUGE, .kind = SAMPLE_BOOL, FLOW_LOG(unknown_error),
     .label = "error=\"Unknown error\""},
    {"flowlog_delivery_error_text", METRIC_GAUGE, .kind = SAMPLE_TEXT, FLOW_LOG(error),
     .help = "1, and the label \"text\" is what was wrong with the last delivery in full; not there when "
             "nothing was."},
    {"flowlog_delivery_last_success_timestamp_seconds", METRIC_GAUGE, .kind = SAMPLE_SECONDS,
     FLOW_LOG(last_success_s), .unit = "seconds",
     .help = "When something was last delivered, since the epoch."},
};

static const struct {
    const char *name;
    const char *suffix; /* of its samples */
} types[] = {[METRIC_COUNTER] = {"counter", "_total"},
             [METRIC_GAUGE] = {"gauge", ""},
             [METRIC_INFO] = {"info", "_info"}};

void metrics_done(struct metrics *metrics)
{
    free(metrics->interfaces);
    free(metrics->flow_logs);
}

/* A foreign text in it need not be UTF-8, which the format wants. */
static void print_label(struct buf *buf, const char *name, const char *value)
{
    buf_printf(buf, "%c%s=\"", buf->data && buf->data[buf->len - 1] == '"' ? ',' : '{', name);
    for (size_t len = strlen(value); len > 0;) {
        size_t step = value_utf8_sequence(value, len);
        if (*value == '"' || *value == '\\')
            buf_char(buf, '\\');
        if (*value == '\n')
            buf_text(buf, "\\n");
        else if (step == 0)
            buf_text(buf, "\xef\xbf\xbd");
        else
            buf_append(buf, value, step);
        value += step ? step : 1;
        len -= step ? step : 1;
    }
    buf_char(buf, '"');
}

static void print_value(struct buf *buf, const struct metric *metric, const void *base)
{
    const char *member = (const char *)base + metric->offset;
    uint64_t number = 1;
    bool truth = true;
    if (metric->kind == SAMPLE_BOOL)
        memcpy(&truth, member, sizeof truth);
    else if (metric->kind != SAMPLE_ONE && metric->kind != SAMPLE_TEXT)
        memcpy(&number, member, sizeof number);
    switch (metric->kind) {
    case SAMPLE_SIGNED:
        buf_printf(buf, " %" PRId64 "\n", (int64_t)number);
        break;
    case SAMPLE_BOOL:
        buf_printf(buf, " %d\n", truth);
        break;
    case SAMPLE_NS:
        buf_printf(buf, " %" PRIu64 ".%09" PRIu64 "\n", number / (uint64_t)NS_PER_S,
                   number % (uint64_t)NS_PER_S);
        break;
    default:
        buf_printf(buf, " %" PRIu64 "\n", number);
    }
}

static bool is_told(const struct metric *metric, const void *base)
{
    const char *member = (const char *)base + metric->offset;
    uint64_t number = 1;
    if (metric->kind == SAMPLE_SECONDS)
        memcpy(&number, member, sizeof number);
    return number != 0 && (metric->kind != SAMPLE_TEXT || member[0]);
}

/* The sample's name, and the row's own label; those of the scope follow. */
static void begin_sample(struct buf *buf, const struct metric *metric)
{
    buf_printf(buf, "%s%s", metric->name, types[metric->type].suffix);
    if (metric->label)
        buf_printf(buf, "{%s", metric->label);
}

static void end_sample(struct buf *buf, const struct metric *metric, const void *base)
{
    if (buf->data && buf->data[buf->len - 1] == '"')
        buf_char(buf, '}');
    print_value(buf, metric, base);
}

static void print_sides(struct buf *buf, const struct metric *metric,
                        const struct metrics_interface *interface)
{
    for (unsigned i = 0; i < FLOW_DIRECTIONS; i++) {
        begin_sample(buf, metric);
        print_label(buf, "device", interface->device);
        print_label(buf, "interface_id", interface->interface_id);
        print_label(buf, "direction", i == FLOW_EGRESS ? "egress" : "ingress");
        end_sample(buf, metric, &interface->side[i]);
    }
}

static void print_interfaces(struct buf *buf, const struct metric *metric, const struct metrics *metrics)
{
    for (size_t i = 0; i < metrics->interface_count; i++) {
        const struct metrics_interface *interface = &metrics->interfaces[i];
        if (metric->scope == SCOPE_SIDE) {
            print_sides(buf, metric, interface);
            continue;
        }
        begin_sample(buf, metric);
        print_label(buf, "device", interface->device);
        print_label(buf, "interface_id", interface->interface_id);
        end_sample(buf, metric, interface);
    }
}

static void print_flow_logs(struct buf *buf, const struct metric *metric, const struct metrics *metrics)
{
    for (size_t i = 0; i < metrics->flow_log_count; i++) {
        const struct metrics_flow_log *flow_log = &metrics->flow_logs[i];
        if (!is_told(metric, flow_log))
            continue;
        begin_sample(buf, metric);
        print_label(buf, "flow_log_id", flow_log->id);
        print_label(buf, "name", flow_log->name);
        if (metric->kind == SAMPLE_TEXT)
            print_label(buf, "text", (const char *)flow_log + metric->offset);
        end_sample(buf, metric, flow_log);
    }
}

static void print_samples(struct buf *buf, const struct metric *metric, const struct metrics *metrics)
{
    switch (metric->scope) {
    case SCOPE_INTERFACE:
    case SCOPE_SIDE:
        print_interfaces(buf, metric, metrics);
        break;
    case SCOPE_FLOW_LOG:
        print_flow_logs(buf, metric, metrics);
        break;
    default:
        begin_sample(buf, metric);
        end_sample(buf, metric, metrics);
    }
}

/* Help is what stands in the table, which has nothing to escape but quotes. */
static void print_head(struct buf *buf, const struct metric *metric)
{
    buf_printf(buf, "# TYPE %s %s\n", metric->name, types[metric->type].name);
    if (metric->unit)
        buf_printf(buf, "# UNIT %s %s\n", metric->name, metric->unit);
    buf_printf(buf, "# HELP %s ", metric->name);
    for (const char *c = metric->help; *c; c++) {
        if (*c == '"')
            buf_char(buf, '\\');
        buf_char(buf, *c);
    }
    buf_char(buf, '\n');
}

/* Rows of one metric but the first have no help. */
void metrics_print(const struct metrics *metrics, struct buf *buf)
{
    for (size_t i = 0; i < ARRAY_SIZE(metrics_table); i++) {
        if (metrics_table[i].help)
            print_head(buf, &metrics_table[i]);
        print_samples(buf, &metrics_table[i], metrics);
    }
    buf_text(buf, "# EOF\n");
}

void metrics_manual(struct buf *buf)
{
    static const char *const labels[] = {[SCOPE_DAEMON] = "",
                                         [SCOPE_INTERFACE] = " (device, interface_id)",
                                         [SCOPE_SIDE] = " (device, interface_id, direction)",
                                         [SCOPE_FLOW_LOG] = " (flow_log_id, name)"};
    for (size_t i = 0; i < ARRAY_SIZE(metrics_table); i++) {
        const struct metric *metric = &metrics_table[i];
        if (!metric->help)
            continue;
        AUTO_BUF struct buf line = BUF_INIT(1024);
        buf_printf(&line, "%s%s", metric->name, types[metric->type].suffix);
        buf_text(buf, ".TP\n.B ");
        troff_line(buf, buf_string(&line));
        buf_clear(&line);
        buf_printf(&line, "%s%s: %s", types[metric->type].name, labels[metric->scope], metric->help);
        troff_line(buf, buf_string(&line));
    }
}
