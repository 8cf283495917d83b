/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

#define WINDOWS_CLOSED_MAX (366U * 24 * 60) /* at once: a clock that leaps over years brings no more */

#define LINK_LOCAL(last)                                                                                     \
    {                                                                                                        \
        .bytes = {[10] = 0xff, 0xff, 169, 254, 169, (last)}, .family = 4                                     \
    }
#define EC2_IPV6(high, low)                                                                                  \
    {                                                                                                        \
        .bytes = {0xfd, 0x00, 0x0e, 0xc2, [14] = (high), (low)}, .family = 6                                 \
    }

/* Traffic that AWS does not record (record.md 8), told by the flow key alone. One row per rule. */
struct exclusion {
    uint64_t kind;          /* enum capture_exclude */
    struct address address; /* of either end; without a family: any */
    uint16_t port;          /* of either end; 0: any */
    uint8_t protocol;       /* 0: any */
};

static const struct exclusion exclusions[] = {
    {EXCLUDE_DHCP, {.family = 0}, 67, 17},
    {EXCLUDE_DHCP, {.family = 0}, 68, 17},
    {EXCLUDE_DHCP, {.family = 0}, 546, 17},
    {EXCLUDE_DHCP, {.family = 0}, 547, 17},
    {EXCLUDE_INSTANCE_METADATA, LINK_LOCAL(254), 0, 0},
    {EXCLUDE_INSTANCE_METADATA, EC2_IPV6(0x02, 0x54), 0, 0},
    {EXCLUDE_TIME_SYNC, LINK_LOCAL(123), 0, 0},
    {EXCLUDE_TIME_SYNC, EC2_IPV6(0x01, 0x23), 0, 0},
    {EXCLUDE_AMAZON_DNS, LINK_LOCAL(253), 53, 0},
    {EXCLUDE_AMAZON_DNS, EC2_IPV6(0x02, 0x53), 53, 0},
};

static bool is_excluded_by(const struct exclusion *rule, const struct flow_key *key)
{
    const struct address *address = &rule->address;
    if (rule->protocol && key->protocol != rule->protocol)
        return false;
    if (rule->port && key->source_port != rule->port && key->destination_port != rule->port)
        return false;
    if (!address->family)
        return true;
    return address->family == key->family &&
           (memcmp(address->bytes, key->source, sizeof key->source) == 0 ||
            memcmp(address->bytes, key->destination, sizeof key->destination) == 0);
}

static bool is_excluded(uint64_t kinds, const struct flow_key *key)
{
    for (size_t i = 0; kinds && i < ARRAY_SIZE(exclusions); i++)
        if ((exclusions[i].kind & kinds) && is_excluded_by(&exclusions[i], key))
            return true;
    return false;
}

static bool is_turned(void *context, uint16_t interface)
{
    const struct registry *registry = context;
    return registry_at(registry, interface)->interface.role == INTERFACE_PORT;
}

static void publish(struct daemon *daemon, struct flow_table *flows)
{
    if (publish_wants(&daemon->publish, flows->interval))
        publish_window(&daemon->publish, flows);
    flow_table_done(flows);
}

static bool take_window(struct daemon *daemon, struct windows *windows, uint32_t before,
                        struct flow_table *ret)
{
    AUTO_FREE struct stacked *stacks = NULL;
    struct windows_interfaces interfaces = {.turned = is_turned, .context = &daemon->registry};
    interfaces.stack_count = registry_stacks(&daemon->registry, &stacks);
    interfaces.stacks = stacks;
    return windows_take(windows, before, &interfaces, ret);
}

/* The table is full: its flows become records of the window now, and the rest of the window follows in
 * others. */
static void publish_early(struct daemon *daemon, uint32_t window)
{
    struct flow_table *table = windows_find(&daemon->windows, window);
    if (!table)
        return;
    struct flow_table part = *table;
    if (flow_table_init(table, part.window, part.interval, part.max_count) < 0)
        return; /* cannot be: the same bounds were taken before */
    log_warning("flow", "window %u holds capture.max-flows flows: published in parts", window);
    struct windows settled = {.open = {part}, .count = 1, .ledger = daemon->windows.ledger};
    if (take_window(daemon, &settled, window + 1, &part))
        publish(daemon, &part);
    daemon->windows.ledger = settled.ledger;
}

