/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/attribution.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "bpf/parse.h"
#include "daemon/attributed.h"
#include "daemon/crowds.h"
#include "nftrace/session.h"
#include "record/text.h"

enum { RULE_MAX = 2048, DEVICES_MAX = 2 * ATTRIBUTION_TUPLES + CROWD_INTERFACES * ATTRIBUTION_CROWDS };

/* A tuple of the round; it may have been rejected on several interfaces. */
struct target {
    struct flow flow; /* the one with the most packets */
    uint16_t interfaces[2];
    unsigned interface_count;
    unsigned ends; /* packets */
};

struct attribution {
    const struct registry *registry;
    struct attributed known;
    struct nftrace *trace; /* NULL: no round is under way */
    struct target targets[ATTRIBUTION_TUPLES];
    size_t target_count;
    struct crowd crowds[ATTRIBUTION_CROWDS];
    size_t crowd_count;
    uint64_t round_ends_ns;
    uint32_t generation; /* of the ruleset, our own changes included */
    bool generation_known;
    uint64_t same_since_s;   /* since the epoch: it has been the same ruleset */
    uint64_t packets_before; /* counts.packets when the round began */
    unsigned pause;          /* windows to go without a round */
    unsigned next_pause;     /* after a round to which no packet comes: tracing costs every packet a little */
    bool failing;            /* since the last round that could begin */
    struct attribution_counts counts;
};

int attribution_open(struct attribution **ret, const struct registry *registry)
{
    struct attribution *attribution = calloc(1, sizeof *attribution);
    if (!attribution)
        return -ENOMEM;
    attribution->registry = registry;
    *ret = attribution;
    return 0;
}

void attribution_close(struct attribution *attribution)
{
    if (!attribution)
        return;
    attribution_stop(attribution);
    free(attribution);
}

static uint64_t now_s(void)
{
    return clock_wall_ns() / NS_PER_S;
}

/* Closing the trace removes the table, which the kernel does not count as a change of the ruleset. */
static void end_round(struct attribution *attribution)
{
    if (!attribution->trace)
        return;
    attribution->counts.unknown += nftrace_counts(attribution->trace).unknown;
    nftrace_close(TAKE(attribution->trace));
    attribution->target_count = attribution->crowd_count = 0;
    if (attribution->counts.packets > attribution->packets_before) {
        attribution->next_pause = 0;
    } else {
        attribution->next_pause = attribution->next_pause ? 2 * attribution->next_pause : 1;
        if (attribution->next_pause > ATTRIBUTION_PAUSE_MAX)
            attribution->next_pause = ATTRIBUTION_PAUSE_MAX;
    }
    attribution->pause = attribution->next_pause;
}

/*
 * Whether the ruleset is still the one before, but for `own` changes that were ours. If not, all that is
 * known is void, and so are events that were not read yet.
 */
static void look_at_generation(struct attribution *attribution, uint32_t own)
{
    uint32_t generation = 0;
    bool known = nftrace_generation(&generation) == 0;
    bool same = known && attribution->generation_known && generation == attribution->generation + own;
    if (!same) {
        end_round(attribution);
        attributed_clear(&attribution->known);
        attribution->counts.changes += attribution->generation_known;
        attribution->same_since_s = now_s() + 1; /* within this second it was another */
    }
    attribution->generation = generation;
    attribution->generation_known = known;
}

void attribution_stop(struct attribution *attribution)
{
    end_round(attribution);
    attributed_clear(&attribution->known);
    attribution->generation_known = false;
}

static bool has_ports(const struct flow *flow)
{
    return flow->protocol == PROTOCOL_TCP || flow->protocol == PROTOCOL_UDP ||
           flow->protocol == PROTOCOL_SCTP;
}

/* Later fragments are recorded without ports; they are not what a trace by ports would find. */
static bool is_traceable(const struct flow *flow)
{
    return flow->reject == REJECT_NETFILTER && flow->packets &&
           (!has_ports(flow) || flow->source_port || flow->destination_port);
}

