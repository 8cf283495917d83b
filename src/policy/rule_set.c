/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rule_set.h"

#include <errno.h>
#include <stdlib.h>

int spans_add(struct spans *spans, uint32_t rule, rule_key low, rule_key high)
{
    if (spans->count == spans->capacity) {
        size_t capacity = spans->capacity ? spans->capacity * 2 : 64;
        struct span *items = reallocarray(spans->items, capacity, sizeof *items);
        if (!items)
            return -ENOMEM;
        spans->items = items;
        spans->capacity = capacity;
    }
    spans->items[spans->count++] = (struct span){.low = low, .high = high, .rule = rule};
    return 0;
}

void spans_done(struct spans *spans)
{
    free(spans->items);
    *spans = (struct spans){0};
}

static int compare_keys(const void *a, const void *b)
{
    rule_key x = *(const rule_key *)a;
    rule_key y = *(const rule_key *)b;
    return (x > y) - (x < y);
}

/* The interval that holds the key. The first begins at 0, so there always is one. */
static size_t find_narrow(const struct rule_cuts *cuts, uint32_t key)
{
    const uint32_t *base = cuts->narrow;
    for (size_t left = cuts->count; left > 1;) {
        size_t half = left / 2;
        base = base[half] <= key ? base + half : base;
        left -= half;
    }
    return (size_t)(base - cuts->narrow);
}

static size_t find_wide(const struct rule_cuts *cuts, rule_key key)
{
    const rule_key *base = cuts->keys;
    for (size_t left = cuts->count; left > 1;) {
        size_t half = left / 2;
        base = base[half] <= key ? base + half : base;
        left -= half;
    }
    return (size_t)(base - cuts->keys);
}

static size_t find(const struct rule_cuts *cuts, rule_key key)
{
    return cuts->narrow && key <= UINT32_MAX ? find_narrow(cuts, (uint32_t)key) : find_wide(cuts, key);
}

/* Of the axes of selectors and IPv4 addresses; an end beyond them begins no interval that anything is looked
 * up in. */
static int narrow(struct rule_cuts *cuts)
{
    if (cuts->keys[cuts->count - 1] > (rule_key)UINT32_MAX + 1)
        return 0;
    if (cuts->count > 1 && cuts->keys[cuts->count - 1] > UINT32_MAX)
        cuts->count--;
    cuts->narrow = calloc(cuts->count, sizeof *cuts->narrow);
    for (size_t i = 0; cuts->narrow && i < cuts->count; i++)
        cuts->narrow[i] = (uint32_t)cuts->keys[i];
    return cuts->narrow ? 0 : -ENOMEM;
}

static int cut(struct rule_cuts *cuts, enum rule_axis axis, const struct spans *spans)
{
    rule_key *keys = calloc(spans->count * 2 + 1, sizeof *keys);
    if (!keys)
        return -ENOMEM;
    size_t count = 1;
    for (size_t i = 0; i < spans->count; i++) {
        keys[count++] = spans->items[i].low;
        if (spans->items[i].high + 1 != 0)
            keys[count++] = spans->items[i].high + 1;
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (keys[i] != keys[kept - 1])
            keys[kept++] = keys[i];
    cuts->keys = keys;
    cuts->count = kept;
    return axis == AXIS_IPV6 ? 0 : narrow(cuts);
}

static int fill(struct rule_cuts *cuts, size_t words, const struct spans *spans)
{
    if (cuts->count > RULE_SET_BYTES_MAX / sizeof(uint64_t) / words)
        return -E2BIG;
    cuts->bits = calloc(cuts->count * words, sizeof *cuts->bits);
    if (!cuts->bits)
        return -ENOMEM;
    for (size_t i = 0; i < spans->count; i++) {
        const struct span *span = &spans->items[i];
        for (size_t at = find(cuts, span->low); at < cuts->count && cuts->keys[at] <= span->high; at++)
            cuts->bits[at * words + span->rule / 64] |= 1ULL << span->rule % 64;
    }
    return 0;
}

int rule_set_init(struct rule_set *set, uint32_t count, const struct spans spans[static RULE_AXES])
{
    *set = (struct rule_set){.count = count, .words = count / 64 + 1};
    for (enum rule_axis axis = 0; axis < RULE_AXES; axis++) {
        int r = cut(&set->cuts[axis], axis, &spans[axis]);
        if (r == 0)
            r = fill(&set->cuts[axis], set->words, &spans[axis]);
        if (r < 0) {
            rule_set_done(set);
            return r;
        }
    }
    return 0;
}

void rule_set_done(struct rule_set *set)
{
    for (int axis = 0; axis < RULE_AXES; axis++) {
        free(set->cuts[axis].keys);
        free(set->cuts[axis].narrow);
        free(set->cuts[axis].bits);
    }
    *set = (struct rule_set){0};
}

const uint64_t *rule_set_row(const struct rule_set *set, enum rule_axis axis, rule_key key)
{
    const struct rule_cuts *cuts = &set->cuts[axis];
    return cuts->bits + find(cuts, key) * set->words;
}

uint32_t rule_set_first(const struct rule_set *set, const uint64_t *a, const uint64_t *b)
{
    for (size_t i = 0; i < set->words; i++) {
        uint64_t both = a[i] & b[i];
        if (both)
            return (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(both);
    }
    return RULE_NONE;
}

rule_key rule_set_next(const struct rule_set *set, enum rule_axis axis, rule_key key)
{
    const struct rule_cuts *cuts = &set->cuts[axis];
    size_t next = find(cuts, key) + 1;
    return next < cuts->count ? cuts->keys[next] : 0;
}
