/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The flows of one window, bounded. Flows stand side by side in the order they first came, 64 bytes each; an
 * open-addressing index of 8-byte entries (half of the hash, place of the flow) finds them. A flow costs 75
 * to 96 bytes, and growing copies only the index. The hash is seeded per process, so that nobody outside can
 * choose addresses that collide.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "flow/flow.h"

struct flow_table {
    struct flow *flows; /* owned; aligned to cache lines */
    size_t count;
    size_t capacity;  /* flows there is room for */
    size_t max_count; /* flow_table_add refuses new flows beyond it */
    struct flow_index_entry {
        uint32_t tag;   /* upper half of the hash */
        uint32_t place; /* in `flows`, plus one; 0 is an empty entry */
    } * index;          /* owned; index_mask + 1 of them */
    size_t index_mask;
    uint64_t window;   /* start, seconds since the epoch */
    uint32_t interval; /* seconds */
};

/* Nothing is allocated before the first flow. -EINVAL when max_count is 0 or above FLOW_TABLE_MAX. */
int flow_table_init(struct flow_table *table, uint64_t window, uint32_t interval, size_t max_count) MUST_USE;
void flow_table_done(struct flow_table *table);

#define FLOW_TABLE_MAX ((size_t)UINT32_MAX / 2)

/*
 * Adds the counts of `flow` to the flow with its key, made if need be: packets and bytes wrap (signed
 * deltas), flags are or-ed, times widened, a drop reason kept. Returns it, valid until the next add, or NULL
 * when the table is at max_count or memory ran out: the caller must then empty it, or account a loss.
 */
struct flow *flow_table_add(struct flow_table *table, const struct flow *flow) MUST_USE;

/*
 * Adds `count` flows, of any number, overlapping their cache misses. Returns how many of them were added
 * before the table refused one: `count` when all were.
 */
size_t flow_table_add_many(struct flow_table *table, const struct flow *flows, size_t count) MUST_USE;

/* The flow with this key, or NULL. */
struct flow *flow_table_find(const struct flow_table *table, const struct flow *flow);

/* The flow at *position, which moves on; NULL at the end. Start with 0. First come, first served. */
struct flow *flow_table_next(const struct flow_table *table, size_t *position);
