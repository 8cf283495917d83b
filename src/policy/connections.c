/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/connections.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/hash.h"
#include "bpf/parse.h"
#include "flow/flow.h"

enum { SLOTS_MIN = 1024, LARGE_PAGE = 2 * 1024 * 1024 };

_Static_assert(CONNECTIONS_CHUNK * sizeof(struct connection) == LARGE_PAGE, "a chunk fills a large page");

/* Of a tracked connection. */
enum { STATE_NEW, STATE_OPEN };
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

/* The words overlap at the end. */
bool connection_key_equal(const struct connection_key *a, const struct connection_key *b)
{
    uint64_t differ = word_at(a, sizeof *a - 8) ^ word_at(b, sizeof *b - 8);
    for (size_t at = 0; at < sizeof *a / 8 * 8; at += 8)
        differ |= word_at(a, at) ^ word_at(b, at);
    return differ == 0;
}

static uint32_t number_in(uint64_t slot)
{
    return (uint32_t)slot - 1;
}

/* The half of the hash that a slot keeps tells where it goes, too. */
static uint32_t hash_of(const struct connections *table, const struct connection_key *key)
{
    return (uint32_t)hash_bytes(key, sizeof *key, table->seed);
}

/* The slot of the key, or the free one where it would go. */
static uint64_t *place(const struct connections *table, const struct connection_key *key, uint32_t hash)
{
    size_t at = hash & table->mask;
    for (; table->slots[at]; at = (at + 1) & table->mask)
        if (table->slots[at] >> 32 == hash &&
            connection_key_equal(&connections_at(table, number_in(table->slots[at]))->key, key))
            break;
    return &table->slots[at];
}

struct connection *connections_find(const struct connections *table, const struct connection_key *key)
{
    uint64_t slot = table->slots ? *place(table, key, hash_of(table, key)) : 0;
    return slot ? connections_at(table, number_in(slot)) : NULL;
}

/* Zeroed; in large pages where it fills some: a look-up then misses the memory's own tables less often. */
static void *allocate(size_t size)
{
    if (size < LARGE_PAGE)
        return calloc(1, size);
    void *items = aligned_alloc(LARGE_PAGE, size);
    if (items) {
        (void)madvise(items, size, MADV_HUGEPAGE); /* only an advice */
        memset(items, 0, size);
    }
    return items;
}

static bool grow_slots(struct connections *table)
{
    size_t size = table->slots ? (table->mask + 1) * 2 : SLOTS_MIN;
    uint64_t *slots = allocate(size * sizeof *slots);
    if (!slots)
        return false;
    if (!table->slots && getrandom(&table->seed, sizeof table->seed, 0) < 0)
        table->seed = (uintptr_t)table; /* better than none */
    for (size_t i = 0; table->slots && i <= table->mask; i++) {
        if (!table->slots[i])
            continue;
        size_t at = (table->slots[i] >> 32) & (size - 1);
        while (slots[at])
            at = (at + 1) & (size - 1);
        slots[at] = table->slots[i];
    }
    free(table->slots);
    table->slots = slots;
    table->mask = size - 1;
    return true;
}

/* The first one is left to the memory's small pages, as most tables are small. */
static bool grow_chunks(struct connections *table)
{
    size_t count = table->count / CONNECTIONS_CHUNK;
    struct connection **chunks = reallocarray(table->chunks, count + 1, sizeof(struct connection *));
    if (!chunks)
        return false;
    table->chunks = chunks;
    chunks[count] = aligned_alloc(LARGE_PAGE, LARGE_PAGE);
    if (chunks[count] && count > 0)
        (void)madvise(chunks[count], LARGE_PAGE, MADV_HUGEPAGE); /* only an advice */
    return chunks[count] != NULL;
}

uint32_t connections_add(struct connections *table, const struct connection_key *key)
{
    if ((!table->slots || (table->count + 1) * 3 > (table->mask + 1) * 2) &&
        table->count < table->max_count && !grow_slots(table))
        return CONNECTION_NONE;
    if (!table->slots)
        return CONNECTION_NONE;
    uint32_t hash = hash_of(table, key);
    uint64_t *slot = place(table, key, hash);
    if (*slot)
        return number_in(*slot);
    if (table->count >= table->max_count || (table->count % CONNECTIONS_CHUNK == 0 && !grow_chunks(table)))
        return CONNECTION_NONE;
    uint32_t number = (uint32_t)table->count++;
    *connections_at(table, number) = (struct connection){.key = *key};
    *slot = (uint64_t)hash << 32 | (number + 1);
    return number;
}

void connections_done(struct connections *table)
{
    for (size_t at = 0; at < table->count; at += CONNECTIONS_CHUNK)
        free(table->chunks[at / CONNECTIONS_CHUNK]);
    free(table->chunks);
    free(table->slots);
    *table = (struct connections){.max_count = table->max_count};
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
    uint32_t number = connections_add(&tracker->table, key);
    if (number == CONNECTION_NONE) {
        tracker->not_tracked++;
        return;
    }
    struct connection *connection = connections_at(&tracker->table, number);
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
