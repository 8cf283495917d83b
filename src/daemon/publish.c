/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/publish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "capture/reasons.h"
#include "flow/emit.h"

static int add_publisher(struct publish *publish, const struct config *config,
                         const struct flow_log *flow_log, struct fault *fault)
{
    if (publish->count == ARRAY_SIZE(publish->publishers))
        return fault_set(fault, -ENOSPC, "more than %d flow logs", PUBLISH_FLOW_LOGS_MAX);
    struct publisher *publisher = &publish->publishers[publish->count];
    *publisher = (struct publisher){.flow_log = flow_log};
    struct destination_settings settings = flow_log_destination(config, flow_log, publish->origin);
    int r = destination_open(&publisher->destination, &settings, fault);
    if (r == 0)
        publish->count++;
    return r;
}

int publish_open(struct publish *publish, const struct config *config, const struct registry *registry,
                 const struct ledger *ledger, uint64_t origin, const struct flow_log *print,
                 struct fault *fault)
{
    publish->count = 0;
    publish->registry = registry;
    publish->ledger = ledger;
    publish->print = print;
    publish->origin = origin;
    /* Seconds of the start above a counter: no earlier run can have used it. */
    if (!publish->sequence)
        publish->sequence = clock_wall_ns() / NS_PER_S << 24;
    int r = 0;
    for (size_t i = 0; r == 0 && i < config->flow_log_count; i++)
        r = add_publisher(publish, config, &config->flow_logs[i], fault);
    if (r == 0 && print)
        r = add_publisher(publish, config, print, fault);
    return r;
}

/* The publishers before a reload, and what becomes of each: its place afterwards, or GONE. */
#define GONE UINT8_MAX
struct succession {
    struct publisher before[PUBLISH_FLOW_LOGS_MAX + 1];
    uint8_t places[PUBLISH_FLOW_LOGS_MAX + 1];
    size_t count;
};

static size_t find_predecessor(const struct succession *succession, const struct flow_log *flow_log)
{
    size_t i = 0;
    while (i < succession->count && strcmp(succession->before[i].flow_log->id, flow_log->id) != 0)
        i++;
    return i;
}

/* An unchanged flow log goes on with its destination and counters; a changed one with what waits for it. */
static int succeed(struct publish *publish, struct succession *succession, const struct config *config,
                   const struct flow_log *flow_log, struct fault *fault)
{
    size_t predecessor = find_predecessor(succession, flow_log);
    size_t place = publish->count;
    struct publisher *old = &succession->before[predecessor];
    bool known = predecessor < succession->count;
    int r = 0;
    if (known && (old->flow_log == flow_log || flow_log_equal(old->flow_log, flow_log))) {
        publish->publishers[place] = *old;
        publish->publishers[place].flow_log = flow_log;
        old->destination = NULL;
        publish->count++;
    } else {
        r = add_publisher(publish, config, flow_log, fault);
    }
    if (r == 0 && known)
        succession->places[predecessor] = (uint8_t)place;
    return r;
}

static void hand_over_waiting(struct publish *publish, const struct succession *succession)
{
    uint64_t lost[PUBLISH_FLOW_LOGS_MAX + 1] = {0};
    for (size_t i = 0; i < publish->waiting_count; i++) {
        uint64_t before = publish->waiting[i].pending;
        uint64_t after = 0;
        for (size_t p = 0; p < succession->count; p++) {
            if (!(before & 1ULL << p))
                continue;
            if (succession->places[p] == GONE)
                lost[p]++;
            else
                after |= 1ULL << succession->places[p];
        }
        publish->waiting[i].pending = after;
    }
    for (size_t p = 0; p < succession->count; p++)
        if (lost[p])
            log_warning("deliver",
                        "flow log %s is no longer declared: %" PRIu64 " windows were not delivered to it",
                        succession->before[p].flow_log->id, lost[p]);
}

int publish_reload(struct publish *publish, const struct config *config, struct fault *fault)
{
    struct succession succession = {.count = publish->count};
    memcpy(succession.before, publish->publishers, sizeof succession.before);
    memset(succession.places, GONE, sizeof succession.places);
    publish->count = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < config->flow_log_count; i++)
        r = succeed(publish, &succession, config, &config->flow_logs[i], fault);
    if (r == 0 && publish->print)
        r = succeed(publish, &succession, config, publish->print, fault);
    hand_over_waiting(publish, &succession);
    for (size_t i = 0; i < succession.count; i++)
        destination_close(succession.before[i].destination);
    (void)publish_retry(publish);
    return r;
}

void publish_close(struct publish *publish)
{
    for (size_t i = 0; i < publish->count; i++)
        destination_close(publish->publishers[i].destination);
    publish->count = 0;
    for (size_t i = 0; i < publish->waiting_count; i++)
        flow_table_done(&publish->waiting[i].flows);
    publish->waiting_count = 0;
}

