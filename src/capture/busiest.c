/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/busiest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

int busiest_init(struct busiest *busiest, size_t max_addresses)
{
    *busiest = (struct busiest){0};
    int r = flow_table_init(&busiest->table, 0, 1, max_addresses);
    if (r < 0)
        return r;
    busiest->groups = calloc(BUSIEST_GROUPS, sizeof *busiest->groups);
    return busiest->groups ? 0 : -ENOMEM;
}

void busiest_done(struct busiest *busiest)
{
    free(busiest->groups);
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

static void count_address(struct busiest *busiest, const uint8_t *address, const struct flow *flow)
{
    struct flow *next = &busiest->batch[busiest->pending++];
    *next = (struct flow){.bits = flow->bits & FLOW_BIT_IPV6, .packets = flow->packets, .bytes = flow->bytes};
    memcpy(next->source, address, sizeof next->source);
    if (busiest->pending == BUSIEST_BATCH)
        flush(busiest);
}

static void add_address(struct busiest *busiest, const uint8_t *address, const struct flow *flow)
{
    if (!can_be_own(address, flow->bits & FLOW_BIT_IPV6))
        return;
    uint64_t *group = &busiest->groups[hash_bytes(address, 16, (uintptr_t)busiest) % BUSIEST_GROUPS];
    if (busiest->pass == 1)
        *group += flow->packets;
    else if (*group >= busiest->minimum)
        count_address(busiest, address, flow);
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

static const struct flow *best_so_far(const struct busiest *busiest)
{
    const struct flow *best = NULL;
    size_t position = 0;
    for (const struct flow *flow; (flow = flow_table_next(&busiest->table, &position));)
        if (!best || is_busier(flow, best))
            best = flow;
    return best;
}

/* Counts groups of at least `minimum` packets; returns the packets of the heaviest. */
static uint64_t weigh_groups(const struct busiest *busiest, uint64_t minimum, size_t *ret_count)
{
    uint64_t heaviest = 0;
    *ret_count = 0;
    for (size_t i = 0; i < BUSIEST_GROUPS; i++) {
        *ret_count += busiest->groups[i] >= minimum;
        if (busiest->groups[i] > heaviest)
            heaviest = busiest->groups[i];
    }
    return heaviest;
}

bool busiest_next_pass(struct busiest *busiest)
{
    size_t rivals;
    flush(busiest);
    busiest->pass++;
    if (busiest->pass == 2) {
        busiest->minimum = weigh_groups(busiest, 0, &rivals);
        return busiest->minimum > 0;
    }
    if (busiest->pass != 3)
        return busiest->pass == 1;
    size_t counted;
    (void)weigh_groups(busiest, busiest->minimum, &counted);
    const struct flow *best = best_so_far(busiest);
    uint64_t minimum = best ? best->packets : 0;
    (void)weigh_groups(busiest, minimum, &rivals);
    if (!best || rivals == counted)
        return false;
    busiest->minimum = minimum;
    size_t max_addresses = busiest->table.max_count;
    flow_table_done(&busiest->table);
    return flow_table_init(&busiest->table, 0, 1, max_addresses) == 0;
}

bool busiest_result(const struct busiest *busiest, struct address *ret)
{
    const struct flow *best = best_so_far(busiest);
    if (!best)
        return false;
    memcpy(ret->bytes, best->source, sizeof ret->bytes);
    ret->family = best->bits & FLOW_BIT_IPV6 ? 6 : 4;
    return true;
}
