/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Connection tracking as security groups do it (api.md 4.3), packet by packet in the order of their times. A
 * packet that the documents reject starts nothing. Protocols without ports are tracked by addresses alone.
 */

#include <stddef.h>
#include <stdint.h>

#include "policy/decide.h"

#define CONNECTIONS_MAX_DEFAULT 4000000

struct connection_key {
    uint8_t local[16];
    uint8_t remote[16];
    uint32_t interface; /* index given by the caller */
    uint16_t local_port;
    uint16_t remote_port;
    uint8_t family;
    uint8_t protocol;
    uint8_t zero[2];
};

_Static_assert(sizeof(struct connection_key) == 44, "the key has no padding");

/* A cache line. Times are seconds since the epoch, up to 2106. */
struct connection {
    struct connection_key key;
    uint8_t state; /* 0 in a new one; users of the table give the others their meaning */
    uint8_t direction;
    uint8_t flags;
    uint8_t other_state; /* by a second set of rules, where two are compared */
    uint32_t last_s;
    uint32_t first_s[2];
    uint32_t zeros;
};

_Static_assert(sizeof(struct connection) == 64, "a connection is one cache line");

#define CONNECTION_NONE UINT32_MAX
#define CONNECTIONS_CHUNK 32768 /* connections, 2 MiB */

/*
 * Connections are numbered as they come and stay where they are. What is searched holds eight bytes of each,
 * so that the many that come once and the next one's answer cost one miss of the cache, and growing moves
 * little. Zeroed but for max_count to begin with.
 */
struct connections {
    struct connection **chunks; /* owned, as are they */
    uint64_t *slots;            /* owned; half of the key's hash, then its number + 1; 0 is free */
    size_t mask;
    size_t count;
    size_t max_count; /* below CONNECTION_NONE */
    uint64_t seed;    /* so that nobody outside can choose keys that collide */
};

/* A packet's key; the same for both directions. */
void connection_key(struct connection_key *ret, const struct policy_packet *packet, uint32_t interface);

/* As memcmp(), which compilers do not unfold for this size. */
bool connection_key_equal(const struct connection_key *a, const struct connection_key *b);

/* Later times than the table holds are its last. */
static inline uint32_t connection_time(uint64_t second)
{
    return second < UINT32_MAX ? (uint32_t)second : UINT32_MAX;
}

static inline struct connection *connections_at(const struct connections *table, uint32_t number)
{
    return &table->chunks[number / CONNECTIONS_CHUNK][number % CONNECTIONS_CHUNK];
}

/* NULL when there is none. */
struct connection *connections_find(const struct connections *table, const struct connection_key *key);

/* The number of the one found or made; CONNECTION_NONE at max_count or without memory. */
uint32_t connections_add(struct connections *table, const struct connection_key *key);
void connections_done(struct connections *table);

struct tracker {
    struct connections table;
    uint64_t not_tracked; /* connections there was no place for: their replies are judged by the rules */
};

/* Decides the packet as one of the interface's history and remembers what it begins, carries on or ends. */
void policy_track(const struct policy *policy, const struct policy_interface *interface,
                  const struct policy_packet *packet, uint8_t tcp_flags, uint64_t second,
                  struct tracker *tracker, struct decision *ret);

/* How long an idle connection of that protocol is remembered; `stream`: UDP with several exchanges. */
struct policy_timeout policy_timeout(const struct policy_interface *interface, uint8_t protocol, bool stream);
