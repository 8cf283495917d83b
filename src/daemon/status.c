/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/reasons.h"
#include "daemon/daemon.h"

/* Numbers of the document, one row per member. */
struct number {
    const char *name;
    uint64_t value;
};

static void set_numbers(json_t *object, const struct number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        json_object_set_new(object, numbers[i].name, json_integer((json_int_t)numbers[i].value));
}

static json_t *capture_status(const struct daemon *daemon)
{
    struct capture_state state;
    live_state(daemon->live, &state);
    json_t *object = json_pack("{s:s, s:s}", "attach", live_attach_kind(daemon->live), "pin-path",
                               daemon->config.capture.pin_path);
    const struct number numbers[] = {
        {"netns", state.netns},
        {"map-entries", daemon->config.capture.map_entries},
        {"flows", state.inserted + state.slots_taken},
        {"drains", daemon->drains},
        {"unaccounted", state.unaccounted + daemon->unknown_packets},
        {"moves-lost", state.moves_lost},
        {"times-unsure", state.times_unsure},
        {"netlink-overflows", links_overflows(daemon->links)},
    };
    set_numbers(object, numbers, ARRAY_SIZE(numbers));
    return object;
}

static json_t *attribution_status(const struct daemon *daemon)
{
    if (daemon->config.attribution == ATTRIBUTION_NONE)
        return json_null();
    struct attribution_counts counts = attribution_counts(daemon->attribution);
    json_t *object = json_pack("{s:s}", "by", "nftrace");
    const struct number numbers[] = {
        {"rounds", counts.rounds},   {"packets", counts.packets}, {"dropped", counts.dropped},
        {"unknown", counts.unknown}, {"no-room", counts.no_room}, {"failures", counts.failures},
        {"changes", counts.changes}, {"known", counts.known},     {"tracing", counts.tracing},
    };
    set_numbers(object, numbers, ARRAY_SIZE(numbers));
    return object;
}

static json_t *interface_status(const struct registered *entry)
{
    json_t *addresses = json_array();
    for (unsigned i = 0; i < entry->interface.address_count; i++) {
        char text[ADDRESS_TEXT_MAX];
        const struct address *address = &entry->interface.addresses[i];
        size_t len = address_format(text, address->bytes, address->family);
        json_array_append_new(addresses, json_stringn(text, len));
    }
    const struct interface_identity *identity = &entry->interface.identity;
    json_t *object = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:s}", "ifindex", (int)entry->ifindex, "device",
        entry->device, "interface-id", identity->interface_id, "role",
        entry->interface.role == INTERFACE_PORT ? "port" : "nic", "subnet-id", identity->subnet_id, "vpc-id",
        identity->vpc_id, "addresses", addresses, "attached", (int)entry->attached, "error", entry->error);
    json_t *last =
        entry->last_packet_ns ? json_integer((json_int_t)(entry->last_packet_ns / NS_PER_S)) : json_null();
    json_object_set_new(object, "last-packet", last);
    return object;
}

static json_t *interfaces_status(const struct daemon *daemon)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < daemon->registry.count; i++) {
        const struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        if (entry->used && !entry->gone)
            json_array_append_new(array, interface_status(entry));
    }
    return array;
}

static json_t *window_status(const struct flow_table *flows)
{
    uint64_t packets = 0;
    uint64_t bytes = 0;
    size_t position = 0;
    const struct flow *flow;
    while ((flow = flow_table_next(flows, &position))) {
        packets += flow->packets;
        bytes += flow->bytes;
    }
    int64_t closes_in = (int64_t)(flows->window + flows->interval) - (int64_t)(clock_wall_ns() / NS_PER_S);
    json_t *object = json_object();
    const struct number numbers[] = {
        {"start", flows->window},
        {"interval", flows->interval},
        {"closes-in", closes_in > 0 ? (uint64_t)closes_in : 0},
        {"flows", flows->count},
        {"packets", packets},
        {"bytes", bytes},
    };
    set_numbers(object, numbers, ARRAY_SIZE(numbers));
    return object;
}

