/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/window_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { INDEX_MIN = 64 };

void window_set_init(struct window_set *set, uint32_t interval, size_t max_flows)
{
    *set = (struct window_set){.interval = interval, .max_flows = max_flows};
}

static void window_free(struct window *window)
{
    flow_table_done(&window->table);
    free(window);
}

void window_set_done(struct window_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        window_free(set->open[i]);
    free(set->open);
    free(set->index);
    free(set->closed);
    *set = (struct window_set){0};
}

static size_t index_place(const struct window_set *set, uint64_t start)
{
    size_t at = hash_bytes(&start, sizeof start, (uintptr_t)set) & set->index_mask;
    while (set->index[at] && set->index[at]->table.window != start)
        at = (at + 1) & set->index_mask;
    return at;
}

/* Makes the index anew over what is open, with room for one more. */
static int index_rebuild(struct window_set *set)
{
    size_t places = INDEX_MIN;
    while (places < (set->count + 1) * 2)
        places *= 2;
    struct window **index = calloc(places, sizeof(struct window *));
    if (!index)
        return -ENOMEM;
    free(set->index);
    set->index = index;
    set->index_mask = places - 1;
    for (size_t i = 0; i < set->count; i++)
        set->index[index_place(set, set->open[i]->table.window)] = set->open[i];
    return 0;
}

static int make_room(struct window_set *set)
{
    if (set->count == set->capacity) {
        size_t capacity = set->capacity ? set->capacity * 2 : 16;
        struct window **open = reallocarray(set->open, capacity, sizeof *open);
        if (!open)
            return -ENOMEM;
        set->open = open;
        set->capacity = capacity;
    }
    bool crowded = !set->index || (set->count + 1) * 2 > set->index_mask + 1;
    return crowded ? index_rebuild(set) : 0;
}

static struct window *window_open(struct window_set *set, uint64_t start)
{
    if (make_room(set) < 0)
        return NULL;
    struct window *window = aligned_alloc(64, sizeof *window);
    if (!window)
        return NULL;
    if (flow_table_init(&window->table, start, set->interval, FLOW_TABLE_MAX) < 0) {
        free(window);
        return NULL;
    }
    window->pending = 0;
    set->open[set->count++] = window;
    set->index[index_place(set, start)] = window;
    return window;
}

struct window *window_set_find(struct window_set *set, uint64_t second)
{
    uint64_t start = second - second % set->interval;
    struct window *window = set->index ? set->index[index_place(set, start)] : NULL;
    if (!window)
        window = window_open(set, start);
    if (window)
        set->last = window;
    return window;
}

int window_set_flush(struct window_set *set, struct window *window)
{
    size_t before = window->table.count;
    size_t pending = window->pending;
    window->pending = 0;
    size_t added = flow_table_add_many(&window->table, window->batch, pending);
    set->flows += window->table.count - before;
    return added == pending ? 0 : -ENOMEM;
}

int window_set_flush_all(struct window_set *set)
{
    int r = 0;
    for (size_t i = 0; i < set->count && r == 0; i++)
        r = window_set_flush(set, set->open[i]);
    return r;
}

static size_t cost(const struct window_set *set)
{
    return set->flows + set->count * WINDOW_COST;
}

bool window_set_is_full(const struct window_set *set)
{
    return cost(set) >= set->max_flows;
}

size_t window_set_surplus(const struct window_set *set)
{
    size_t left = cost(set);
    size_t closing = 0;
    while (closing < set->count && left > set->max_flows - set->max_flows / 8)
        left -= set->open[closing++]->table.count + WINDOW_COST;
    return closing;
}

static int compare_windows(const void *a, const void *b)
{
    uint64_t first = (*(struct window *const *)a)->table.window;
    uint64_t second = (*(struct window *const *)b)->table.window;
    return first < second ? -1 : first > second;
}

void window_set_sort(struct window_set *set)
{
    if (set->count > 1)
        qsort(set->open, set->count, sizeof(struct window *), compare_windows);
}

static int remember_closed(struct window_set *set, size_t more)
{
    if (set->closed_count + more > set->closed_capacity) {
        size_t capacity = (set->closed_count + more) * 2;
        uint64_t *closed = reallocarray(set->closed, capacity, sizeof *closed);
        if (!closed)
            return -ENOMEM;
        set->closed = closed;
        set->closed_capacity = capacity;
    }
    for (size_t i = 0; i < more; i++)
        set->closed[set->closed_count++] = set->open[i]->table.window;
    return 0;
}

int window_set_close(struct window_set *set, size_t count)
{
    int r = remember_closed(set, count);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        set->flows -= set->open[i]->table.count;
        window_free(set->open[i]);
    }
    set->count -= count;
    memmove(set->open, set->open + count, set->count * sizeof(struct window *));
    set->last = NULL;
    return index_rebuild(set);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a;
    uint64_t second = *(const uint64_t *)b;
    return first < second ? -1 : first > second;
}

int window_set_starts(const struct window_set *set, uint64_t **ret, size_t *ret_count)
{
    size_t count = set->closed_count + set->count;
    uint64_t *starts = calloc(count + 1, sizeof *starts);
    if (!starts)
        return -ENOMEM;
    for (size_t i = 0; i < set->closed_count; i++)
        starts[i] = set->closed[i];
    for (size_t i = 0; i < set->count; i++)
        starts[set->closed_count + i] = set->open[i]->table.window;
    qsort(starts, count, sizeof *starts, compare_numbers);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || starts[i] != starts[i - 1])
            starts[kept++] = starts[i];
    *ret = starts;
    *ret_count = kept;
    return 0;
}
