/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/delta.h"

#include <stdbool.h>

/* `first` and `last` are seconds of the window, counted from 1; 0: no packet. */
static void set_delta(struct flow_delta *delta, const struct flow_key *key, const struct flow_tally *tally,
                      uint32_t first, uint32_t last)
{
    uint64_t window_ns = key->window * WINDOW_NS;
    delta->key = *key;
    delta->counts = (struct flow_counts){
        .packets = tally->packets,
        .bytes = tally->bytes,
        .first_ns = first ? window_ns + (first - 1) * NS_PER_SECOND : UINT64_MAX,
        .last_ns = last ? window_ns + (last - 1) * NS_PER_SECOND : 0,
        .fin = tally->fin,
        .syn = tally->syn,
        .rst = tally->rst,
        .syn_ack = tally->syn_ack,
    };
}

static bool is_empty(const struct flow_tally *tally)
{
    return !tally->packets && !tally->bytes && !tally->fin && !tally->syn && !tally->rst && !tally->syn_ack;
}

static struct flow_tally accepted_tally(const struct flow_value *value)
{
    const struct flow_tally *total = &value->total;
    const struct flow_tally *rejected = &value->rejected;
    return (struct flow_tally){
        .packets = total->packets - rejected->packets,
        .bytes = total->bytes - rejected->bytes,
        .fin = total->fin - rejected->fin,
        .syn = total->syn - rejected->syn,
        .rst = total->rst - rejected->rst,
        .syn_ack = total->syn_ack - rejected->syn_ack,
    };
}

uint32_t delta_split(const struct flow_key *key, const struct flow_value *value,
                     struct flow_delta ret[static 2])
{
    struct flow_tally accepted = accepted_tally(value);
    uint32_t count = 0;
    if (!is_empty(&accepted) || value->discard_reason) {
        set_delta(&ret[count], key, &accepted, SECONDS_FIRST(value->seconds), SECONDS_LAST(value->seconds));
        ret[count++].counts.drop_reason = value->discard_reason;
    }
    if (value->reject) {
        set_delta(&ret[count], key, &value->rejected, value->reject_first, value->reject_last);
        ret[count].key.reject = (uint8_t)value->reject;
        ret[count++].counts.drop_reason = value->reject_reason;
    }
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