static json_t *windows_status(const struct daemon *daemon)
{
    json_t *array = json_array();
    for (size_t i = 0; i < daemon->windows.count; i++)
        json_array_append_new(array, window_status(&daemon->windows.open[i]));
    if (daemon->long_window_open)
        json_array_append_new(array, window_status(&daemon->long_window));
    return array;
}

static json_t *side_status(const struct ledger_side *side)
{
    json_t *object = json_object();
    const struct number numbers[] = {
        {"seen", side->seen},           {"recorded", side->recorded},   {"excluded", side->excluded},
        {"not-ip", side->not_ip},       {"malformed", side->malformed}, {"added", side->added},
        {"lost-full", side->lost_full}, {"lost-busy", side->lost_busy}, {"lost-memory", side->lost_memory},
        {"unmatched", side->unmatched}, {"discarded", side->discarded},
    };
    set_numbers(object, numbers, ARRAY_SIZE(numbers));
    return object;
}

static json_t *reasons_status(const struct ledger_row *row)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < LEDGER_REASONS && row->reasons[i].packets; i++) {
        const struct ledger_reason *reason = &row->reasons[i];
        const char *name = drop_reason_name((uint16_t)reason->reason);
        char number[16];
        (void)snprintf(number, sizeof number, "%u", reason->reason);
        json_array_append_new(array, json_pack("{s:s, s:s, s:I}", "reason", name ? name : number, "direction",
                                               reason->direction == FLOW_EGRESS ? "egress" : "ingress",
                                               "packets", (json_int_t)reason->packets));
    }
    return array;
}

static uint64_t packets_of(const struct link_counters *counters, unsigned direction)
{
    return direction == FLOW_INGRESS ? counters->rx_packets : counters->tx_packets;
}

/*
 * What the interface counted and our hooks did not see, since capture began: its counters count frames, or
 * wire packets where the device takes super-frames apart, so anything between the two is agreement. What
 * passes while the hooks are being put in place is left out of one side and allowed for on the other.
 */
int64_t daemon_counter_difference(const struct registered *entry)
{
    int64_t difference = 0;
    for (unsigned i = 0; i < FLOW_DIRECTIONS; i++) {
        uint64_t least = packets_of(&entry->latest, i) - packets_of(&entry->hooked, i);
        uint64_t most = packets_of(&entry->latest, i) - packets_of(&entry->baseline, i);
        if (least > entry->packets_after[i])
            difference -= (int64_t)(least - entry->packets_after[i]);
        else if (most < entry->frames_before[i])
            difference += (int64_t)(entry->frames_before[i] - most);
    }
    return difference;
}

static const char *log_status(const struct ledger_row *row)
{
    if (ledger_lost(row, WINDOW_SECONDS))
        return "SKIPDATA";
    return ledger_ip_packets(row) ? "OK" : "NODATA";
}

/* Of a window that is still open nobody can say yet whether it closes: its flows are in the kernel. */
static json_t *ledger_row_status(const struct daemon *daemon, const struct ledger_row *row, bool open)
{
    const struct registered *entry = registry_at(&daemon->registry, row->interface);
    bool closes =
        ledger_difference(&row->side[FLOW_INGRESS]) == 0 && ledger_difference(&row->side[FLOW_EGRESS]) == 0;
    json_t *object =
        json_pack("{s:I, s:i, s:s, s:s, s:o, s:o, s:o, s:o}", "window",
                  (json_int_t)row->window * WINDOW_SECONDS, "interval", WINDOW_SECONDS, "device",
                  entry->device, "interface-id", entry->interface.identity.interface_id, "ingress",
                  side_status(&row->side[FLOW_INGRESS]), "egress", side_status(&row->side[FLOW_EGRESS]),
                  "closes", open ? json_null() : json_boolean(closes), "reasons", reasons_status(row));
    if (open)
        return object;
    json_object_set_new(object, "difference", json_integer(daemon_counter_difference(entry)));
    json_object_set_new(object, "lost-long", json_integer((json_int_t)row->lost_long));
    json_object_set_new(object, "log-status", json_string(log_status(row)));
    return object;
}

