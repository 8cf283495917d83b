/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/connections.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/hash.h"
#include "bpf/parse.h"
#include "flow/flow.h"

enum { TABLE_MIN = 1024, LARGE_PAGE = 2 * 1024 * 1024 };

/* Of a tracked connection. */
enum { STATE_FREE, STATE_OPEN };
enum {
    FIN_INGRESS = 1,
    FIN_EGRESS = 2,
    FIN_BOTH = FIN_INGRESS | FIN_EGRESS,
    RESET = 4,
    ANSWERED = 8,
    STREAM = 16, /* asked again after an answer */
};

/* AWS does not publish how long a closed connection still takes packets; other trackers take 10 to 120 s. */
static const struct policy_timeout closed_timeout = {10, 120};
/* Nor that of ICMP. */
static const struct policy_timeout icmp_timeout = {30, 600};
static const struct policy_timeout other_timeout = {600, 600};

static bool has_ports(uint8_t protocol)
{
    return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP;
}

void connection_key(struct connection_key *ret, const struct policy_packet *packet, uint32_t interface)
{
    bool ports = has_ports(packet->protocol);
    *ret = (struct connection_key){
        .interface = interface, .family = packet->family, .protocol = packet->protocol};
    memcpy(ret->local, packet->egress ? packet->source : packet->destination, sizeof ret->local);
    memcpy(ret->remote, packet->egress ? packet->destination : packet->source, sizeof ret->remote);
    if (!ports)
        return;
    ret->local_port = packet->egress ? packet->source_port : packet->destination_port;
    ret->remote_port = packet->egress ? packet->destination_port : packet->source_port;
}

static uint64_t word_at(const struct connection_key *key, size_t at)
{
    uint64_t word;
    memcpy(&word, (const char *)key + at, sizeof word);
    return word;
}

/* As memcmp(), which compilers do not unfold for this size. The words overlap at the end. */
static bool same_key(const struct connection_key *a, const struct connection_key *b)
{
    uint64_t differ = word_at(a, sizeof *a - 8) ^ word_at(b, sizeof *b - 8);
    for (size_t at = 0; at < sizeof *a / 8 * 8; at += 8)
        differ |= word_at(a, at) ^ word_at(b, at);
    return differ == 0;
}

/* The place of the key, or the free one where it would go. */
static struct connection *place(const struct connections *table, const struct connection_key *key)
{
    size_t at = hash_bytes(key, sizeof *key, table->seed) & table->mask;
    while (table->items[at].state != STATE_FREE && !same_key(&table->items[at].key, key))
        at = (at + 1) & table->mask;
    return &table->items[at];
}

struct connection *connections_find(const struct connections *table, const struct connection_key *key)
{
    if (!table->items)
        return NULL;
    struct connection *found = place(table, key);
    return found->state == STATE_FREE ? NULL : found;
}

/* In large pages where they fill some: a look-up then misses the memory's own tables less often. */
static struct connection *allocate(size_t count)
{
    size_t size = count * sizeof(struct connection);
    struct connection *items = aligned_alloc(size >= LARGE_PAGE ? LARGE_PAGE : sizeof *items, size);
    if (items && size >= LARGE_PAGE)
        (void)madvise(items, size, MADV_HUGEPAGE); /* only an advice */
    if (items)
        memset(items, 0, size);
    return items;
}

static bool grow(struct connections *table)
{
    struct connections larger = *table;
    size_t size = table->items ? (table->mask + 1) * 2 : TABLE_MIN;
    larger.items = allocate(size);
    larger.mask = size - 1;
    if (!larger.items)
        return false;
    if (!table->items && getrandom(&larger.seed, sizeof larger.seed, 0) < 0)
        larger.seed = (uintptr_t)table; /* better than none */
    for (size_t i = 0; table->items && i <= table->mask; i++)
        if (table->items[i].state != STATE_FREE)
            *place(&larger, &table->items[i].key) = table->items[i];
    free(table->items);
    *table = larger;
    return true;
}

struct connection *connections_add(struct connections *table, const struct connection_key *key)
{
    struct connection *found = connections_find(table, key);
    if (found)
        return found;
    if (table->count >= table->max_count)
        return NULL;
    if ((!table->items || (table->count + 1) * 4 > (table->mask + 1) * 3) && !grow(table))
        return NULL;
    found = place(table, key);
    *found = (struct connection){.key = *key};
    table->count++;
    return found;
}