size_t publish_waiting_for(const struct publish *publish, size_t place)
{
    size_t waiting = 0;
    for (size_t i = 0; i < publish->waiting_count; i++)
        waiting += publish->waiting[i].pending >> place & 1;
    return waiting;
}

bool publish_wants(const struct publish *publish, uint32_t interval)
{
    for (size_t i = 0; i < publish->count; i++)
        if (publish->publishers[i].flow_log->interval == interval)
            return true;
    return false;
}

/* What is the same for the records of one batch: an emitter per interface, made when first needed. */
struct batch {
    struct publisher *publisher;
    const struct publish *publish;
    struct emit *emitters;
    bool *ready;
    bool *covered;
    uint64_t records;
};

static int batch_init(struct batch *batch, const struct publish *publish, struct publisher *publisher)
{
    size_t count = publish->registry->count;
    *batch = (struct batch){.publisher = publisher, .publish = publish};
    batch->emitters = calloc(count + 1, sizeof *batch->emitters);
    batch->ready = calloc(count + 1, sizeof *batch->ready);
    batch->covered = calloc(count + 1, sizeof *batch->covered);
    return batch->emitters && batch->ready && batch->covered ? 0 : -ENOMEM;
}

static void batch_done(struct batch *batch)
{
    free(batch->emitters);
    free(batch->ready);
    free(batch->covered);
}

/* The interface's emitter, or NULL when the flow log does not cover it. */
static struct emit *batch_emitter(struct batch *batch, uint16_t index)
{
    const struct registered *entry = registry_at(batch->publish->registry, index);
    if (!batch->ready[index]) {
        batch->ready[index] = true;
        batch->covered[index] = entry->used && flow_log_covers(batch->publisher->flow_log, &entry->interface);
        if (batch->covered[index])
            emit_init(&batch->emitters[index], &entry->interface, &batch->publisher->flow_log->format,
                      drop_reason_name);
    }
    return batch->covered[index] ? &batch->emitters[index] : NULL;
}

static int batch_add(struct batch *batch, const struct record *record, struct fault *fault)
{
    int r = destination_add(batch->publisher->destination, record, fault);
    if (r == 0)
        batch->records++;
    return r;
}

static bool is_wanted(const struct flow_log *flow_log, const struct flow *flow)
{
    if (flow->packets == 0)
        return false;
    if (flow_log->traffic_type == TRAFFIC_ALL)
        return true;
    return (flow_log->traffic_type == TRAFFIC_REJECT) == (flow->reject != REJECT_NONE);
}