struct open_ledger {
    struct daemon *daemon;
    struct ledger ledger;
};

static struct ledger_row *open_row(struct open_ledger *open, uint32_t ifindex, uint32_t window)
{
    uint16_t index;
    const struct registered *entry = registry_find(&open->daemon->registry, ifindex, &index);
    return entry && window >= open->daemon->closed_before ? ledger_row(&open->ledger, window, index) : NULL;
}

static void see_account(void *context, const struct account_key *key, const struct account *account)
{
    struct ledger_row *row = open_row(context, key->ifindex, key->window);
    if (row)
        ledger_add_account(row, account);
}

static void see_discard(void *context, const struct discard_key *key, uint64_t packets)
{
    struct ledger_row *row = open_row(context, key->ifindex, key->window);
    if (row)
        ledger_add_discards(row, key, packets);
}

/* Closed windows as they were settled, then the open ones as the kernel has them now. */
static json_t *ledger_status(struct daemon *daemon)
{
    json_t *array = json_array();
    for (size_t i = 0; i < daemon->windows.ledger.count; i++) {
        const struct ledger_row *row = &daemon->windows.ledger.rows[i];
        if (row->window < daemon->closed_before && registry_at(&daemon->registry, row->interface)->used)
            json_array_append_new(array, ledger_row_status(daemon, row, false));
    }
    struct open_ledger open = {.daemon = daemon};
    const struct live_accounts visit = {
        .before = UINT32_MAX, .account = see_account, .discard = see_discard, .context = &open};
    if (live_visit_accounts(daemon->live, &visit, NULL) == 0)
        for (size_t i = 0; i < open.ledger.count; i++)
            json_array_append_new(array, ledger_row_status(daemon, &open.ledger.rows[i], true));
    ledger_done(&open.ledger);
    return array;
}

static const char *const file_format_names[] = {
    [FILE_FORMAT_PLAIN_TEXT] = "plain-text", [FILE_FORMAT_JSON] = "json", [FILE_FORMAT_PARQUET] = "parquet"};

uint64_t daemon_delivery_lag(const struct flow_log *log, const struct delivery_counts *counts)
{
    uint64_t now = clock_wall_ns() / NS_PER_S;
    uint64_t ended = counts->oldest + log->interval;
    return counts->oldest && now > ended ? now - ended : 0;
}

static json_t *sums_status(const struct delivery_counts *counts, bool packets)
{
    const struct batch_sum *const sums[] = {&counts->taken, &counts->delivered, &counts->waiting,
                                            &counts->given_up, &counts->rejected};
    static const char *const names[] = {"taken", "delivered", "waiting", "given-up", "rejected"};
    json_t *object = json_object();
    for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
        json_object_set_new(object, names[i],
                            json_integer((json_int_t)(packets ? sums[i]->packets : sums[i]->records)));
    return object;
}

/* Records that the destination took never, by its reason. */
static json_t *refused_status(const struct delivery_counts *counts)
{
    json_t *object = json_object();
    for (size_t i = 0; i < REFUSALS; i++)
        json_object_set_new(object, refusal_name((enum refusal)i),
                            json_integer((json_int_t)counts->refused[i]));
    return object;
}