/* Not of what was found to be uncertain: it would not become certain. */
static bool needs_trace(const struct attribution *attribution, const struct flow *flow)
{
    const struct attributed_flow *known = attributed_find(&attribution->known, flow);
    return !known || (known->rule && known->seen_s + ATTRIBUTION_AGE_S / 2 < now_s());
}

static bool same_tuple(const struct flow *a, const struct flow *b)
{
    return memcmp(a->source, b->source, sizeof a->source) == 0 &&
           memcmp(a->destination, b->destination, sizeof a->destination) == 0 &&
           a->source_port == b->source_port && a->destination_port == b->destination_port &&
           a->protocol == b->protocol && ((a->bits ^ b->bits) & FLOW_BIT_IPV6) == 0;
}

/* Where the tuple is among the targets, or may take the place of one with fewer packets; NULL for neither. */
static struct target *place_for(struct attribution *attribution, const struct flow *flow)
{
    struct target *least = NULL;
    for (size_t i = 0; i < attribution->target_count; i++) {
        struct target *target = &attribution->targets[i];
        if (same_tuple(&target->flow, flow))
            return target;
        if (!least || target->flow.packets < least->flow.packets)
            least = target;
    }
    if (attribution->target_count < ATTRIBUTION_TUPLES)
        least = &attribution->targets[attribution->target_count++];
    else if (least->flow.packets >= flow->packets)
        return NULL;
    *least = (struct target){.flow = *flow};
    return least;
}

static void choose(struct attribution *attribution, const struct flow_table *flows)
{
    struct crowds crowds = {0};
    size_t position = 0;
    const struct flow *flow;
    while ((flow = flow_table_next(flows, &position))) {
        if (!is_traceable(flow) || !needs_trace(attribution, flow))
            continue;
        crowds_note(&crowds, flow, has_ports(flow));
        struct target *target = place_for(attribution, flow);
        if (target && target->interface_count < ARRAY_SIZE(target->interfaces))
            target->interfaces[target->interface_count++] = flow->interface;
    }
    attribution->crowd_count = crowds_largest(&crowds, attribution->crowds, ATTRIBUTION_CROWDS);
}

static struct address address_of(const uint8_t bytes[static 16], const struct flow *flow)
{
    struct address address = {.family = flow->bits & FLOW_BIT_IPV6 ? 6 : 4};
    memcpy(address.bytes, bytes, sizeof address.bytes);
    return address;
}

static struct nftrace_tuple tuple_of(const struct flow *flow)
{
    uint8_t prefix = flow->bits & FLOW_BIT_IPV6 ? 128 : 32;
    return (struct nftrace_tuple){
        .source = {address_of(flow->source, flow), prefix},
        .destination = {address_of(flow->destination, flow), prefix},
        .protocol = flow->protocol,
        .source_port = has_ports(flow) ? flow->source_port : -1,
        .destination_port = has_ports(flow) ? flow->destination_port : -1,
        .packets_per_s = ATTRIBUTION_PACKETS_PER_S,
    };
}

static struct nftrace_tuple tuple_of_crowd(const struct crowd *crowd)
{
    struct nftrace_tuple tuple = tuple_of(&crowd->common);
    if (crowd->kind == CROWD_TO)
        tuple.source.prefix = 0;
    if (crowd->kind == CROWD_FROM)
        tuple.destination.prefix = 0;
    tuple.source_port = crowd->kind == CROWD_FROM ? tuple.source_port : -1;
    tuple.destination_port = crowd->kind == CROWD_TO ? tuple.destination_port : -1;
    tuple.packets_per_s = ATTRIBUTION_CROWD_PACKETS_PER_S;
    return tuple;
}

struct device_list {
    const char *names[DEVICES_MAX];
    size_t count;
};

/* At most as many as there are interfaces of targets and crowds. */
static void add_devices(const struct attribution *attribution, const uint16_t *interfaces, unsigned count,
                        struct device_list *to)
{
    for (unsigned n = 0; n < count; n++) {
        const struct registered *entry = registry_at(attribution->registry, interfaces[n]);
        bool listed = !entry->used || entry->gone;
        for (size_t k = 0; k < to->count; k++)
            listed |= strcmp(to->names[k], entry->device) == 0;
        if (!listed)
            to->names[to->count++] = entry->device;
    }
}

