/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/table.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/hash.h"

enum {
    FLOWS_MIN = 16,
    INDEX_MIN = 32,
    BATCH = 16, /* as many misses as a core keeps in flight, and their keys still fit the first-level cache */
};

/* Arrays from this size on are mapped: they grow without being copied, and on huge pages. */
#define MAP_FROM ((size_t)1 << 20)

static uint64_t hash_seed;
static pthread_once_t hash_seed_once = PTHREAD_ONCE_INIT;

static void hash_seed_choose(void)
{
    if (getrandom(&hash_seed, sizeof hash_seed, 0) != (ssize_t)sizeof hash_seed)
        hash_seed = clock_wall_ns() ^ (uint64_t)(uintptr_t)&hash_seed << 32;
}

static uint64_t flow_hash(const struct flow *flow)
{
    return hash_bytes(flow, FLOW_KEY_SIZE, hash_seed);
}

static bool flow_key_equal(const struct flow *a, const struct flow *b)
{
    return memcmp(a, b, FLOW_KEY_SIZE) == 0;
}

int flow_table_init(struct flow_table *table, uint64_t window, uint32_t interval, size_t max_count)
{
    if (max_count == 0 || max_count > FLOW_TABLE_MAX)
        return -EINVAL;
    (void)pthread_once(&hash_seed_once, hash_seed_choose);
    *table = (struct flow_table){.max_count = max_count, .window = window, .interval = interval};
    return 0;
}

static void array_free(void *array, size_t size)
{
    if (size >= MAP_FROM)
        (void)munmap(array, size);
    else
        free(array);
}

/* A zeroed array of `size` bytes, or NULL. */
static void *array_new(size_t size)
{
    if (size < MAP_FROM) {
        void *array = aligned_alloc(64, (size + 63) & ~(size_t)63);
        return array ? memset(array, 0, size) : NULL;
    }
    void *array = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (array == MAP_FAILED)
        return NULL;
    (void)madvise(array, size, MADV_HUGEPAGE); /* slower without, never wrong */
    return array;
}

static void *array_grow(void *array, size_t old_size, size_t size)
{
    if (old_size >= MAP_FROM) {
        void *moved = mremap(array, old_size, size, MREMAP_MAYMOVE);
        if (moved == MAP_FAILED)
            return NULL;
        (void)madvise(moved, size, MADV_HUGEPAGE);
        return moved;
    }
    void *grown = array_new(size);
    if (!grown)
        return NULL;
    if (array)
        memcpy(grown, array, old_size);
    array_free(array, old_size);
    return grown;
}

static size_t index_size(const struct flow_table *table)
{
    return table->index ? (table->index_mask + 1) * sizeof *table->index : 0;
}

void flow_table_done(struct flow_table *table)
{
    array_free(table->flows, table->capacity * sizeof *table->flows);
    array_free(table->index, index_size(table));
    table->flows = NULL;
    table->index = NULL;
    table->count = table->capacity = table->index_mask = 0;
}

static int flows_grow(struct flow_table *table)
{
    size_t capacity = table->capacity ? table->capacity * 2 : FLOWS_MIN;
    void *flows =
        array_grow(table->flows, table->capacity * sizeof *table->flows, capacity * sizeof *table->flows);
    if (!flows)
        return -ENOMEM;
    table->flows = flows;
    table->capacity = capacity;
    return 0;
}

static void index_put(struct flow_index_entry *index, size_t mask, uint64_t hash, size_t place)
{
    size_t at = hash & mask;
    while (index[at].place)
        at = (at + 1) & mask;
    index[at] = (struct flow_index_entry){.tag = (uint32_t)(hash >> 32), .place = (uint32_t)place};
}

static int index_grow(struct flow_table *table)
{
    size_t entries = table->index ? (table->index_mask + 1) * 2 : INDEX_MIN;
    struct flow_index_entry *index = array_new(entries * sizeof *index);
    if (!index)
        return -ENOMEM;
    for (size_t i = 0; i < table->count; i++)
        index_put(index, entries - 1, flow_hash(&table->flows[i]), i + 1);
    array_free(table->index, index_size(table));
    table->index = index;
    table->index_mask = entries - 1;
    return 0;
}

