/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/accounts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

struct part {
    struct account_key key;
    struct account account;
    struct account_slot *slot; /* where it is; NULL: in the hash map */
};

struct parts {
    struct part *parts;
    size_t count;
    size_t capacity;
};

static struct part *parts_add(struct parts *parts, struct account_key key)
{
    if (parts->count == parts->capacity) {
        size_t capacity = parts->capacity ? parts->capacity * 2 : 64;
        struct part *grown = reallocarray(parts->parts, capacity, sizeof *grown);
        if (!grown)
            return NULL;
        parts->parts = grown;
        parts->capacity = capacity;
    }
    struct part *part = &parts->parts[parts->count++];
    *part = (struct part){.key = key};
    return part;
}

static void add_account(struct account *sum, const struct account *part)
{
    uint64_t *to = (uint64_t *)sum;
    const uint64_t *from = (const uint64_t *)part;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

static bool is_held(const struct account_slot *slot, struct account_key *ret)
{
    uint64_t holder = __atomic_load_n(&slot->holder, __ATOMIC_ACQUIRE);
    *ret = (struct account_key){.ifindex = (uint32_t)holder, .window = (uint32_t)(holder >> 32)};
    return holder != 0;
}

static int collect_slots(struct parts *parts, struct account_slot *slots, size_t slot_count, uint32_t before)
{
    for (size_t i = 0; i < slot_count; i++) {
        struct account_key key;
        if (!is_held(&slots[i], &key) || key.window >= before)
            continue;
        struct part *part = parts_add(parts, key);
        if (!part)
            return -ENOMEM;
        part->account = slots[i].account;
        part->slot = &slots[i];
    }
    return 0;
}

static int collect_hash(struct parts *parts, int fd, uint32_t before)
{
    int cpus = libbpf_num_possible_cpus();
    AUTO_FREE struct account *values = cpus > 0 ? calloc((size_t)cpus, sizeof *values) : NULL;
    if (!values)
        return -ENOMEM;
    struct account_key key;
    struct account_key next;
    int r = bpf_map_get_next_key(fd, NULL, &next);
    while (r == 0) {
        key = next;
        r = bpf_map_get_next_key(fd, &key, &next);
        if (key.window >= before || bpf_map_lookup_elem(fd, &key, values) < 0)
            continue;
        struct part *part = parts_add(parts, key);
        if (!part)
            return -ENOMEM;
        for (int cpu = 0; cpu < cpus; cpu++)
            add_account(&part->account, &values[cpu]);
    }
    return 0;
}

static int compare_parts(const void *a, const void *b)
{
    const struct account_key *first = &((const struct part *)a)->key;
    const struct account_key *second = &((const struct part *)b)->key;
    if (first->window != second->window)
        return first->window < second->window ? -1 : 1;
    return first->ifindex < second->ifindex ? -1 : first->ifindex > second->ifindex;
}

static void free_slot(struct account_slot *slot)
{
    memset(&slot->account, 0, sizeof slot->account);
    __atomic_store_n(&slot->holder, 0, __ATOMIC_RELEASE);
}

static void remove_part(const struct part *part, int fd)
{
    if (part->slot)
        free_slot(part->slot);
    else
        (void)bpf_map_delete_elem(fd, &part->key);
}

static void visit_parts(const struct parts *parts, int fd, const struct live_accounts *visit)
{
    for (size_t i = 0; i < parts->count;) {
        struct account sum = {0};
        size_t end = i;
        while (end < parts->count && compare_parts(&parts->parts[i], &parts->parts[end]) == 0)
            add_account(&sum, &parts->parts[end++].account);
        visit->account(visit->context, &parts->parts[i].key, &sum);
        for (; i < end; i++)
            if (visit->take)
                remove_part(&parts->parts[i], fd);
    }
}

int accounts_visit(struct account_slot *slots, size_t slot_count, int fd, const struct live_accounts *visit)
{
    struct parts parts = {0};
    int r = collect_slots(&parts, slots, slot_count, visit->before);
    if (r == 0)
        r = collect_hash(&parts, fd, visit->before);
    if (r == 0 && parts.count) {
        qsort(parts.parts, parts.count, sizeof *parts.parts, compare_parts);
        visit_parts(&parts, fd, visit);
    }
    free(parts.parts);
    return r;
}

void accounts_forget(struct account_slot *slots, size_t slot_count, int fd, const struct account_key *key)
{
    for (size_t i = 0; i < slot_count; i++) {
        struct account_key held;
        if (is_held(&slots[i], &held) && held.ifindex == key->ifindex && held.window == key->window)
            free_slot(&slots[i]);
    }
    (void)bpf_map_delete_elem(fd, key);
}