/* The flow as an interface records it: a port tells of its guest. */
static bool set_key(const struct attribution *attribution, uint32_t ifindex, bool leaving,
                    const struct nftrace_packet *packet, struct flow *ret)
{
    uint32_t i = 0;
    const struct registered *entry = NULL;
    for (; i < attribution->registry->count && !entry; i++) {
        const struct registered *one = registry_at(attribution->registry, (uint16_t)i);
        if (one->used && !one->gone && one->ifindex == ifindex)
            entry = one;
    }
    if (!entry)
        return false;
    bool egress = leaving != (entry->interface.role == INTERFACE_PORT);
    *ret = (struct flow){
        .source_port = packet->source_port,
        .destination_port = packet->destination_port,
        .interface = (uint16_t)(i - 1),
        .protocol = packet->protocol,
        .bits = (uint8_t)((packet->source.family == 6 ? FLOW_BIT_IPV6 : 0) | (egress ? FLOW_BIT_EGRESS : 0)),
        .reject = REJECT_NETFILTER,
    };
    memcpy(ret->source, packet->source.bytes, sizeof ret->source);
    memcpy(ret->destination, packet->destination.bytes, sizeof ret->destination);
    return true;
}

static void note(struct attribution *attribution, uint32_t ifindex, bool leaving,
                 const struct nftrace_packet *packet, const char *rule)
{
    struct flow key;
    uint64_t now = now_s();
    if (!set_key(attribution, ifindex, leaving, packet, &key) ||
        attributed_note(&attribution->known, &key, rule, now))
        return;
    attributed_forget(&attribution->known, now - ATTRIBUTION_SHORT_AGE_S);
    if (!attributed_note(&attribution->known, &key, rule, now))
        attribution->counts.no_room++;
}

/* As one field: "inet%20filter%2Finput%20handle%2012". */
static void name_rule(const struct nftrace_end *end, struct buf *ret)
{
    char handle[32] = "policy";
    char name[2 * NFTRACE_NAME_MAX + 64];
    if (end->handle)
        (void)snprintf(handle, sizeof handle, "handle %" PRIu64, end->handle);
    (void)snprintf(name, sizeof name, "%s %s/%s %s", nftrace_family_name(end->family), end->table, end->chain,
                   handle);
    record_encode_text(ret, name, strlen(name));
}

static struct target *find_target(struct attribution *attribution, const struct nftrace_packet *packet)
{
    struct flow flow = {
        .source_port = packet->source_port,
        .destination_port = packet->destination_port,
        .protocol = packet->protocol,
        .bits = packet->source.family == 6 ? FLOW_BIT_IPV6 : 0,
    };
    memcpy(flow.source, packet->source.bytes, sizeof flow.source);
    memcpy(flow.destination, packet->destination.bytes, sizeof flow.destination);
    for (size_t i = 0; i < attribution->target_count; i++)
        if (same_tuple(&attribution->targets[i].flow, &flow))
            return &attribution->targets[i];
    return NULL;
}

static void take_end(void *context, const struct nftrace_end *end)
{
    struct attribution *attribution = context;
    /* Where an address was translated, the two interfaces know it by two tuples. */
    struct target *targets[] = {find_target(attribution, &end->marked), find_target(attribution, &end->last)};
    AUTO_BUF struct buf name = BUF_INIT(RULE_MAX);
    bool dropped = end->fate == NFTRACE_DROPPED;
    attribution->counts.packets++;
    attribution->counts.dropped += dropped;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
        if (targets[i] && (i == 0 || targets[i] != targets[0]))
            targets[i]->ends++;
    if (dropped)
        name_rule(end, &name);
    const char *rule = name.len && !name.failed ? buf_string(&name) : NULL;
    for (size_t i = 0; i < end->arrival_count; i++)
        note(attribution, end->arrivals[i], false, &end->marked, rule);
    if (end->leaves_by)
        note(attribution, end->leaves_by, true, &end->last, rule);
}

