/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"

void registry_done(struct registry *registry)
{
    for (uint32_t i = 0; i < registry->count; i++) {
        interface_done(&registry->entries[i]->interface);
        free(registry->entries[i]);
    }
    free(registry->entries);
    *registry = (struct registry){0};
}

static bool is_entry_of(const struct registered *entry, uint32_t ifindex, bool living)
{
    return entry->used && entry->ifindex == ifindex && (!living || !entry->gone);
}

struct registered *registry_find(struct registry *registry, uint32_t ifindex, uint16_t *ret_index)
{
    if (registry->last < registry->count && is_entry_of(registry->entries[registry->last], ifindex, true)) {
        *ret_index = (uint16_t)registry->last;
        return registry->entries[registry->last];
    }
    struct registered *gone = NULL;
    for (uint32_t i = 0; i < registry->count; i++) {
        struct registered *entry = registry->entries[i];
        if (is_entry_of(entry, ifindex, false) && (!gone || !entry->gone)) {
            gone = entry;
            registry->last = i;
            if (!entry->gone)
                break;
        }
    }
    *ret_index = (uint16_t)registry->last;
    return gone;
}

struct registered *registry_at(const struct registry *registry, uint16_t index)
{
    return registry->entries[index];
}

static struct registered *append_entry(struct registry *registry)
{
    if (registry->count == REGISTRY_MAX)
        return NULL;
    struct registered **entries =
        reallocarray(registry->entries, registry->count + 1, sizeof *registry->entries);
    if (!entries)
        return NULL;
    registry->entries = entries;
    struct registered *entry = calloc(1, sizeof *entry);
    if (entry)
        entries[registry->count++] = entry;
    return entry;
}

static struct registered *unused_entry(struct registry *registry)
{
    for (uint32_t i = 0; i < registry->count; i++)
        if (!registry->entries[i]->used)
            return registry->entries[i];
    return append_entry(registry);
}

struct registered *registry_add(struct registry *registry, uint32_t ifindex)
{
    struct registered *entry = unused_entry(registry);
    if (!entry)
        return NULL;
    *entry = (struct registered){.used = true, .ifindex = ifindex};
    return entry;
}

struct registered *registry_put(struct registry *registry, uint16_t index, uint32_t ifindex)
{
    while (registry->count <= index)
        if (!append_entry(registry))
            return NULL;
    struct registered *entry = registry->entries[index];
    interface_done(&entry->interface);
    *entry = (struct registered){.used = true, .ifindex = ifindex};
    return entry;
}

void registry_forget(struct registry *registry, uint32_t window)
{
    for (uint32_t i = 0; i < registry->count; i++) {
        struct registered *entry = registry->entries[i];
        if (!entry->used || !entry->gone || entry->gone_window >= window)
            continue;
        interface_done(&entry->interface);
        *entry = (struct registered){0};
    }
}

/* Kinds of links that receive what arrives at the link they stand on; a tunnel's packets are others inside.
 */
static bool receives_through_lower(const struct link *link)
{
    static const char *const kinds[] = {"vlan", "macvlan", "ipvlan"};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(link->kind, kinds[i]) == 0)
            return true;
    return false;
}

void registry_set_neighbours(struct registered *entry, const struct link *link)
{
    entry->lower = receives_through_lower(link) ? link->lower : 0;
    entry->master = link->master;
}

struct stack_order {
    struct stacked pair;
    unsigned level; /* of `upper`, 0 at the top */
};

static int compare_stacks(const void *left, const void *right)
{
    const struct stack_order *a = left;
    const struct stack_order *b = right;
    if (a->level != b->level)
        return a->level < b->level ? -1 : 1;
    return (a->pair.upper > b->pair.upper) - (a->pair.upper < b->pair.upper);
}

static void add_stack(struct registry *registry, struct stack_order *pairs, size_t *count, uint32_t upper,
                      uint32_t lower)
{
    uint16_t upper_index;
    uint16_t lower_index;
    if (upper && lower && registry_find(registry, upper, &upper_index) &&
        registry_find(registry, lower, &lower_index))
        pairs[(*count)++] = (struct stack_order){.pair = {upper_index, lower_index}};
}

static void find_levels(struct stack_order *pairs, size_t count)
{
    enum { DEEPEST = 8 }; /* as deep as the kernel stacks devices */
    for (unsigned round = 0; round < DEEPEST; round++)
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < count; j++)
                if (pairs[j].pair.upper == pairs[i].pair.lower && pairs[j].level <= pairs[i].level)
                    pairs[j].level = pairs[i].level + 1;
}

size_t registry_stacks(struct registry *registry, struct stacked **ret)
{
    AUTO_FREE struct stack_order *pairs = calloc(2 * (size_t)registry->count + 1, sizeof *pairs);
    size_t count = 0;
    for (uint32_t i = 0; pairs && i < registry->count; i++) {
        const struct registered *entry = registry->entries[i];
        if (!entry->used || entry->gone)
            continue;
        add_stack(registry, pairs, &count, entry->master, entry->ifindex);
        add_stack(registry, pairs, &count, entry->ifindex, entry->lower);
    }
    struct stacked *stacks = count ? calloc(count, sizeof *stacks) : NULL;
    if (!stacks)
        return 0;
    find_levels(pairs, count);
    qsort(pairs, count, sizeof *pairs, compare_stacks);
    for (size_t i = 0; i < count; i++)
        stacks[i] = pairs[i].pair;
    *ret = stacks;
    return count;
}

bool registry_has_id(void *context, const char *interface_id)
{
    const struct registry *registry = context;
    for (uint32_t i = 0; i < registry->count; i++) {
        const struct registered *entry = registry->entries[i];
        if (entry->used && !entry->gone && strcmp(entry->interface.identity.interface_id, interface_id) == 0)
            return true;
    }
    return false;
}