static int add_flow(struct daemon *daemon, uint16_t index, const struct registered *entry,
                    const struct flow_key *key, const struct flow_counts *counts)
{
    if (is_excluded(daemon->config.capture.exclude, key)) {
        struct ledger_row *row = ledger_row(&daemon->windows.ledger, key->window, index);
        if (row)
            row->side[key->direction & 1].excluded += counts->packets;
        return row ? 0 : -ENOMEM;
    }
    bool egress = (key->direction == FLOW_EGRESS) != (entry->interface.role == INTERFACE_PORT);
    int r = windows_add(&daemon->windows, index, egress, key, counts);
    if (r != -ENOSPC)
        return r;
    publish_early(daemon, key->window);
    return windows_add(&daemon->windows, index, egress, key, counts);
}

void daemon_take_flow(struct daemon *daemon, const struct flow_delta *delta)
{
    uint16_t index;
    struct registered *entry = registry_find(&daemon->registry, delta->key.ifindex, &index);
    if (entry && delta->counts.last_ns > entry->last_packet_ns)
        entry->last_packet_ns = delta->counts.last_ns;
    if (!entry || add_flow(daemon, index, entry, &delta->key, &delta->counts) < 0)
        daemon->unknown_packets += delta->counts.packets;
}

static void take_flows(void *context, const struct flow_delta *deltas, uint32_t count)
{
    struct daemon *daemon = context;
    recover_note_flows(daemon, deltas, count);
    for (uint32_t i = 0; i < count; i++)
        daemon_take_flow(daemon, &deltas[i]);
    daemon->flows_in_window += count;
}

/* From unread over dirty to empty, going on where an earlier attempt failed: nothing is taken twice. */
static int take_quiescent(struct daemon *daemon, struct fault *fault)
{
    int r = 0;
    if (daemon->quiescent == QUIESCENT_UNREAD) {
        r = live_read(daemon->live, take_flows, daemon, fault);
        if (r == 0) {
            recover_note_drained(daemon);
            daemon->quiescent = QUIESCENT_DIRTY;
        }
    }
    if (r == 0 && daemon->quiescent == QUIESCENT_DIRTY) {
        r = live_clear(daemon->live, fault);
        if (r == 0) {
            recover_note_cleared(daemon);
            daemon->quiescent = QUIESCENT_EMPTY;
        }
    }
    return r;
}

int daemon_drain(struct daemon *daemon, struct fault *fault)
{
    int r = take_quiescent(daemon, fault);
    if (r == 0)
        r = live_flip(daemon->live, fault);
    if (r == 0) {
        daemon->quiescent = QUIESCENT_UNREAD;
        r = take_quiescent(daemon, fault);
    }
    if (r == 0)
        daemon->gone_undrained = false;
    daemon->drains++;
    return r;
}

void daemon_take_account(struct daemon *daemon, const struct account_key *key, const struct account *account)
{
    uint16_t index;
    struct registered *entry = registry_find(&daemon->registry, key->ifindex, &index);
    struct ledger_row *row = entry ? ledger_row(&daemon->windows.ledger, key->window, index) : NULL;
    if (!row)
        return;
    ledger_add_account(row, account);
    for (unsigned i = 0; i < FLOW_DIRECTIONS; i++) {
        entry->frames[i] += account->side[i].frames;
        entry->packets[i] += account->side[i].packets - account->side[i].added;
    }
}

void daemon_take_discard(struct daemon *daemon, const struct discard_key *key, uint64_t packets)
{
    uint16_t index;
    struct registered *entry = registry_find(&daemon->registry, key->ifindex, &index);
    struct ledger_row *row = entry ? ledger_row(&daemon->windows.ledger, key->window, index) : NULL;
    if (row)
        ledger_add_discards(row, key, packets);
}

/* Accounts and discards are noted before the kernel forgets them. */
static void take_account(void *context, const struct account_key *key, const struct account *account)
{
    recover_note_account(context, key, account);
    daemon_take_account(context, key, account);
}

static void take_discard(void *context, const struct discard_key *key, uint64_t packets)
{
    recover_note_discard(context, key, packets);
    daemon_take_discard(context, key, packets);
}

static void check_ledger(const struct daemon *daemon, uint32_t window)
{
    for (size_t i = 0; i < daemon->windows.ledger.count; i++) {
        const struct ledger_row *row = &daemon->windows.ledger.rows[i];
        if (row->window != window || !row->balanced)
            continue;
        for (unsigned d = 0; d < FLOW_DIRECTIONS; d++)
            if (ledger_difference(&row->side[d]) != 0)
                log_warning("ledger", "%s, window %llu, %s: seen %llu, %lld unaccounted for",
                            registry_at(&daemon->registry, row->interface)->device,
                            (unsigned long long)row->window * WINDOW_SECONDS, d ? "egress" : "ingress",
                            (unsigned long long)row->side[d].seen,
                            (long long)ledger_difference(&row->side[d]));
    }
}