void connections_done(struct connections *table)
{
    free(table->items);
    table->items = NULL;
    table->count = 0;
}

struct policy_timeout policy_timeout(const struct policy_interface *interface, uint8_t protocol, bool stream)
{
    switch (protocol) {
    case PROTOCOL_TCP:
        return interface->tcp;
    case PROTOCOL_UDP:
        return stream ? interface->udp_stream : interface->udp;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
        return icmp_timeout;
    default:
        return other_timeout;
    }
}

static bool is_closed(const struct connection *connection)
{
    return connection->flags & RESET || (connection->flags & FIN_BOTH) == FIN_BOTH;
}

/* What a packet in the other direction, or late in the same, is to the connection. */
static struct connection_view look(const struct policy_interface *interface,
                                   const struct connection *connection, const struct policy_packet *packet,
                                   uint8_t tcp_flags, uint64_t second)
{
    struct connection_view view = {0};
    if (!connection)
        return view;
    bool closed = is_closed(connection);
    struct policy_timeout timeout =
        closed ? closed_timeout : policy_timeout(interface, packet->protocol, connection->flags & STREAM);
    second = connection_time(second);
    uint64_t idle = second > connection->last_s ? second - connection->last_s : 0;
    bool begins = packet->protocol == PROTOCOL_TCP && !policy_can_reply(packet, tcp_flags);
    if (closed && idle > timeout.most_s && !begins)
        view.state = CONNECTION_CLOSED;
    if (packet->egress == connection->direction || !policy_can_reply(packet, tcp_flags) ||
        idle > timeout.most_s)
        return view;
    if (idle <= timeout.sure_s)
        return (struct connection_view){.state = CONNECTION_REPLY};
    view.why =
        closed ? "the connection was closed before, and AWS does not say for how long it takes late packets"
               : "the connection was idle for longer than the shortest time-out AWS has, not longer than "
                 "the longest";
    view.state = CONNECTION_MAYBE;
    return view;
}

static void carry_on(struct connection *connection, const struct policy_packet *packet, uint8_t tcp_flags,
                     uint64_t second)
{
    bool begins = packet->protocol == PROTOCOL_TCP && (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
    if (begins)
        connection->flags = 0;
    if (packet->egress != connection->direction)
        connection->flags |= ANSWERED;
    else if (connection->flags & ANSWERED)
        connection->flags |= STREAM;
    if (tcp_flags & TCP_RST)
        connection->flags |= RESET;
    if (tcp_flags & TCP_FIN)
        connection->flags |= packet->egress ? FIN_EGRESS : FIN_INGRESS;
    if (second > connection->last_s)
        connection->last_s = connection_time(second);
}

/* Opened anew by a packet that a rule admitted. */
static void open_connection(struct tracker *tracker, const struct connection_key *key,
                            const struct policy_packet *packet, uint8_t tcp_flags, uint64_t second)
{
    struct connection *connection = connections_add(&tracker->table, key);
    if (!connection) {
        tracker->not_tracked++;
        return;
    }
    connection->state = STATE_OPEN;
    connection->direction = packet->egress;
    connection->flags = 0;
    connection->last_s = connection_time(second);
    carry_on(connection, packet, tcp_flags, second);
}

void policy_track(const struct policy *policy, const struct policy_interface *interface,
                  const struct policy_packet *packet, uint8_t tcp_flags, uint64_t second,
                  struct tracker *tracker, struct decision *ret)
{
    struct connection_key key;
    connection_key(&key, packet, 0);
    struct connection *connection = connections_find(&tracker->table, &key);
    struct connection_view view = look(interface, connection, packet, tcp_flags, second);
    if (packet->partial && view.state == CONNECTION_NONE)
        view =
            (struct connection_view){CONNECTION_MAYBE, "a packet without ports may belong to any connection"};
    policy_decide(policy, interface, packet, view, ret);
    if (ret->verdict != VERDICT_ACCEPT)
        return;
    bool goes_on = connection && connection->direction == packet->egress && ret->tracked;
    if (ret->decider == DECIDER_CONNECTION || goes_on)
        carry_on(connection, packet, tcp_flags, second);
    else if (ret->decider == DECIDER_SECURITY_GROUP && ret->tracked && policy_can_begin(packet))
        open_connection(tracker, &key, packet, tcp_flags, second);
}
