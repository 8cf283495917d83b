/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which address of a capture has most packets, sent and received: the one that a capture was most likely
 * taken for. A tie goes to more bytes, then to a private address (RFC 1918, RFC 4193), then to the smaller
 * one, so that the order of packets decides nothing. Addresses no interface can own (multicast, broadcast,
 * unspecified) do not count.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/macro.h"
#include "flow/table.h"

#define BUSIEST_BATCH 64

struct busiest {
    struct flow_table table; /* an address is a flow's source */
    struct flow batch[BUSIEST_BATCH];
    unsigned pending;
};

/* Addresses that first appear when `max_addresses` are known already do not count. */
int busiest_init(struct busiest *busiest, size_t max_addresses) MUST_USE;
void busiest_done(struct busiest *busiest);

/* Counts the packets and bytes of the flow for both of its addresses. */
void busiest_add(struct busiest *busiest, const struct flow *flow);

/* False when no address was added. */
bool busiest_result(struct busiest *busiest, struct address *ret);