static void publish_long_window(struct daemon *daemon)
{
    if (!daemon->long_window_open)
        return;
    daemon->long_window_open = false;
    publish(daemon, &daemon->long_window);
}

static bool open_long_window(struct daemon *daemon, uint64_t start)
{
    daemon->long_window_open =
        flow_table_init(&daemon->long_window, start, 600, daemon->config.capture.max_flows) == 0;
    return daemon->long_window_open;
}

static void lose_to_long_window(struct daemon *daemon, uint64_t minute, const struct flow *flow)
{
    struct ledger_row *row =
        ledger_row(&daemon->windows.ledger, (uint32_t)(minute / WINDOW_SECONDS), flow->interface);
    if (row)
        row->lost_long += flow->packets;
    else
        daemon->unknown_packets += flow->packets;
}

void daemon_restore_flow(struct daemon *daemon, uint64_t start, const struct flow *flow)
{
    const struct windows_interfaces interfaces = {.turned = is_turned, .context = &daemon->registry};
    windows_restore(&daemon->windows, start, flow, &interfaces);
}

void daemon_restore_long_flow(struct daemon *daemon, uint64_t start, const struct flow *flow)
{
    if ((!daemon->long_window_open && !open_long_window(daemon, start)) ||
        !flow_table_add(&daemon->long_window, flow))
        lose_to_long_window(daemon, start, flow);
}

static void add_to_long_window(struct daemon *daemon, uint64_t minute, const struct flow *flow)
{
    uint64_t start = daemon->long_window.window;
    if (flow_table_add(&daemon->long_window, flow))
        return;
    if (daemon->long_window.count >= daemon->long_window.max_count) {
        publish_long_window(daemon); /* full: in parts */
        if (open_long_window(daemon, start) && flow_table_add(&daemon->long_window, flow))
            return;
    }
    lose_to_long_window(daemon, minute, flow);
}

/* Ten minutes are made of settled minutes. */
static void lengthen(struct daemon *daemon, const struct flow_table *minute)
{
    uint64_t start = minute->window / 600 * 600;
    if (daemon->long_window_open && daemon->long_window.window != start)
        publish_long_window(daemon);
    if (!daemon->long_window_open && !open_long_window(daemon, start))
        return;
    size_t position = 0;
    const struct flow *flow;
    while ((flow = flow_table_next(minute, &position))) {
        struct flow moved = *flow;
        moved.first_s = (uint16_t)(moved.first_s + (minute->window - start));
        moved.last_s = (uint16_t)(moved.last_s + (minute->window - start));
        if (flow->packets)
            add_to_long_window(daemon, minute->window, &moved);
    }
}

/* A window without a single flow is published all the same: its interfaces have NODATA lines to write. */
static void close_window(struct daemon *daemon, uint32_t window)
{
    struct flow_table flows;
    if (!take_window(daemon, &daemon->windows, window + 1, &flows) &&
        flow_table_init(&flows, (uint64_t)window * WINDOW_SECONDS, WINDOW_SECONDS, 1) < 0)
        return;
    window = (uint32_t)(flows.window / WINDOW_SECONDS);
    check_ledger(daemon, window);
    daemon->windows_closed++;
    if (daemon->long_window_open || publish_wants(&daemon->publish, 600)) {
        lengthen(daemon, &flows);
        if ((window + 1) % 10 == 0)
            publish_long_window(daemon);
    }
    if (daemon->capturing && daemon->config.attribution == ATTRIBUTION_NFTRACE)
        attribution_take_window(daemon->attribution, &flows);
    publish(daemon, &flows);
}

static void add_frames(void *context, const struct account_key *key, const struct account *account)
{
    uint16_t index;
    struct registered *entry = registry_find(context, key->ifindex, &index);
    for (unsigned i = 0; entry && i < FLOW_DIRECTIONS; i++)
        entry->frames_before[i] += account->side[i].frames;
}

static void add_packets(void *context, const struct account_key *key, const struct account *account)
{
    uint16_t index;
    struct registered *entry = registry_find(context, key->ifindex, &index);
    for (unsigned i = 0; entry && i < FLOW_DIRECTIONS; i++)
        entry->packets_after[i] += account->side[i].packets - account->side[i].added;
}

