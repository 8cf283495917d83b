/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which address of a capture has most packets, sent and received: the one that a capture was most likely
 * taken for. A tie goes to more bytes, then to a private address (RFC 1918, RFC 4193), then to the smaller
 * one, so that the order of packets decides nothing. Addresses no interface can own (multicast, broadcast,
 * unspecified) do not count.
 *
 * The flows are looked at more than once, so that not every address needs a place in memory: the first pass
 * sums up groups of addresses, the second counts the addresses of the heaviest group one by one, and a third
 * those of the groups that weigh as much as the best address so far, if there are any.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/macro.h"
#include "flow/table.h"

#define BUSIEST_GROUPS (1U << 16)
#define BUSIEST_BATCH 64

struct busiest {
    uint64_t *groups; /* owned; packets by a hash of the address */
    uint64_t minimum; /* packets of a group whose addresses are counted one by one */
    unsigned pass;
    unsigned pending;
    struct flow_table table;          /* of addresses, each as the source of a flow */
    struct flow batch[BUSIEST_BATCH]; /* to be added to the table */
};

/* At most `max_addresses` are counted one by one; later ones are passed over. -EINVAL, -ENOMEM. */
int busiest_init(struct busiest *busiest, size_t max_addresses) MUST_USE;
void busiest_done(struct busiest *busiest);

/* True when all flows are to be added, once more or for the first time. */
bool busiest_next_pass(struct busiest *busiest);

/* Counts the packets and bytes of the flow for both of its addresses. */
void busiest_add(struct busiest *busiest, const struct flow *flow);

/* After the last pass; false when no address was added. */
bool busiest_result(const struct busiest *busiest, struct address *ret);
