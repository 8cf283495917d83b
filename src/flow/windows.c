/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/windows.h"

#include <errno.h>
#include <string.h>

void windows_init(struct windows *windows, size_t max_flows)
{
    *windows = (struct windows){.max_flows = max_flows};
}

void windows_done(struct windows *windows)
{
    for (size_t i = 0; i < windows->count; i++)
        flow_table_done(&windows->open[i]);
    ledger_done(&windows->ledger);
    windows->count = 0;
}

struct flow_table *windows_find(struct windows *windows, uint32_t window)
{
    uint64_t start = (uint64_t)window * WINDOW_SECONDS;
    for (size_t i = 0; i < windows->count; i++)
        if (windows->open[i].window == start)
            return &windows->open[i];
    return NULL;
}

static struct flow_table *open_window(struct windows *windows, uint32_t window)
{
    struct flow_table *found = windows_find(windows, window);
    if (found)
        return found;
    if (windows->count == WINDOWS_OPEN_MAX)
        return &windows->open[0];
    uint64_t start = (uint64_t)window * WINDOW_SECONDS;
    size_t place = windows->count;
    while (place > 0 && windows->open[place - 1].window > start)
        place--;
    struct flow_table table;
    if (flow_table_init(&table, start, WINDOW_SECONDS, windows->max_flows) < 0)
        return NULL;
    memmove(&windows->open[place + 1], &windows->open[place],
            (windows->count - place) * sizeof windows->open[0]);
    windows->open[place] = table;
    windows->count++;
    return &windows->open[place];
}

static uint8_t flags_of(const struct flow_counts *counts)
{
    uint8_t flags = 0;
    if ((int32_t)counts->fin > 0)
        flags |= TCP_FIN;
    if ((int32_t)counts->syn > 0)
        flags |= TCP_SYN;
    if ((int32_t)counts->rst > 0)
        flags |= TCP_RST;
    if ((int32_t)counts->syn_ack > 0)
        flags |= TCP_SYN | TCP_ACK;
    return flags;
}

/* Seconds after the window's start, kept inside the window. */
static uint16_t offset_of(uint64_t wall_ns, const struct flow_table *table)
{
    uint64_t second = wall_ns / NS_PER_S;
    if (second <= table->window)
        return 0;
    uint64_t offset = second - table->window;
    return (uint16_t)(offset < table->interval ? offset : table->interval - 1);
}

/* Deltas are signed: what a lost flow is taken back later is lost as well, and the sum is right. */
static int lose(struct windows *windows, uint16_t interface, const struct flow_key *key, uint64_t packets)
{
    struct ledger_row *row = ledger_row(&windows->ledger, key->window, interface);
    if (!row)
        return -ENOMEM;
    row->side[key->direction & 1].lost_memory += packets;
    return 0;
}

int windows_add(struct windows *windows, uint16_t interface, bool egress, const struct flow_key *key,
                const struct flow_counts *counts)
{
    struct flow_table *table = open_window(windows, key->window);
    if (!table)
        return lose(windows, interface, key, counts->packets);
    struct flow flow = {
        .source_port = key->source_port,
        .destination_port = key->destination_port,
        .interface = interface,
        .protocol = key->protocol,
        .bits = (uint8_t)((key->family == 6 ? FLOW_BIT_IPV6 : 0) | (egress ? FLOW_BIT_EGRESS : 0)),
        .reject = key->reject,
        .tcp_flags = flags_of(counts),
        .first_s = offset_of(counts->first_ns, table),
        .last_s = offset_of(counts->last_ns, table),
        .drop_reason = (uint16_t)counts->drop_reason,
        .packets = counts->packets,
        .bytes = counts->bytes,
    };
    memcpy(flow.source, key->source, sizeof flow.source);
    memcpy(flow.destination, key->destination, sizeof flow.destination);
    if (flow_table_add(table, &flow))
        return 0;
    return table->count >= table->max_count ? -ENOSPC : lose(windows, interface, key, counts->packets);
}

