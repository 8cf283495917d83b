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

/* CROWDS_HELD when it is not held. */
static unsigned find(const struct crowds *crowds, enum crowd_kind kind, const struct flow *common,
                     uint64_t hash)
{
    for (unsigned i = 0; i < crowds->count[kind]; i++)
        if (crowds->hashes[kind][i] == hash &&
            memcmp(&crowds->held[kind][i].common, common, FLOW_KEY_SIZE) == 0)
            return i;
    return CROWDS_HELD;
}

/* A free place, or that of the least, whose flows become the surplus of the one that is new there. */
static unsigned make_room(struct crowds *crowds, enum crowd_kind kind)
{
    unsigned least = 0;
    if (crowds->count[kind] < CROWDS_HELD)
        return crowds->count[kind]++;
    for (unsigned i = 1; i < CROWDS_HELD; i++)
        if (crowds->flows[kind][i] < crowds->flows[kind][least])
            least = i;
    return least;
}

static void note(struct crowds *crowds, enum crowd_kind kind, const struct flow *flow)
{
    const struct flow common = common_of(kind, flow);
    uint64_t hash = hash_bytes(&common, FLOW_KEY_SIZE, 0);
    unsigned at = find(crowds, kind, &common, hash);
    if (at == CROWDS_HELD) {
        at = make_room(crowds, kind);
        crowds->hashes[kind][at] = hash;
        crowds->held[kind][at] =
            (struct crowd){.kind = kind, .common = common, .surplus = crowds->flows[kind][at]};
    }
    struct crowd *crowd = &crowds->held[kind][at];
    crowds->flows[kind][at]++;
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

static bool is_of(const struct flow *flow, const struct crowd *crowd)
{
    const struct flow common = common_of(crowd->kind, flow);
    return memcmp(&common, &crowd->common, FLOW_KEY_SIZE) == 0;
}

/* Neither one of those taken nor, going by its last flow, part of one. False when there is none. */
static bool next_largest(const struct crowds *crowds, const struct crowd *taken, size_t count,
                         struct crowd *ret)
{
    uint32_t largest = CROWD_FLOWS_MIN - 1;
    for (unsigned kind = 0; kind < CROWD_KINDS; kind++) {
        for (unsigned i = 0; i < crowds->count[kind]; i++) {
            const struct crowd *one = &crowds->held[kind][i];
            uint32_t sure = crowds->flows[kind][i] - one->surplus;
            bool passed_over = sure <= largest;
            for (size_t n = 0; n < count && !passed_over; n++)
                passed_over = is_of(&one->last, &taken[n]);
            if (passed_over)
                continue;
            largest = sure;
            *ret = *one;
            ret->flows = crowds->flows[kind][i];
        }
    }
    return largest >= CROWD_FLOWS_MIN;
}

size_t crowds_largest(const struct crowds *crowds, struct crowd *ret, size_t max)
{
    size_t count = 0;
    while (count < max && next_largest(crowds, ret, count, &ret[count]))
        count++;
    return count;
}
