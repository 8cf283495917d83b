/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/publish.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "capture/reasons.h"
#include "flow/emit.h"

static void say(void *context, enum log_level level, const char *text)
{
    log_line(level, "deliver", "%s", text);
}

#define RELOAD_PATIENCE_NS (5 * NS_PER_S)
#define LETS_NOT_GO "flow log %s: its destination does not let go of it; restart the daemon"

static void print_spool(const struct publish *publish, const struct flow_log *flow_log,
                        char ret[static PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%.*s/spool/%s", PATH_MAX - 64, publish->state, flow_log->id);
}

static int add_publisher(struct publish *publish, const struct flow_log *flow_log, struct fault *fault)
{
    char folder[PATH_MAX];
    struct publisher *publisher = &publish->publishers[publish->count];
    *publisher = (struct publisher){.flow_log = flow_log};
    print_spool(publish, flow_log, folder);
    if (leavings_wait(&publish->leavings, flow_log->id, clock_monotonic_ns() + RELOAD_PATIENCE_NS) < 0)
        return fault_set(fault, -ETIMEDOUT, LETS_NOT_GO, flow_log->id);
    const struct delivery_settings settings = {
        .destination = flow_log_destination(publish->config, flow_log, publish->origin),
        .spool_folder = folder,
        .spool_max_bytes = publish->config->spool.max_size,
        .spool_max_age_s = publish->config->spool.max_age,
        .publish_interval_s = (uint32_t)flow_log->publish_interval,
        .report = {.say = say},
    };
    int r = delivery_open(&publisher->delivery, &settings, fault);
    if (r == 0)
        publish->count++;
    return r;
}

/* No publishers yet, and room for all; a configuration has no more than CONFIG_FLOW_LOGS_MAX. */
static int make_room(struct publish *publish, const struct config *config, struct fault *fault)
{
    publish->count = 0;
    publish->publishers = calloc(config->flow_log_count + 1, sizeof *publish->publishers);
    if (publish->publishers)
        return 0;
    (void)fault_set(fault, -ENOMEM, "out of memory");
    return -ENOMEM;
}

int publish_open(struct publish *publish, const struct config *config, const struct registry *registry,
                 const struct ledger *ledger, const char *state, uint64_t origin,
                 const struct flow_log *print, struct fault *fault)
{
    publish->config = config;
    publish->registry = registry;
    publish->ledger = ledger;
    publish->print = print;
    publish->state = state;
    publish->origin = origin;
    /* Seconds of the start above a counter: no earlier run can have used it, unless the clock went back. */
    if (!publish->sequence)
        publish->sequence = clock_wall_ns() / NS_PER_S << 24;
    char spools[PATH_MAX];
    int r = make_room(publish, config, fault);
    (void)snprintf(spools, sizeof spools, "%.*s/spool", PATH_MAX - 64, state);
    leavings_sweep(&publish->leavings, spools);
    for (size_t i = 0; r == 0 && i < config->flow_log_count; i++)
        r = add_publisher(publish, &config->flow_logs[i], fault);
    if (r == 0 && print)
        r = add_publisher(publish, print, fault);
    return r;
}

void publish_settle_sequence(struct publish *publish)
{
    for (size_t i = 0; i < publish->count; i++) {
        uint64_t accepted = delivery_accepted(publish->publishers[i].delivery);
        if (publish->sequence <= accepted)
            publish->sequence = accepted + 1;
    }
}

/* The publishers before a reload, and what becomes of each: its place afterwards, or GONE. */
#define GONE UINT16_MAX
struct succession {
    struct publisher *before; /* owned */
    uint16_t places[PUBLISHERS_MAX];
    size_t count;
};

static size_t find_predecessor(const struct succession *succession, const struct flow_log *flow_log)
{
    size_t i = 0;
    while (i < succession->count && strcmp(succession->before[i].flow_log->id, flow_log->id) != 0)
        i++;
    return i;
}

/* An unchanged flow log goes on with its delivery and counters; a changed one takes over the spool. */
static int succeed(struct publish *publish, struct succession *succession, const struct flow_log *flow_log,
                   struct fault *fault)
{
    size_t predecessor = find_predecessor(succession, flow_log);
    size_t place = publish->count;
    struct publisher *old = &succession->before[predecessor];
    bool known = predecessor < succession->count;
    int r = 0;
    if (known && (old->flow_log == flow_log || flow_log_equal(old->flow_log, flow_log))) {
        publish->publishers[place] = *old;
        publish->publishers[place].flow_log = flow_log;
        old->delivery = NULL;
        publish->count++;
    } else {
        if (known)
            r = delivery_close(TAKE(old->delivery), clock_monotonic_ns() + RELOAD_PATIENCE_NS);
        if (r < 0)
            (void)fault_set(fault, r, LETS_NOT_GO, flow_log->id);
        else
            r = add_publisher(publish, flow_log, fault);
    }
    if (r == 0 && known)
        succession->places[predecessor] = (uint16_t)place;
    return r;
}

static void hand_over_waiting(struct publish *publish, const struct succession *succession)
{
    uint64_t lost[PUBLISHERS_MAX] = {0};
    for (size_t i = 0; i < publish->waiting_count; i++) {
        struct closed_window *closed = &publish->waiting[i];
        uint64_t after[ARRAY_SIZE(closed->pending)] = {0};
        for (size_t p = 0; p < succession->count; p++) {
            if (!bits_has(closed->pending, p))
                continue;
            if (succession->places[p] == GONE)
                lost[p]++;
            else
                bits_add(after, succession->places[p]);
        }
        memcpy(closed->pending, after, sizeof after);
    }
    for (size_t p = 0; p < succession->count; p++)
        if (lost[p])
            log_error("deliver",
                      "flow log %s is no longer declared: %" PRIu64 " windows never came into its spool",
                      succession->before[p].flow_log->id, lost[p]);
}

/* A flow log that is no longer declared keeps its spool, for the day it is declared again. */
static void end_delivery(struct publish *publish, struct publisher *publisher)
{
    struct delivery_counts counts;
    char folder[PATH_MAX];
    const char *id = publisher->flow_log->id;
    bool deleted = publish->deleting && strcmp(publish->deleting, id) == 0;
    if (!publisher->delivery)
        return;
    delivery_counts(publisher->delivery, &counts);
    print_spool(publish, publisher->flow_log, folder);
    if (counts.items && !deleted)
        log_warning("deliver",
                    "flow log %s is no longer declared: %" PRIu64 " records stay in %s, undelivered", id,
                    counts.waiting.records, folder);
    leavings_add(&publish->leavings, TAKE(publisher->delivery), id, folder, deleted);
}

int publish_reload(struct publish *publish, const struct config *config, struct fault *fault)
{
    struct succession succession = {.before = publish->publishers, .count = publish->count};
    memset(succession.places, 0xff, sizeof succession.places); /* GONE */
    publish->config = config;
    int r = make_room(publish, config, fault);
    for (size_t i = 0; r == 0 && i < config->flow_log_count; i++)
        r = succeed(publish, &succession, &config->flow_logs[i], fault);
    if (r == 0 && publish->print)
        r = succeed(publish, &succession, publish->print, fault);
    hand_over_waiting(publish, &succession);
    for (size_t i = 0; i < succession.count; i++)
        end_delivery(publish, &succession.before[i]);
    free(succession.before);
    publish_settle_sequence(publish);
    (void)publish_retry(publish);
    return r;
}

void publish_close(struct publish *publish, uint64_t deadline_ns)
{
    for (size_t i = 0; i < publish->count; i++)
        delivery_cancel(publish->publishers[i].delivery);
    for (size_t i = 0; i < publish->count; i++)
        if (delivery_close(publish->publishers[i].delivery, deadline_ns) < 0)
            log_warning("deliver", "flow log %s: its destination does not answer; not waited for",
                        publish->publishers[i].flow_log->id);
    leavings_close(&publish->leavings, deadline_ns);
    free(TAKE(publish->publishers));
    publish->count = 0;
    for (size_t i = 0; i < publish->waiting_count; i++)
        flow_table_done(&publish->waiting[i].flows);
    publish->waiting_count = 0;
}

size_t publish_waiting_for(const struct publish *publish, size_t place)
{
    size_t waiting = 0;
    for (size_t i = 0; i < publish->waiting_count; i++)
        waiting += bits_has(publish->waiting[i].pending, place);
    return waiting;
}

bool publish_wants(const struct publish *publish, uint32_t interval)
{
    for (size_t i = 0; i < publish->count; i++)
        if (publish->publishers[i].flow_log->interval == interval)
            return true;
    return false;
}

/* The batch of one flow log and window. */
struct filling {
    const struct publish *publish;
    const struct flow_log *flow_log;
    const struct flow_table *flows;
    struct batch_interface *interfaces; /* those that have records, with what they have */
    uint32_t interface_count;
    uint32_t *places;      /* by index of the registry: in `interfaces`, or NOWHERE or UNKNOWN */
    struct emit *emitters; /* like `interfaces` */
    struct batch_writer *writer;
};

#define UNKNOWN UINT32_MAX
#define NOWHERE (UINT32_MAX - 1) /* the flow log does not cover it */

static int filling_init(struct filling *filling, const struct publish *publish,
                        const struct flow_log *flow_log, const struct flow_table *flows)
{
    size_t count = publish->registry->count + 1U;
    *filling = (struct filling){.publish = publish, .flow_log = flow_log, .flows = flows};
    filling->interfaces = calloc(count, sizeof *filling->interfaces);
    filling->places = calloc(count, sizeof *filling->places);
    if (!filling->interfaces || !filling->places)
        return -ENOMEM;
    memset(filling->places, 0xff, count * sizeof *filling->places);
    return 0;
}

static void filling_done(struct filling *filling)
{
    free(filling->interfaces);
    free(filling->places);
    free(filling->emitters);
}

/* The interface's account, or NULL when the flow log does not cover it. */
static struct batch_interface *find_interface(struct filling *filling, uint16_t index)
{
    const struct registered *entry = registry_at(filling->publish->registry, index);
    uint32_t *place = &filling->places[index];
    if (*place == UNKNOWN) {
        bool covered = entry->used && flow_log_covers(filling->flow_log, &entry->interface);
        *place = covered ? filling->interface_count++ : NOWHERE;
        if (covered)
            filling->interfaces[*place].identity = entry->interface.identity;
    }
    return *place == NOWHERE ? NULL : &filling->interfaces[*place];
}

static bool is_wanted(const struct flow_log *flow_log, const struct flow *flow)
{
    if (flow->packets == 0)
        return false;
    if (flow_log->traffic_type == TRAFFIC_ALL)
        return true;
    return (flow_log->traffic_type == TRAFFIC_REJECT) == (flow->reject != REJECT_NONE);
}

static void count_flows(struct filling *filling)
{
    size_t position = 0;
    const struct flow *flow;
    while ((flow = flow_table_next(filling->flows, &position))) {
        struct batch_interface *interface =
            is_wanted(filling->flow_log, flow) ? find_interface(filling, flow->interface) : NULL;
        if (!interface)
            continue;
        interface->sum.records++;
        interface->sum.packets += flow->packets;
    }
}

struct window_sum {
    uint64_t ip_packets;
    uint64_t lost;
    enum lost_cause cause; /* of most of them */
};

static struct window_sum sum_ledger(const struct ledger *ledger, const struct flow_table *flows,
                                    uint16_t index)
{
    struct window_sum sum = {0};
    uint64_t lost[LOST_CAUSES] = {0};
    uint32_t first = (uint32_t)(flows->window / WINDOW_SECONDS);
    for (uint32_t window = first; window < first + flows->interval / WINDOW_SECONDS; window++) {
        const struct ledger_row *row = ledger_find(ledger, window, index);
        if (!row)
            continue;
        sum.ip_packets += ledger_ip_packets(row);
        ledger_add_lost(row, flows->interval, lost);
    }
    for (unsigned i = 0; i < LOST_CAUSES; i++) {
        sum.lost += lost[i];
        sum.cause = lost[i] > lost[sum.cause] ? i : sum.cause;
    }
    return sum;
}

static bool was_there(const struct registered *entry, const struct flow_table *flows)
{
    uint32_t first = (uint32_t)(flows->window / WINDOW_SECONDS);
    uint32_t last = first + flows->interval / WINDOW_SECONDS - 1;
    return entry->used && entry->attached && entry->since_window <= last &&
           (!entry->gone || entry->gone_window >= first);
}

/* NODATA for an interface that was there and saw nothing, SKIPDATA for one whose packets were not all
 * recorded. */
static void count_status_lines(struct filling *filling)
{
    const struct publish *publish = filling->publish;
    for (uint32_t i = 0; i < publish->registry->count; i++) {
        struct batch_interface *interface =
            was_there(registry_at(publish->registry, (uint16_t)i), filling->flows)
                ? find_interface(filling, (uint16_t)i)
                : NULL;
        if (!interface)
            continue;
        struct window_sum sum = sum_ledger(publish->ledger, filling->flows, (uint16_t)i);
        interface->sum.records += sum.lost || !sum.ip_packets;
        interface->sum.lost += sum.lost;
    }
}

static int add_flows(struct filling *filling, struct fault *fault)
{
    size_t position = 0;
    const struct flow *flow;
    while ((flow = flow_table_next(filling->flows, &position))) {
        uint32_t place = is_wanted(filling->flow_log, flow) ? filling->places[flow->interface] : NOWHERE;
        if (place == NOWHERE)
            continue;
        const struct record *record = emit_flow(&filling->emitters[place], flow, filling->flows->window);
        int r = batch_writer_add(filling->writer, place, record, flow->packets, 0, fault);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_status_lines(struct filling *filling, struct fault *fault)
{
    const struct flow_table *flows = filling->flows;
    const struct publish *publish = filling->publish;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < publish->registry->count; i++) {
        uint32_t place = filling->places[i];
        if (place >= NOWHERE || !was_there(registry_at(publish->registry, (uint16_t)i), flows))
            continue;
        struct emit *emit = &filling->emitters[place];
        struct window_sum sum = sum_ledger(publish->ledger, flows, (uint16_t)i);
        if (sum.lost)
            r = batch_writer_add(filling->writer, place,
                                 emit_skipdata(emit, flows->window, flows->interval, sum.lost, sum.cause), 0,
                                 sum.lost, fault);
        else if (!sum.ip_packets)
            r = batch_writer_add(filling->writer, place, emit_nodata(emit, flows->window, flows->interval), 0,
                                 0, fault);
    }
    return r;
}

/* Whether records have a field that takes a look at the other end. */
static bool asks_the_world(const struct format *format)
{
    static const uint8_t fields[] = {FIELD_PKT_SRC_AWS_SERVICE, FIELD_PKT_DST_AWS_SERVICE,
                                     FIELD_TRAFFIC_PATH,        FIELD_NEXT_HOP_INTERFACE_ID,
                                     FIELD_NEXT_HOP_SUBNET_ID,  FIELD_NEXT_HOP_AZ_ID,
                                     FIELD_NEXT_HOP_VPC_ID,     FIELD_NEXT_HOP_INTERFACE_TYPE};
    for (size_t i = 0; i < sizeof fields; i++)
        if (format_has(format, fields[i]))
            return true;
    return false;
}

/* "KEY[,KEY]" */
static void set_tags(struct emit *emit, enum interface_tag_of of, const char *keys)
{
    size_t len = keys ? strcspn(keys, ",") : 0;
    if (!len)
        return;
    emit_set_tag(emit, of, 0, keys, len);
    if (keys[len])
        emit_set_tag(emit, of, 1, keys + len + 1, strlen(keys + len + 1));
}

static void init_emitter(const struct filling *filling, const struct interface *interface, struct emit *emit)
{
    const struct flow_log *flow_log = filling->flow_log;
    emit_init(emit, interface, &flow_log->format, drop_reason_name);
    set_tags(emit, TAG_OF_INSTANCE, flow_log->instance_tags);
    set_tags(emit, TAG_OF_INTERFACE, flow_log->interface_tags);
    set_tags(emit, TAG_OF_ASG, flow_log->asg_tags);
    emit->reject_rule_name = filling->publish->rule_name;
    emit->context = filling->publish->rule_context;
    emit->world = filling->publish->world;
    emit->complete = asks_the_world(&flow_log->format) ? world_complete : NULL;
}

static int init_emitters(struct filling *filling)
{
    const struct registry *registry = filling->publish->registry;
    filling->emitters = calloc(filling->interface_count + 1U, sizeof *filling->emitters);
    if (!filling->emitters ||
        (asks_the_world(&filling->flow_log->format) && world_prepare(filling->publish->world, registry) < 0))
        return -ENOMEM;
    for (uint32_t i = 0; i < registry->count; i++)
        if (filling->places[i] < NOWHERE)
            init_emitter(filling, &registry_at(registry, (uint16_t)i)->interface,
                         &filling->emitters[filling->places[i]]);
    return 0;
}

static struct batch_head head_of(struct filling *filling, uint64_t sequence)
{
    const struct flow_log *flow_log = filling->flow_log;
    return (struct batch_head){.flow_log_id = (char *)(uintptr_t)flow_log->id,
                               .window = filling->flows->window,
                               .interval = filling->flows->interval,
                               .sequence = sequence,
                               .format_text = flow_log->format_text,
                               .interfaces = filling->interfaces,
                               .interface_count = filling->interface_count};
}

static int fill_batch(struct filling *filling, struct delivery *delivery, uint64_t sequence,
                      struct fault *fault)
{
    const struct batch_head head = head_of(filling, sequence);
    int r = init_emitters(filling);
    if (r < 0)
        return fault_set(fault, r, "out of memory");
    r = delivery_begin(delivery, &head, &filling->writer, fault);
    if (r < 0)
        return r == -EALREADY ? 0 : r;
    r = add_flows(filling, fault);
    if (r == 0)
        r = add_status_lines(filling, fault);
    if (r == 0)
        return delivery_commit(delivery, filling->writer, fault);
    batch_writer_abandon(filling->writer);
    return r;
}

static int spool(struct publish *publish, struct publisher *publisher, const struct closed_window *closed)
{
    struct fault fault = {0};
    struct filling filling;
    int r = filling_init(&filling, publish, publisher->flow_log, &closed->flows);
    if (r == 0) {
        count_flows(&filling);
        count_status_lines(&filling);
        r = fill_batch(&filling, publisher->delivery, closed->sequence, &fault);
    } else {
        (void)fault_set(&fault, r, "out of memory");
    }
    filling_done(&filling);
    if (r < 0 && strcmp(publisher->error, fault.text) != 0)
        log_error("deliver", "flow log %s: %s; the window is kept and tried again", publisher->flow_log->id,
                  fault.text);
    (void)snprintf(publisher->error, sizeof publisher->error, "%.*s", (int)sizeof publisher->error - 1,
                   r < 0 ? fault.text : "");
    return r;
}

size_t publish_retry(struct publish *publish)
{
    if (publish->holding)
        return publish->waiting_count;
    size_t kept = 0;
    /* Publishers whose order must hold: what comes after a failure waits too. */
    uint64_t stuck[BITS_WORDS(PUBLISHERS_MAX)] = {0};
    for (size_t i = 0; i < publish->waiting_count; i++) {
        struct closed_window closed = publish->waiting[i];
        for (size_t p = 0; p < publish->count; p++) {
            if (!bits_has(closed.pending, p) || bits_has(stuck, p))
                continue;
            if (spool(publish, &publish->publishers[p], &closed) == 0)
                bits_remove(closed.pending, p);
            else
                bits_add(stuck, p);
        }
        if (!bits_none(closed.pending, ARRAY_SIZE(closed.pending))) {
            publish->waiting[kept++] = closed;
            continue;
        }
        publish->taken(publish->context, closed.sequence);
        flow_table_done(&closed.flows);
    }
    publish->waiting_count = kept;
    return kept;
}

static void lose(const struct publish *publish, struct publisher *publisher,
                 const struct closed_window *closed)
{
    struct filling filling;
    if (filling_init(&filling, publish, publisher->flow_log, &closed->flows) == 0) {
        count_flows(&filling);
        count_status_lines(&filling);
        const struct batch_head head = head_of(&filling, closed->sequence);
        delivery_lose(publisher->delivery, &head, publisher->error);
    }
    filling_done(&filling);
}

static void give_up_oldest(struct publish *publish)
{
    struct closed_window *oldest = &publish->waiting[0];
    for (size_t p = 0; p < publish->count; p++)
        if (bits_has(oldest->pending, p))
            lose(publish, &publish->publishers[p], oldest);
    flow_table_done(&oldest->flows);
    publish->waiting_count--;
    memmove(&publish->waiting[0], &publish->waiting[1], publish->waiting_count * sizeof publish->waiting[0]);
}

bool publish_flush(struct publish *publish, uint64_t deadline_ns)
{
    bool done = false;
    for (size_t i = 0; i < publish->count; i++)
        delivery_flush(publish->publishers[i].delivery);
    while (!done && clock_monotonic_ns() < deadline_ns) {
        done = publish_retry(publish) == 0;
        for (size_t i = 0; i < publish->count; i++)
            done = delivery_is_done(publish->publishers[i].delivery) && done;
        if (!done)
            (void)nanosleep(&(struct timespec){.tv_nsec = 20 * NS_PER_MS}, NULL);
    }
    return done;
}

static bool is_published(const struct publish *publish, uint64_t sequence)
{
    for (size_t i = 0; i < publish->published_count; i++)
        if (publish->published[i] == sequence)
            return true;
    return false;
}

void publish_window(struct publish *publish, struct flow_table *flows)
{
    uint64_t sequence = publish->sequence++;
    if (is_published(publish, sequence))
        return;
    if (publish->waiting_count == PUBLISH_WAITING_MAX)
        give_up_oldest(publish);
    struct closed_window *closed = &publish->waiting[publish->waiting_count++];
    *closed = (struct closed_window){.flows = *flows, .sequence = sequence};
    for (size_t p = 0; p < publish->count; p++)
        if (publish->publishers[p].flow_log->interval == flows->interval)
            bits_add(closed->pending, p);
    *flows = (struct flow_table){0};
    (void)publish_retry(publish);
}
