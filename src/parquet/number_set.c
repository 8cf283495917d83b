/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/number_set.h"

#include <stdlib.h>
#include <string.h>

/*
 * Ports, times and counters that lie close together are looked up in a table by their distance from the
 * least, others in one by hash.
 */
#define TABLE_BITS 17
#define TABLE_LEN (1U << TABLE_BITS)
#define DISTINCT_MAX (TABLE_LEN / 4) /* of the hash table, so that it stays fast */

struct number_set {
    bool by_distance;
    int64_t min;
    uint32_t distinct;
    uint32_t table[TABLE_LEN]; /* number + 1; 0 is none */
    int64_t values[TABLE_LEN];
};

struct number_set *number_set_new(void)
{
    return calloc(1, sizeof(struct number_set));
}

void number_set_free(struct number_set *set)
{
    free(set);
}

const int64_t *number_set_values(const struct number_set *set)
{
    return set->values;
}

static uint64_t distance(const struct number_set *set, int64_t value)
{
    return (uint64_t)value - (uint64_t)set->min;
}

static void find_by_distance(struct number_set *set, const int64_t *values, uint32_t count, uint64_t range)
{
    memset(set->table, 0, (range + 1) * sizeof *set->table);
    for (uint32_t i = 0; i < count; i++)
        set->table[distance(set, values[i])] = 1;
    for (uint64_t d = 0; d <= range; d++) {
        if (!set->table[d])
            continue;
        set->values[set->distinct++] = (int64_t)((uint64_t)set->min + d);
        set->table[d] = set->distinct;
    }
}

/* The slot of the value, or the empty one that it belongs into. */
static uint32_t slot_of(const struct number_set *set, int64_t value)
{
    uint32_t at = (uint32_t)((uint64_t)value * 0x9e3779b97f4a7c15ULL >> (64 - TABLE_BITS));
    while (set->table[at] && set->values[set->table[at] - 1] != value)
        at = (at + 1) % TABLE_LEN;
    return at;
}

static bool find_by_hash(struct number_set *set, const int64_t *values, uint32_t count)
{
    uint32_t limit = count / 4 < DISTINCT_MAX ? count / 4 : DISTINCT_MAX;
    memset(set->table, 0, sizeof set->table);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = slot_of(set, values[i]);
        if (set->table[at])
            continue;
        if (set->distinct >= limit)
            return false;
        set->values[set->distinct++] = values[i];
        set->table[at] = set->distinct;
    }
    return true;
}

bool number_set_find(struct number_set *set, const int64_t *values, uint32_t count, uint32_t *ret_distinct)
{
    if (count == 0)
        return false;
    int64_t min = values[0], max = values[0];
    for (uint32_t i = 1; i < count; i++) {
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
    }
    uint64_t range = (uint64_t)max - (uint64_t)min;
    set->min = min;
    set->distinct = 0;
    set->by_distance = range < TABLE_LEN;
    if (set->by_distance)
        find_by_distance(set, values, count, range);
    else if (!find_by_hash(set, values, count))
        return false;
    *ret_distinct = set->distinct;
    return set->distinct == 1 || set->distinct <= count / 2;
}

void number_set_number(const struct number_set *set, const int64_t *values, uint32_t count, uint32_t *ret)
{
    if (set->by_distance)
        for (uint32_t i = 0; i < count; i++)
            ret[i] = set->table[distance(set, values[i])] - 1;
    else
        for (uint32_t i = 0; i < count; i++)
            ret[i] = set->table[slot_of(set, values[i])] - 1;
}