static json_t *flow_log_status(const struct publish *publish, size_t index)
{
    const struct publisher *publisher = &publish->publishers[index];
    const struct flow_log *log = publisher->flow_log;
    struct delivery_counts counts;
    delivery_counts(publisher->delivery, &counts);
    const char *error = counts.error[0] ? counts.error : publisher->error;
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "id", log->id, "name", log->name,
        "resource", log->resource, "traffic-type", traffic_type_name(log->traffic_type), "destination",
        log->destination ? log->destination : "stdout", "file-format", file_format_names[log->file_format],
        "last-object", counts.last_object, "deliver-logs-status", error[0] ? "FAILED" : "SUCCESS",
        "deliver-logs-error-message", counts.word, "error", error, "records", sums_status(&counts, false),
        "packets", sums_status(&counts, true), "refused", refused_status(&counts));
    const struct number numbers[] = {
        {"interval", log->interval},
        {"deliveries", counts.deliveries},
        {"repeated", counts.repeated},
        {"failures", counts.failures},
        {"lag", daemon_delivery_lag(log, &counts)},
        {"spool-items", counts.items},
        {"spool-bytes", counts.spool_bytes},
        {"unspooled-windows", publish_waiting_for(publish, index)},
        {"items-given-up", counts.items_given_up},
        {"items-rejected", counts.items_rejected},
        {"unreadable-files", counts.unreadable},
        {"last-delivery", counts.delivered_ns / NS_PER_S},
    };
    set_numbers(object, numbers, ARRAY_SIZE(numbers));
    return object;
}

static json_t *flow_logs_status(const struct daemon *daemon)
{
    json_t *array = json_array();
    for (size_t i = 0; i < daemon->publish.count; i++)
        json_array_append_new(array, flow_log_status(&daemon->publish, i));
    return array;
}

/* A list of one row, as the others are lists. */
static json_t *store_status(const struct daemon *daemon)
{
    struct keeper_counts counts;
    keeper_counts(daemon->keeper, &counts);
    json_t *object = json_pack("{s:s, s:s}", "path", daemon->config.store_path, "error", counts.error);
    const struct number numbers[] = {
        {"files", counts.sums.files},
        {"bytes", counts.sums.bytes},
        {"merged-files", counts.sums.merged},
        {"made-files", counts.sums.made},
        {"merged-records", counts.sums.records},
        {"removed-files", counts.sums.removed},
        {"removed-bytes", counts.sums.removed_bytes},
        {"failed-hours", counts.sums.failed},
        {"rounds", counts.rounds},
    };
    set_numbers(object, numbers, ARRAY_SIZE(numbers));
    return json_pack("[o]", object);
}

json_t *daemon_answer_status(struct daemon *daemon)
{
    json_t *answer =
        json_pack("{s:s, s:i, s:I, s:I, s:s, s:b}", "version", FLOWLOG_VERSION, "pid", (int)getpid(),
                  "started", (json_int_t)daemon->started_s, "now", (json_int_t)(clock_wall_ns() / NS_PER_S),
                  "state-folder", daemon->options->state, "capturing", (int)daemon->capturing);
    if (!answer)
        return NULL;
    json_object_set_new(answer, "capture", capture_status(daemon));
    json_object_set_new(answer, "attribution", attribution_status(daemon));
    json_object_set_new(answer, "interfaces", interfaces_status(daemon));
    json_object_set_new(answer, "windows", windows_status(daemon));
    json_object_set_new(answer, "ledger", ledger_status(daemon));
    json_object_set_new(answer, "flow-logs", flow_logs_status(daemon));
    json_object_set_new(answer, "store", store_status(daemon));
    return answer;
}

void daemon_draw_live_line(struct daemon *daemon)
{
    struct capture_state state;
    live_state(daemon->live, &state);
    unsigned attached = 0;
    uint64_t frames = 0;
    for (uint32_t i = 0; i < daemon->registry.count; i++) {
        struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        struct link_counters now;
        if (!entry->used || entry->gone || !entry->attached || links_counters(entry->ifindex, &now) < 0)
            continue;
        attached++;
        frames += now.rx_packets + now.tx_packets - entry->latest.rx_packets - entry->latest.tx_packets;
    }
    uint64_t second = clock_wall_ns() / NS_PER_S;
    (void)fprintf(stderr,
                  "\r\033[K%u interfaces, %llu packets, %llu flows in this window, next window in %u s",
                  attached, (unsigned long long)frames,
                  (unsigned long long)(state.inserted + state.slots_taken + daemon->flows_in_window),
                  (unsigned)(WINDOW_SECONDS - second % WINDOW_SECONDS));
    (void)fflush(stderr);
}

void daemon_clear_live_line(const struct daemon *daemon)
{
    if (!daemon->live_line)
        return;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
}
