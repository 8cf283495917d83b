/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/delta.h"

#include <stdbool.h>

static void set_delta(struct flow_delta *delta, const struct flow_key *key, const struct flow_tally *tally)
{
    uint64_t window_ns = key->window * WINDOW_NS;
    bool seen = tally->first != TALLY_NEVER;
    delta->key = *key;
    delta->key.reject = (uint8_t)tally->reject;
    delta->counts = (struct flow_counts){
        .packets = tally->packets,
        .bytes = tally->bytes,
        .first_ns = seen ? window_ns + (uint64_t)tally->first * TICK_NS : UINT64_MAX,
        .last_ns = seen ? window_ns + (uint64_t)tally->last * TICK_NS : 0,
        .fin = tally->fin,
        .syn = tally->syn,
        .rst = tally->rst,
        .syn_ack = tally->syn_ack,
        .drop_reason = tally->drop_reason,
    };
}

static bool is_empty(const struct flow_tally *tally)
{
    return !tally->packets && !tally->bytes && !tally->fin && !tally->syn && !tally->rst && !tally->syn_ack &&
           !tally->drop_reason;
}

uint32_t delta_split(const struct flow_key *key, const struct flow_value *value,
                     struct flow_delta ret[static 2])
{
    const struct flow_tally *rejected = &value->rejected;
    struct flow_tally accepted = value->total;
    accepted.packets -= rejected->packets;
    accepted.bytes -= rejected->bytes;
    accepted.fin -= rejected->fin;
    accepted.syn -= rejected->syn;
    accepted.rst -= rejected->rst;
    accepted.syn_ack -= rejected->syn_ack;
    uint32_t count = 0;
    if (!is_empty(&accepted))
        set_delta(&ret[count++], key, &accepted);
    if (rejected->reject)
        set_delta(&ret[count++], key, rejected);
    return count;
}

uint32_t delta_split_all(const struct flow_key *keys, const struct flow_value *values, uint32_t count,
                         struct flow_delta *ret)
{
    uint32_t written = 0;
    for (uint32_t i = 0; i < count; i++)
        written += delta_split(&keys[i], &values[i], &ret[written]);
    return written;
}