/* The rejected twin of an accepted flow, the largest if several controls rejected. */
static struct flow *rejected_twin(const struct flow_table *table, const struct flow *accepted)
{
    struct flow key = *accepted;
    struct flow *best = NULL;
    for (unsigned source = REJECT_NONE + 1; source < REJECT_SOURCES; source++) {
        key.reject = (uint8_t)source;
        struct flow *found = flow_table_find(table, &key);
        if (found && (!best || (int64_t)found->packets > (int64_t)best->packets))
            best = found;
    }
    return best;
}

/* A packet of `table` that was discarded in the window after: the reject belongs to where it was counted. */
static void settle_across(struct flow_table *table, const struct flow_table *after)
{
    size_t position = 0;
    struct flow *later;
    while ((later = flow_table_next(after, &position))) {
        struct flow *accepted = (int64_t)later->packets < 0 ? flow_table_find(table, later) : NULL;
        struct flow *rejected = accepted ? rejected_twin(after, later) : NULL;
        uint64_t packets = -later->packets;
        uint64_t bytes = -later->bytes;
        if (!rejected || accepted->packets < packets || rejected->packets < packets)
            continue;
        struct flow moved = *rejected;
        moved.packets = packets;
        moved.bytes = bytes;
        moved.first_s = moved.last_s = accepted->last_s;
        if (!flow_table_add(table, &moved))
            continue;
        /* flow_table_add may have moved the flows of `table`. */
        accepted = flow_table_find(table, later);
        accepted->packets -= packets;
        accepted->bytes -= bytes;
        rejected->packets -= packets;
        rejected->bytes -= bytes;
        later->packets = later->bytes = 0;
    }
}

/* By which flow the rejected packets came in below, or NULL: by none, or nobody can say by which. */
static struct flow *arrived_as(const struct flow_table *table, const struct flow *rejected,
                               const struct windows_interfaces *interfaces, const struct stacked *first)
{
    struct flow *found = NULL;
    const struct stacked *end = interfaces->stacks + interfaces->stack_count;
    for (const struct stacked *pair = first; pair < end && pair->upper == first->upper; pair++) {
        struct flow key = *rejected;
        key.interface = pair->lower;
        key.reject = REJECT_NONE;
        key.bits &= (uint8_t)~FLOW_BIT_EGRESS;
        if (interfaces->turned(interfaces->context, pair->lower))
            key.bits |= FLOW_BIT_EGRESS;
        struct flow *accepted = flow_table_find(table, &key);
        if (accepted && found)
            return NULL;
        if (accepted)
            found = accepted;
    }
    return found;
}

/*
 * What came up is what was let through above, as far as that is all of it: its times are known there, where
 * the kernel tells the refused packets apart.
 */
static void take_times(struct flow *left, const struct flow_table *table, const struct flow *rejected)
{
    struct flow above = *rejected;
    above.reject = REJECT_NONE;
    const struct flow *accepted = flow_table_find(table, &above);
    if (!accepted || accepted->packets != left->packets || !left->packets)
        return;
    left->first_s = accepted->first_s;
    left->last_s = accepted->last_s;
}

static void move_to_reject(struct flow_table *table, const struct flow *accepted, const struct flow *rejected)
{
    const struct flow key = *accepted;
    struct flow moved = *rejected;
    moved.interface = key.interface;
    moved.bits = key.bits;
    if (key.packets < moved.packets || key.bytes < moved.bytes || !flow_table_add(table, &moved))
        return;
    struct flow *left = flow_table_find(table, &key); /* flow_table_add may have moved the flows */
    left->packets -= moved.packets;
    left->bytes -= moved.bytes;
    take_times(left, table, rejected);
}

/*
 * A packet that came in by a bridge's port and was discarded above the bridge was counted at both, but the
 * kernel knows only by which it came in last. The one below is told by the packet's tuple.
 */