/* The flow, or NULL; *ret_at is its entry, or the empty one where it would go. The index must exist. */
static struct flow *lookup(const struct flow_table *table, const struct flow *flow, uint64_t hash,
                           size_t *ret_at)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    size_t at = hash & table->index_mask;
    struct flow *found = NULL;
    for (; table->index[at].place; at = (at + 1) & table->index_mask) {
        struct flow *other = &table->flows[table->index[at].place - 1];
        if (table->index[at].tag == tag && flow_key_equal(other, flow)) {
            found = other;
            break;
        }
    }
    *ret_at = at;
    return found;
}

static struct flow *insert(struct flow_table *table, const struct flow *flow, uint64_t hash, size_t at)
{
    if (table->count >= table->max_count)
        return NULL;
    if (table->count == table->capacity && flows_grow(table) < 0)
        return NULL;
    struct flow *slot = &table->flows[table->count];
    *slot = *flow;
    table->count++;
    table->index[at] =
        (struct flow_index_entry){.tag = (uint32_t)(hash >> 32), .place = (uint32_t)table->count};
    return slot;
}

/* At most three quarters of the index are in use, so that a search always ends. */
static bool index_has_room(const struct flow_table *table)
{
    return table->index && (table->count + 1) * 4 <= (table->index_mask + 1) * 3;
}

static struct flow *add(struct flow_table *table, const struct flow *flow, uint64_t hash)
{
    size_t at;
    struct flow *slot = table->index ? lookup(table, flow, hash, &at) : NULL;
    if (!slot) {
        if (!index_has_room(table)) {
            if (index_grow(table) < 0)
                return NULL;
            (void)lookup(table, flow, hash, &at); /* for the place alone: it is not there */
        }
        return insert(table, flow, hash, at);
    }
    slot->packets += flow->packets;
    slot->bytes += flow->bytes;
    slot->tcp_flags |= flow->tcp_flags;
    if (flow->first_s < slot->first_s)
        slot->first_s = flow->first_s;
    if (flow->last_s > slot->last_s)
        slot->last_s = flow->last_s;
    if (flow->drop_reason)
        slot->drop_reason = flow->drop_reason;
    return slot;
}

struct flow *flow_table_add(struct flow_table *table, const struct flow *flow)
{
    return add(table, flow, flow_hash(flow));
}

/* The flow that the hash points to first: right for nearly all that are there. */
static void prefetch_flow(const struct flow_table *table, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    size_t at = hash & table->index_mask;
    while (table->index[at].place && table->index[at].tag != tag)
        at = (at + 1) & table->index_mask;
    if (table->index[at].place)
        __builtin_prefetch(&table->flows[table->index[at].place - 1], 1);
}

static size_t add_batch(struct flow_table *table, const struct flow *flows, size_t count)
{
    uint64_t hashes[BATCH];
    for (size_t i = 0; i < count; i++) {
        hashes[i] = flow_hash(&flows[i]);
        if (table->index)
            __builtin_prefetch(&table->index[hashes[i] & table->index_mask]);
    }
    for (size_t i = 0; table->index && i < count; i++)
        prefetch_flow(table, hashes[i]);
    for (size_t i = 0; i < count; i++)
        if (!add(table, &flows[i], hashes[i]))
            return i;
    return count;
}

size_t flow_table_add_many(struct flow_table *table, const struct flow *flows, size_t count)
{
    for (size_t done = 0; done < count;) {
        size_t part = count - done < BATCH ? count - done : BATCH;
        size_t added = add_batch(table, flows + done, part);
        done += added;
        if (added < part)
            return done;
    }
    return count;
}

struct flow *flow_table_find(const struct flow_table *table, const struct flow *flow)
{
    size_t at;
    return table->index ? lookup(table, flow, flow_hash(flow), &at) : NULL;
}

struct flow *flow_table_next(const struct flow_table *table, size_t *position)
{
    return *position < table->count ? &table->flows[(*position)++] : NULL;
}
