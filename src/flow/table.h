/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The flows of one window: an open-addressing hash table of cache-line slots, bounded. */

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "flow/flow.h"

struct flow_table {
    struct flow *slots; /* owned; a power of two of them, aligned to cache lines */
    size_t capacity;
    size_t count;
    size_t max_count; /* flow_table_add refuses new flows beyond it */
    uint64_t window;  /* start, seconds since the epoch */
    uint32_t interval; /* seconds */
};

int flow_table_init(struct flow_table *table, uint64_t window, uint32_t interval, size_t max_count) MUST_USE;
void flow_table_done(struct flow_table *table);

/* Hash of the key part of a flow (everything up to and including `reject`, and `interface`). */
uint64_t flow_hash(const struct flow *flow);

/* Brings the slot's cache line in; for callers that work in batches. */
void flow_table_prefetch(const struct flow_table *table, uint64_t hash);

/*
 * Adds the counts of `flow` to the slot with its key, made if need be: packets and bytes wrap (signed
 * deltas), flags are or-ed, times widened, a drop reason kept. Returns the slot, valid until the next add,
 * or NULL when the table is at max_count or memory ran out: the caller must then empty it, or account a loss.
 */
struct flow *flow_table_add(struct flow_table *table, const struct flow *flow, uint64_t hash) MUST_USE;

/* The slot with this key, or NULL. */
struct flow *flow_table_find(const struct flow_table *table, const struct flow *flow, uint64_t hash);

/* The next used slot at or after *position, which moves on; NULL at the end. Start with 0. */
struct flow *flow_table_next(const struct flow_table *table, size_t *position);
