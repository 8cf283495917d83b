/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Gateways of this network namespace's routes, by rtnetlink: what the main table says. Nothing is said where
 * rules of policy routing, several paths, or too many routes leave it open.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/macro.h"

struct route {
    struct address_block destination;
    struct address gateway; /* family 0: none; on the link, or not to be told */
    uint32_t ifindex;       /* of where packets leave */
    uint32_t metric;
};

struct routes {
    struct route *items; /* owned, best first */
    size_t count;
};

/* -ENOTUNIQ where there are rules beyond the kernel's own, -E2BIG for more than some thousand routes. */
int routes_read(struct routes *ret) MUST_USE;
void routes_done(struct routes *routes);

/* The best route to an address, or NULL. */
const struct route *routes_find(const struct routes *routes, const struct address *destination);
