/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What many flows have in common, as those of a scanner, of which each alone is a packet or two: one end with
 * its port, or both ends. The most frequent of any number are found in one pass and bounded memory ("space
 * saving", Metwally, Agrawal, El Abbadi 2005): a count is too high by at most what its place had before it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow/flow.h"

enum { CROWDS_HELD = 32, CROWD_FLOWS_MIN = 8, CROWD_INTERFACES = 2 };

enum crowd_kind { CROWD_TO, CROWD_FROM, CROWD_BETWEEN, CROWD_KINDS };

struct crowd {
    enum crowd_kind kind;
    struct flow common; /* its key; what differs among them, and the interface, is 0 */
    struct flow last;   /* of them */
    uint32_t flows;     /* on each interface; at least flows - surplus */
    uint32_t surplus;
    uint16_t interfaces[CROWD_INTERFACES]; /* the first ones */
    unsigned interface_count;
};

/* Zeroed to begin with. What each flow is compared with lies close together. */
struct crowds {
    uint64_t hashes[CROWD_KINDS][CROWDS_HELD]; /* of what is common */
    uint32_t flows[CROWD_KINDS][CROWDS_HELD];
    struct crowd held[CROWD_KINDS][CROWDS_HELD]; /* without their flows */
    unsigned count[CROWD_KINDS];
};

/* `has_ports`: the flow's protocol has them. */
void crowds_note(struct crowds *crowds, const struct flow *flow, bool has_ports);

/* The largest that have CROWD_FLOWS_MIN flows, but for those that seem to be part of a larger one among them;
 * how many of `max` these are. */
size_t crowds_largest(const struct crowds *crowds, struct crowd *ret, size_t max);
