/* SPDX-License-Identifier: Apache-2.0 */
#include "nftrace/follow.h"

#include <inttypes.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#define PASSED_MAX 8192

const char *nftrace_family_name(uint8_t family)
{
    static const char *const names[] = {
        [NFPROTO_INET] = "inet",     [NFPROTO_IPV4] = "ip",       [NFPROTO_ARP] = "arp",
        [NFPROTO_NETDEV] = "netdev", [NFPROTO_BRIDGE] = "bridge", [NFPROTO_IPV6] = "ip6",
    };
    return family < ARRAY_SIZE(names) && names[family] ? names[family] : "unknown";
}

void follow_init(struct follow *follow, const char *table, nftrace_listener *listener, void *context)
{
    *follow = (struct follow){.table = table, .listener = listener, .context = context};
}

static void forget(struct followed *packet)
{
    buf_done(&packet->passed);
    *packet = (struct followed){0};
}

size_t follow_forget(struct follow *follow)
{
    size_t count = 0;
    for (size_t i = 0; i < FOLLOW_PACKETS; i++) {
        count += follow->packets[i].used;
        forget(&follow->packets[i]);
    }
    return count;
}

void follow_done(struct follow *follow)
{
    (void)follow_forget(follow);
}

/* `drop` is NULL for a packet that fell silent. */
static void tell_end(struct follow *follow, struct followed *packet, const struct nftrace_event *drop)
{
    struct nftrace_end end = {
        .fate = drop           ? NFTRACE_DROPPED
                : packet->away ? NFTRACE_AWAY
                               : NFTRACE_PASSED,
        .marked = packet->marked,
        .last = packet->now,
        .arrival_count = packet->arrival_count,
        .leaves_by = packet->leaves_by,
        .passed = buf_string(&packet->passed),
    };
    memcpy(end.arrivals, packet->arrivals, sizeof end.arrivals);
    if (drop) {
        end.table = drop->table;
        end.chain = drop->chain;
        end.handle = drop->policy ? 0 : drop->handle;
        end.family = drop->family;
    }
    follow->listener(follow->context, &end);
    forget(packet);
}

void follow_settle(struct follow *follow, uint64_t since_ns)
{
    for (size_t i = 0; i < FOLLOW_PACKETS; i++)
        if (follow->packets[i].used && follow->packets[i].last_ns < since_ns)
            tell_end(follow, &follow->packets[i], NULL);
}

static struct followed *find(struct follow *follow, uint32_t id)
{
    for (size_t i = 0; i < FOLLOW_PACKETS; i++)
        if (follow->packets[i].used && follow->packets[i].id == id)
            return &follow->packets[i];
    return NULL;
}

static struct followed *begin(struct follow *follow, const struct nftrace_event *event)
{
    for (size_t i = 0; i < FOLLOW_PACKETS; i++) {
        struct followed *packet = &follow->packets[i];
        if (packet->used)
            continue;
        *packet = (struct followed){.used = true,
                                    .id = event->id,
                                    .marked = event->packet,
                                    .now = event->packet,
                                    .passed = BUF_INIT(PASSED_MAX)};
        follow->begun++;
        return packet;
    }
    follow->not_followed++;
    return NULL;
}

/* False when it came through there before. */
static bool enter(struct followed *packet, const struct nftrace_event *event)
{
    char entry[sizeof packet->entries[0]];
    (void)snprintf(entry, sizeof entry, "%.10s of %u", event->chain, event->arrived_on);
    for (size_t i = 0; i < packet->entry_count; i++)
        if (strcmp(packet->entries[i], entry) == 0)
            return false;
    if (packet->entry_count < ARRAY_SIZE(packet->entries))
        memcpy(packet->entries[packet->entry_count++], entry, sizeof entry);
    return true;
}

static void add_arrival(struct followed *packet, uint32_t ifindex)
{
    for (uint32_t i = 0; i < packet->arrival_count; i++)
        if (packet->arrivals[i] == ifindex)
            return;
    if (ifindex && packet->arrival_count < NFTRACE_ARRIVALS_MAX)
        packet->arrivals[packet->arrival_count++] = ifindex;
}

/*
 * At one of our chains, each of which tells of a packet first with its headers. The kernel uses the numbers
 * of packets again: one that comes to the same chain for the second time is another packet.
 */
static void take_own(struct follow *follow, struct followed *packet, const struct nftrace_event *event,
                     uint64_t now_ns)
{
    if (!event->has_packet)
        return;
    if (packet && !enter(packet, event)) {
        tell_end(follow, packet, NULL);
        packet = NULL;
    }
    if (!packet) {
        packet = begin(follow, event);
        if (!packet)
            return;
        (void)enter(packet, event);
    }
    packet->last_ns = now_ns;
    add_arrival(packet, event->arrived_on);
}

static void note_passed(struct followed *packet, const struct nftrace_event *event)
{
    buf_printf(&packet->passed, "%s%s %s/%s", packet->passed.len ? "; " : "",
               nftrace_family_name(event->family), event->table, event->chain);
    if (event->policy)
        buf_text(&packet->passed, " policy");
    else
        buf_printf(&packet->passed, " handle %" PRIu64, event->handle);
}

void follow_event(struct follow *follow, const struct nftrace_event *event, uint64_t now_ns)
{
    struct followed *packet = find(follow, event->id);
    if (strcmp(event->table, follow->table) == 0) {
        take_own(follow, packet, event, now_ns);
        return;
    }
    if (!packet)
        return; /* marked by somebody else, or its end was told */
    packet->last_ns = now_ns;
    if (event->has_packet)
        packet->now = event->packet;
    if (event->leaves_by)
        packet->leaves_by = event->leaves_by;
    packet->away = event->verdict == NFTRACE_TAKE;
    if (event->verdict == NFTRACE_DROP)
        tell_end(follow, packet, event);
    else if (event->verdict != NFTRACE_GOES_ON)
        note_passed(packet, event);
}
