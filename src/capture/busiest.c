/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/busiest.h"

#include <string.h>

int busiest_init(struct busiest *busiest, size_t max_addresses)
{
    busiest->pending = 0;
    return flow_table_init(&busiest->table, 0, 1, max_addresses);
}

void busiest_done(struct busiest *busiest)
{
    flow_table_done(&busiest->table);
}

static void flush(struct busiest *busiest)
{
    size_t done = 0;
    while (done < busiest->pending) {
        done += flow_table_add_many(&busiest->table, busiest->batch + done, busiest->pending - done);
        done++; /* one that found no room is passed over */
    }
    busiest->pending = 0;
}

static bool can_be_own(const uint8_t *address, bool ipv6)
{
    static const uint8_t unspecified[16];
    static const uint8_t broadcast[4] = {255, 255, 255, 255};
    if (ipv6)
        return address[0] != 0xff && memcmp(address, unspecified, sizeof unspecified) != 0;
    const uint8_t *ipv4 = address + 12;
    return (ipv4[0] & 0xf0) != 224 && memcmp(ipv4, unspecified, 4) != 0 && memcmp(ipv4, broadcast, 4) != 0;
}

static void add_address(struct busiest *busiest, const uint8_t *address, const struct flow *flow)
{
    uint8_t family_bit = flow->bits & FLOW_BIT_IPV6;
    if (!can_be_own(address, family_bit))
        return;
    struct flow *next = &busiest->batch[busiest->pending++];
    *next = (struct flow){.bits = family_bit, .packets = flow->packets, .bytes = flow->bytes};
    memcpy(next->source, address, sizeof next->source);
    if (busiest->pending == BUSIEST_BATCH)
        flush(busiest);
}

void busiest_add(struct busiest *busiest, const struct flow *flow)
{
    add_address(busiest, flow->source, flow);
    add_address(busiest, flow->destination, flow);
}

static bool is_private(const struct flow *address)
{
    if (address->bits & FLOW_BIT_IPV6)
        return (address->source[0] & 0xfe) == 0xfc;
    const uint8_t *ipv4 = address->source + 12;
    return ipv4[0] == 10 || (ipv4[0] == 172 && (ipv4[1] & 0xf0) == 16) || (ipv4[0] == 192 && ipv4[1] == 168);
}

static bool is_busier(const struct flow *a, const struct flow *b)
{
    if (a->packets != b->packets)
        return a->packets > b->packets;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes;
    if (is_private(a) != is_private(b))
        return is_private(a);
    return memcmp(a->source, b->source, sizeof a->source) < 0;
}

bool busiest_result(struct busiest *busiest, struct address *ret)
{
    flush(busiest);
    const struct flow *best = NULL;
    size_t position = 0;
    for (const struct flow *flow; (flow = flow_table_next(&busiest->table, &position));)
        if (!best || is_busier(flow, best))
            best = flow;
    if (!best)
        return false;
    memcpy(ret->bytes, best->source, sizeof ret->bytes);
    ret->family = best->bits & FLOW_BIT_IPV6 ? 6 : 4;
    return true;
}