static int add_flows(struct batch *batch, const struct flow_table *flows, struct fault *fault)
{
    size_t position = 0;
    const struct flow *flow;
    while ((flow = flow_table_next(flows, &position))) {
        struct emit *emit =
            is_wanted(batch->publisher->flow_log, flow) ? batch_emitter(batch, flow->interface) : NULL;
        int r = emit ? batch_add(batch, emit_flow(emit, flow, flows->window), fault) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

struct window_sum {
    uint64_t ip_packets;
    uint64_t lost;
};

static struct window_sum sum_ledger(const struct ledger *ledger, const struct flow_table *flows,
                                    uint16_t index)
{
    struct window_sum sum = {0};
    uint32_t first = (uint32_t)(flows->window / WINDOW_SECONDS);
    for (uint32_t window = first; window < first + flows->interval / WINDOW_SECONDS; window++) {
        const struct ledger_row *row = ledger_find(ledger, window, index);
        if (!row)
            continue;
        sum.ip_packets += ledger_ip_packets(row);
        sum.lost += ledger_lost(row, flows->interval);
    }
    return sum;
}

/* NODATA for an interface that was there and saw nothing, SKIPDATA for one whose packets were not all
 * recorded. */
static int add_status_lines(struct batch *batch, const struct flow_table *flows, struct fault *fault)
{
    uint32_t first = (uint32_t)(flows->window / WINDOW_SECONDS);
    uint32_t last = first + flows->interval / WINDOW_SECONDS - 1;
    for (uint32_t i = 0; i < batch->publish->registry->count; i++) {
        const struct registered *entry = registry_at(batch->publish->registry, (uint16_t)i);
        if (!entry->used || !entry->attached || entry->since_window > last ||
            (entry->gone && entry->gone_window < first))
            continue;
        struct emit *emit = batch_emitter(batch, (uint16_t)i);
        struct window_sum sum = sum_ledger(batch->publish->ledger, flows, (uint16_t)i);
        uint64_t lost = sum.lost + batch->publisher->packets_given_up;
        int r = 0;
        if (emit && lost)
            r = batch_add(batch, emit_skipdata(emit, flows->window, flows->interval, lost), fault);
        else if (emit && !sum.ip_packets)
            r = batch_add(batch, emit_nodata(emit, flows->window, flows->interval), fault);
        if (r < 0)
            return r;
    }
    return 0;
}

static int deliver_batch(struct batch *batch, const struct closed_window *closed, struct fault *fault)
{
    struct destination *destination = batch->publisher->destination;
    int r = destination_begin(destination, closed->flows.window, closed->sequence, fault);
    if (r < 0)
        return r;
    r = add_flows(batch, &closed->flows, fault);
    if (r == 0)
        r = add_status_lines(batch, &closed->flows, fault);
    if (r < 0) {
        destination_abandon(destination);
        return r;
    }
    return destination_commit(destination, fault);
}

static int deliver(struct publish *publish, struct publisher *publisher, const struct closed_window *closed)
{
    struct fault fault = {0};
    struct batch batch;
    int r = batch_init(&batch, publish, publisher);
    if (r == 0)
        r = deliver_batch(&batch, closed, &fault);
    else
        (void)fault_set(&fault, r, "out of memory");
    if (r == 0) {
        publisher->records += batch.records;
        publisher->packets_given_up = 0; /* told by the SKIPDATA line just delivered */
        publisher->error[0] = '\0';
    } else if (strcmp(publisher->error, fault.text) != 0) {
        log_warning("deliver", "flow log %s: %s; the window is kept and tried again", publisher->flow_log->id,
                    fault.text);
        (void)snprintf(publisher->error, sizeof publisher->error, "%.*s", (int)sizeof publisher->error - 1,
                       fault.text);
    }
    batch_done(&batch);
    return r;
}

size_t publish_retry(struct publish *publish)
{
    if (publish->holding)
        return publish->waiting_count;
    size_t kept = 0;
    uint64_t stuck = 0; /* publishers whose order must hold: what comes after a failure waits too */
    for (size_t i = 0; i < publish->waiting_count; i++) {
        struct closed_window closed = publish->waiting[i];
        for (size_t p = 0; p < publish->count; p++) {
            uint64_t bit = 1ULL << p;
            if (!(closed.pending & bit) || (stuck & bit))
                continue;
            if (deliver(publish, &publish->publishers[p], &closed) == 0)
                closed.pending &= ~bit;
            else
                stuck |= bit;
        }
        if (closed.pending) {
            publish->waiting[kept++] = closed;
            continue;
        }
        publish->published(publish->context, closed.sequence);
        flow_table_done(&closed.flows);
    }
    publish->waiting_count = kept;
    return kept;
}

static uint64_t packets_for(const struct flow_log *flow_log, const struct flow_table *flows)
{
    uint64_t packets = 0;
    size_t position = 0;
    const struct flow *flow;
    while ((flow = flow_table_next(flows, &position)))
        packets += is_wanted(flow_log, flow) ? flow->packets : 0;
    return packets;
}

static void give_up_oldest(struct publish *publish)
{
    struct closed_window *oldest = &publish->waiting[0];
    for (size_t p = 0; p < publish->count; p++) {
        struct publisher *publisher = &publish->publishers[p];
        if (!(oldest->pending & 1ULL << p))
            continue;
        publisher->windows_given_up++;
        publisher->packets_given_up += packets_for(publisher->flow_log, &oldest->flows);
        log_error("deliver", "flow log %s: window %llu given up: %d windows wait already (%s)",
                  publisher->flow_log->id, (unsigned long long)oldest->flows.window, PUBLISH_WAITING_MAX,
                  publisher->error);
    }
    flow_table_done(&oldest->flows);
    publish->waiting_count--;
    memmove(&publish->waiting[0], &publish->waiting[1], publish->waiting_count * sizeof publish->waiting[0]);
}

static bool is_delivered(const struct publish *publish, uint64_t sequence)
{
    for (size_t i = 0; i < publish->delivered_count; i++)
        if (publish->delivered[i] == sequence)
            return true;
    return false;
}

void publish_window(struct publish *publish, struct flow_table *flows)
{
    uint64_t sequence = publish->sequence++;
    if (is_delivered(publish, sequence))
        return;
    if (publish->waiting_count == PUBLISH_WAITING_MAX)
        give_up_oldest(publish);
    struct closed_window *closed = &publish->waiting[publish->waiting_count++];
    *closed = (struct closed_window){.flows = *flows, .sequence = sequence};
    for (size_t p = 0; p < publish->count; p++)
        if (publish->publishers[p].flow_log->interval == flows->interval)
            closed->pending |= 1ULL << p;
    *flows = (struct flow_table){0};
    (void)publish_retry(publish);
}
