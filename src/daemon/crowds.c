/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/crowds.h"

#include <string.h>

#include "base/hash.h"

static struct flow common_of(enum crowd_kind kind, const struct flow *flow)
{
    struct flow common = {.protocol = flow->protocol, .bits = flow->bits & FLOW_BIT_IPV6};
    if (kind != CROWD_TO)
        memcpy(common.source, flow->source, sizeof common.source);
    if (kind != CROWD_FROM)
        memcpy(common.destination, flow->destination, sizeof common.destination);
    common.source_port = kind == CROWD_FROM ? flow->source_port : 0;
    common.destination_port = kind == CROWD_TO ? flow->destination_port : 0;
    return common;
}

/* Where it is, or the place of the least. */
static struct crowd *place_of(struct crowds *crowds, enum crowd_kind kind, const struct flow *common,
                              uint64_t hash)
{
    struct crowd *held = crowds->held[kind];
    struct crowd *least = held;
    for (unsigned i = 0; i < crowds->count[kind]; i++) {
        if (held[i].hash == hash && memcmp(&held[i].common, common, FLOW_KEY_SIZE) == 0)
            return &held[i];
        if (held[i].flows < least->flows)
            least = &held[i];
    }
    return crowds->count[kind] < CROWDS_HELD ? &held[crowds->count[kind]++] : least;
}

static void note(struct crowds *crowds, enum crowd_kind kind, const struct flow *flow)
{
    const struct flow common = common_of(kind, flow);
    uint64_t hash = hash_bytes(&common, FLOW_KEY_SIZE, 0);
    struct crowd *crowd = place_of(crowds, kind, &common, hash);
    if (crowd->hash != hash || memcmp(&crowd->common, &common, FLOW_KEY_SIZE) != 0)
        *crowd = (struct crowd){
            .kind = kind, .common = common, .hash = hash, .flows = crowd->flows, .surplus = crowd->flows};
    crowd->flows++;
    crowd->last = *flow;
    for (unsigned i = 0; i < crowd->interface_count; i++)
        if (crowd->interfaces[i] == flow->interface)
            return;
    if (crowd->interface_count < CROWD_INTERFACES)
        crowd->interfaces[crowd->interface_count++] = flow->interface;
}

void crowds_note(struct crowds *crowds, const struct flow *flow, bool has_ports)
{
    for (enum crowd_kind kind = 0; has_ports && kind < CROWD_KINDS; kind++)
        note(crowds, kind, flow);
}

static uint32_t sure_flows(const struct crowd *crowd)
{
    return crowd->flows - crowd->surplus;
}

static bool is_of(const struct flow *flow, const struct crowd *crowd)
{
    const struct flow common = common_of(crowd->kind, flow);
    return memcmp(&common, &crowd->common, FLOW_KEY_SIZE) == 0;
}

/* Neither one of those taken nor, going by its last flow, part of one. */
static const struct crowd *next_largest(const struct crowds *crowds, const struct crowd *taken, size_t count)
{
    const struct crowd *largest = NULL;
    for (unsigned kind = 0; kind < CROWD_KINDS; kind++) {
        for (unsigned i = 0; i < crowds->count[kind]; i++) {
            const struct crowd *one = &crowds->held[kind][i];
            bool passed_over = sure_flows(one) < (largest ? sure_flows(largest) + 1 : CROWD_FLOWS_MIN);
            for (size_t n = 0; n < count && !passed_over; n++)
                passed_over = is_of(&one->last, &taken[n]);
            if (!passed_over)
                largest = one;
        }
    }
    return largest;
}

size_t crowds_largest(const struct crowds *crowds, struct crowd *ret, size_t max)
{
    size_t count = 0;
    const struct crowd *next;
    while (count < max && (next = next_largest(crowds, ret, count)))
        ret[count++] = *next;
    return count;
}
