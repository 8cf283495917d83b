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

/* A cache line, as a look-up mostly waits for memory. Times are seconds since the epoch, up to 2106. */
struct connection {
    struct connection_key key;
    uint8_t state; /* 0 is a free place; users of the table give the others their meaning */
    uint8_t direction;
    uint8_t flags;
    uint8_t other_state; /* by a second set of rules, where two are compared */
    uint32_t last_s;
    uint32_t first_s[2];
    uint32_t zeros;
};

_Static_assert(sizeof(struct connection) == 64, "a connection is one cache line");

/* Open addressing; places move when it grows. Zeroed but for max_count to begin with. */
struct connections {
    struct connection *items; /* owned */
    size_t mask;
    size_t count;
    size_t max_count;
    uint64_t seed; /* so that nobody outside can choose keys that collide */
};

/* A packet's key; the same for both directions. */
void connection_key(struct connection_key *ret, const struct policy_packet *packet, uint32_t interface);

/* Later times than the table holds are its last. */
static inline uint32_t connection_time(uint64_t second)
{
    return second < UINT32_MAX ? (uint32_t)second : UINT32_MAX;
}

struct connection *connections_find(const struct connections *table, const struct connection_key *key);

/* Found or made, with state 0 when it is new: set it. NULL at max_count or without memory. */
struct connection *connections_add(struct connections *table, const struct connection_key *key);
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
