/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The open windows of a replay, found by the time of a packet, in any order of packets. Flows are collected
 * in batches per window, so that their cache misses overlap even where packets are shuffled. The memory is
 * bounded: the caller takes the oldest windows out when the set is full.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "flow/table.h"

#define WINDOW_BATCH 16
#define WINDOW_COST 32 /* what an open window counts for, in flows */

struct window {
    struct flow_table table; /* of the window; its start is table.window */
    unsigned pending;        /* flows in the batch */
    _Alignas(64) struct flow batch[WINDOW_BATCH];
};

struct window_set {
    struct window **open; /* owned; in order of their starts after window_set_sort */
    size_t count;
    size_t capacity;
    struct window **index; /* owned; open addressing by start; index_mask + 1 places */
    size_t index_mask;
    struct window *last; /* the one of the last packet */
    uint64_t *closed;    /* owned; starts of those taken out, in any order, perhaps repeated */
    size_t closed_count;
    size_t closed_capacity;
    size_t flows; /* in all tables */
    size_t max_flows;
    uint32_t interval;
};

void window_set_init(struct window_set *set, uint32_t interval, size_t max_flows);
void window_set_done(struct window_set *set);

/* The window of that second, opened if need be; NULL when memory ran out. Slow: compare with set->last first.
 */
struct window *window_set_find(struct window_set *set, uint64_t second) MUST_USE;

/* Counts the batch into the table. -ENOMEM. */
int window_set_flush(struct window_set *set, struct window *window) MUST_USE;
int window_set_flush_all(struct window_set *set) MUST_USE;

/* True when the bound is reached: take windows out before more flows come in. */
bool window_set_is_full(const struct window_set *set);

/* How many of the oldest have to go for an eighth of the bound to be free. After window_set_sort. */
size_t window_set_surplus(const struct window_set *set);

/* Puts `open` in the order of time. */
void window_set_sort(struct window_set *set);

/* Closes the first `count` of `open`: their flows are gone, their starts are remembered. -ENOMEM. */
int window_set_close(struct window_set *set, size_t count) MUST_USE;

/* The starts of all windows there ever were, in order, each once: *ret is the caller's to free. -ENOMEM. */
int window_set_starts(const struct window_set *set, uint64_t **ret, size_t *ret_count) MUST_USE;