static void settle_below(struct flow_table *table, const struct windows_interfaces *interfaces)
{
    for (size_t i = 0; i < interfaces->stack_count; i++) {
        const struct stacked *first = &interfaces->stacks[i];
        if (i > 0 && first[-1].upper == first->upper)
            continue;
        bool turned = interfaces->turned(interfaces->context, first->upper);
        size_t position = 0;
        const struct flow *flow;
        while ((flow = flow_table_next(table, &position))) {
            bool received = ((flow->bits & FLOW_BIT_EGRESS) != 0) == turned;
            if (flow->interface != first->upper || !flow->reject || !received || (int64_t)flow->packets <= 0)
                continue;
            const struct flow rejected = *flow;
            const struct flow *accepted = arrived_as(table, &rejected, interfaces, first);
            if (accepted)
                move_to_reject(table, accepted, &rejected);
        }
    }
}

static struct ledger_side *side_of(struct windows *windows, const struct flow_table *table,
                                   const struct flow *flow, const struct windows_interfaces *interfaces)
{
    struct ledger_row *row =
        ledger_row(&windows->ledger, (uint32_t)(table->window / WINDOW_SECONDS), flow->interface);
    bool egress = (flow->bits & FLOW_BIT_EGRESS) != 0;
    return row ? &row->side[egress != interfaces->turned(interfaces->context, flow->interface)] : NULL;
}

void windows_restore(struct windows *windows, uint64_t start, const struct flow *flow,
                     const struct windows_interfaces *interfaces)
{
    struct flow_table *table = open_window(windows, (uint32_t)(start / WINDOW_SECONDS));
    if (table && flow_table_add(table, flow))
        return;
    const struct flow_table lost = {.window = start};
    struct ledger_side *side = side_of(windows, &lost, flow, interfaces);
    if (side)
        side->lost_memory += flow->packets;
}

/*
 * What is still negative was rejected under another tuple than it was counted (something rewrote the packet
 * in between), or before the hook by a program that was put in front of ours. The latter is a reject that was
 * never counted as accepted and stays; for the former nobody can say which packet it was, so it stays ACCEPT.
 */
static void settle_orphan(struct flow_table *table, struct flow *orphan, struct ledger_side *side)
{
    uint64_t packets = -orphan->packets;
    struct flow *rejected = rejected_twin(table, orphan);
    if (rejected && rejected->reject == REJECT_TC) {
        side->seen += packets;
        side->added += packets;
    } else if (rejected && rejected->packets >= packets) {
        rejected->packets -= packets;
        rejected->bytes += orphan->bytes;
        side->unmatched += packets;
    }
    orphan->packets = orphan->bytes = 0;
}

static void settle(struct windows *windows, struct flow_table *table,
                   const struct windows_interfaces *interfaces)
{
    size_t position = 0;
    struct flow *flow;
    while ((flow = flow_table_next(table, &position))) {
        struct ledger_side *side =
            (int64_t)flow->packets < 0 ? side_of(windows, table, flow, interfaces) : NULL;
        if (side)
            settle_orphan(table, flow, side);
    }
    position = 0;
    while ((flow = flow_table_next(table, &position))) {
        struct ledger_side *side = flow->packets ? side_of(windows, table, flow, interfaces) : NULL;
        if (side)
            side->recorded += flow->packets;
    }
}

bool windows_take(struct windows *windows, uint32_t before, const struct windows_interfaces *interfaces,
                  struct flow_table *ret)
{
    if (windows->count == 0 || windows->open[0].window >= (uint64_t)before * WINDOW_SECONDS)
        return false;
    struct flow_table *after =
        windows_find(windows, (uint32_t)(windows->open[0].window / WINDOW_SECONDS) + 1);
    if (after)
        settle_across(&windows->open[0], after);
    settle_below(&windows->open[0], interfaces);
    *ret = windows->open[0];
    windows->count--;
    memmove(&windows->open[0], &windows->open[1], windows->count * sizeof windows->open[0]);
    settle(windows, ret, interfaces);
    return true;
}