static void look_at_accounts(struct daemon *daemon, live_account_visitor *account)
{
    struct fault fault = {0};
    const struct live_accounts visit = {
        .before = UINT32_MAX, .account = account, .context = &daemon->registry};
    if (live_visit_accounts(daemon->live, &visit, &fault) < 0)
        log_error("ledger", "%s", fault.text);
}

/* The sums are below zero until the kernel's account is taken. */
static void leave_out(void *context, const struct account_key *key, const struct account *account)
{
    uint16_t index;
    struct registered *entry = registry_find(context, key->ifindex, &index);
    for (unsigned i = 0; entry && i < FLOW_DIRECTIONS; i++) {
        entry->frames[i] -= account->side[i].frames;
        entry->packets[i] -= account->side[i].packets - account->side[i].added;
    }
}

void daemon_compare_anew(struct daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->registry.count; i++) {
        struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        memset(entry->frames, 0, sizeof entry->frames);
        memset(entry->packets, 0, sizeof entry->packets);
    }
    look_at_accounts(daemon, leave_out);
    for (uint32_t i = 0; i < daemon->registry.count; i++) {
        struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        if (entry->used && !entry->gone && !entry->due)
            (void)!links_counters(entry->ifindex, &entry->hooked);
        entry->latest = entry->hooked;
    }
}

/*
 * Traffic goes on meanwhile: the interface's counters lie between what our hooks had before and after.
 * Without hooks there is nothing to compare; and while the kernel takes them down, one after the other, each
 * question waits.
 */
static void read_interface_counters(struct daemon *daemon)
{
    if (!daemon->capturing)
        return;
    for (uint32_t i = 0; i < daemon->registry.count; i++) {
        struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        memcpy(entry->frames_before, entry->frames, sizeof entry->frames_before);
        memcpy(entry->packets_after, entry->packets, sizeof entry->packets_after);
    }
    look_at_accounts(daemon, add_frames);
    for (uint32_t i = 0; i < daemon->registry.count; i++) {
        struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        if (entry->used && !entry->gone && !entry->due)
            (void)!links_counters(entry->ifindex, &entry->latest);
    }
    look_at_accounts(daemon, add_packets);
}

/* What the ledger forgets goes on in the sums. */
static void forget_windows(struct daemon *daemon, uint32_t before)
{
    for (size_t i = 0; i < daemon->windows.ledger.count; i++) {
        const struct ledger_row *row = &daemon->windows.ledger.rows[i];
        struct registered *entry = registry_at(&daemon->registry, row->interface);
        if (row->window >= before)
            continue;
        for (unsigned d = 0; d < FLOW_DIRECTIONS; d++)
            ledger_add_side(&entry->settled[d], &row->side[d]);
        entry->settled_lost_long += row->lost_long;
    }
    ledger_forget(&daemon->windows.ledger, before);
}

void daemon_close_taken(struct daemon *daemon, uint32_t before)
{
    uint32_t window = daemon->closed_before;
    if (daemon->windows.count && daemon->windows.open[0].window < (uint64_t)window * WINDOW_SECONDS)
        window = (uint32_t)(daemon->windows.open[0].window / WINDOW_SECONDS);
    if (before - window > WINDOWS_CLOSED_MAX && window < before)
        window = before - WINDOWS_CLOSED_MAX;
    for (; window < before; window++)
        close_window(daemon, window);
    daemon->closed_before = before;
    daemon->flows_in_window = 0;
    uint32_t oldest = before > LEDGER_WINDOWS ? before - LEDGER_WINDOWS : 0;
    forget_windows(daemon, oldest);
    if (daemon->publish.waiting_count == 0 && !daemon->long_window_open)
        registry_forget(&daemon->registry, oldest);
}

void daemon_close_windows(struct daemon *daemon, uint32_t before)
{
    struct fault fault = {0};
    read_interface_counters(daemon);
    const struct live_accounts visit = {
        .before = before, .take = true, .account = take_account, .discard = take_discard, .context = daemon};
    if (live_visit_accounts(daemon->live, &visit, &fault) < 0)
        log_error("ledger", "%s", fault.text);
    daemon_clear_live_line(daemon);
    recover_note_close(daemon, before);
    daemon_close_taken(daemon, before);
    if (daemon->stopping)
        publish_long_window(daemon);
    recover_compact(daemon);
}