static void tell_failure(struct attribution *attribution, const struct fault *fault)
{
    attribution->counts.failures++;
    if (!attribution->failing)
        log_warning("attribution", "%s; x-reject-rule stays empty meanwhile", fault->text);
    attribution->failing = true;
}

static void begin_round(struct attribution *attribution)
{
    struct nftrace_tuple tuples[ATTRIBUTION_TUPLES + ATTRIBUTION_CROWDS];
    struct device_list devices = {.count = 0};
    size_t count = 0;
    struct fault fault;
    for (size_t i = 0; i < attribution->target_count; i++) {
        const struct target *target = &attribution->targets[i];
        tuples[count++] = tuple_of(&target->flow);
        add_devices(attribution, target->interfaces, target->interface_count, &devices);
    }
    for (size_t i = 0; i < attribution->crowd_count; i++) {
        const struct crowd *crowd = &attribution->crowds[i];
        tuples[count++] = tuple_of_crowd(crowd);
        add_devices(attribution, crowd->interfaces, crowd->interface_count, &devices);
    }
    const struct nftrace_options options = {
        .tuples = tuples,
        .tuple_count = count,
        .devices = devices.names,
        .device_count = devices.count,
        .listener = take_end,
        .context = attribution,
    };
    if (nftrace_open(&attribution->trace, &options, &fault) < 0) {
        attribution->target_count = attribution->crowd_count = 0;
        tell_failure(attribution, &fault);
        return;
    }
    attribution->failing = false;
    uint64_t round_s = attribution->crowd_count ? ATTRIBUTION_CROWD_ROUND_S : ATTRIBUTION_ROUND_S;
    attribution->round_ends_ns = clock_monotonic_ns() + round_s * NS_PER_S;
    attribution->packets_before = attribution->counts.packets;
    attribution->counts.rounds++;
    look_at_generation(attribution, 1);
}

void attribution_take_window(struct attribution *attribution, const struct flow_table *flows)
{
    uint64_t now = now_s();
    look_at_generation(attribution, 0);
    attributed_forget(&attribution->known, now > ATTRIBUTION_AGE_S ? now - ATTRIBUTION_AGE_S : 0);
    if (attribution->trace)
        return;
    if (attribution->pause) {
        attribution->pause--;
        return;
    }
    choose(attribution, flows);
    if (attribution->target_count || attribution->crowd_count)
        begin_round(attribution);
}

static bool is_round_over(const struct attribution *attribution)
{
    size_t enough = 0;
    for (size_t i = 0; i < attribution->target_count; i++)
        enough += attribution->targets[i].ends >= ATTRIBUTION_ENOUGH;
    bool is_enough = enough == attribution->target_count && attribution->crowd_count == 0;
    return is_enough || clock_monotonic_ns() >= attribution->round_ends_ns;
}

void attribution_process(struct attribution *attribution)
{
    struct fault fault;
    look_at_generation(attribution, 0);
    if (!attribution->trace)
        return;
    int r = nftrace_process(attribution->trace, &fault);
    if (r < 0)
        tell_failure(attribution, &fault);
    if (r < 0 || is_round_over(attribution))
        end_round(attribution);
}

void attribution_finish(struct attribution *attribution)
{
    attribution_process(attribution);
    end_round(attribution);
}

const char *attribution_rule(void *context, const struct flow *flow, uint64_t window)
{
    const struct attribution *attribution = context;
    const struct attributed_flow *known = attributed_find(&attribution->known, flow);
    bool same_ruleset = attribution->generation_known && attribution->same_since_s <= window;
    return known && same_ruleset && known->seen_s + ATTRIBUTION_AGE_S >= window ? known->rule : NULL;
}

struct attribution_counts attribution_counts(const struct attribution *attribution)
{
    struct attribution_counts counts = attribution->counts;
    if (attribution->trace)
        counts.unknown += nftrace_counts(attribution->trace).unknown;
    counts.tracing = attribution->target_count + attribution->crowd_count;
    counts.known = attribution->known.count;
    return counts;
}
