/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Links by ifindex, and the list of addresses of each. */

#include <stdbool.h>
#include <stddef.h>

#include "topology/links.h"

/* Sorted by ifindex. */
struct link_table {
    struct link **links; /* owned */
    size_t count;
    size_t capacity;
};

void link_table_done(struct link_table *table);

struct link *link_table_find(const struct link_table *table, uint32_t ifindex);

/* A copy of the link without taking its addresses, or the one that is there already; NULL without memory. */
struct link *link_table_add(struct link_table *table, const struct link *link);

/* Gives the link to the caller; NULL when there is none. */
struct link *link_table_remove(struct link_table *table, uint32_t ifindex);

void link_cleanup(struct link **link);

/* 1 when that changed the list, 0 when it did not, -ENOMEM. */
int link_put_address(struct link *link, const struct link_address *address);
int link_drop_address(struct link *link, const struct address *address);

/* Whether everything but addresses and counters is the same. */
bool link_same(const struct link *a, const struct link *b);
bool link_same_addresses(const struct link *a, const struct link *b);
