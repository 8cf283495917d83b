/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/registry.h"

#include <stdlib.h>
#include <string.h>

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
