/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/attributed.h"

#include <stdlib.h>
#include <string.h>

void attributed_clear(struct attributed *attributed)
{
    for (size_t i = 0; i < attributed->count; i++)
        free(attributed->flows[i].rule);
    free(attributed->flows);
    *attributed = (struct attributed){0};
}

/* Where the flow is, or belongs. */
static size_t place_of(const struct attributed *attributed, const struct flow *flow)
{
    size_t low = 0;
    size_t high = attributed->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (memcmp(&attributed->flows[middle].key, flow, FLOW_KEY_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct attributed_flow *find_at(const struct attributed *attributed, size_t place,
                                       const struct flow *flow)
{
    if (place >= attributed->count || memcmp(&attributed->flows[place].key, flow, FLOW_KEY_SIZE) != 0)
        return NULL;
    return &attributed->flows[place];
}

const struct attributed_flow *attributed_find(const struct attributed *attributed, const struct flow *flow)
{
    return find_at(attributed, place_of(attributed, flow), flow);
}

static struct attributed_flow *insert(struct attributed *attributed, size_t place, const struct flow *flow)
{
    if (attributed->count >= ATTRIBUTED_MAX)
        return NULL;
    if (!attributed->flows)
        attributed->flows = calloc(ATTRIBUTED_MAX, sizeof *attributed->flows);
    if (!attributed->flows)
        return NULL;
    struct attributed_flow *at = &attributed->flows[place];
    memmove(at + 1, at, (attributed->count - place) * sizeof *at);
    *at = (struct attributed_flow){0};
    memcpy(&at->key, flow, FLOW_KEY_SIZE);
    attributed->count++;
    return at;
}

bool attributed_note(struct attributed *attributed, const struct flow *flow, const char *rule, uint64_t now_s)
{
    size_t place = place_of(attributed, flow);
    struct attributed_flow *known = find_at(attributed, place, flow);
    if (known && known->rule && (!rule || strcmp(known->rule, rule) != 0)) {
        free(known->rule);
        known->rule = NULL;
    } else if (!known) {
        known = insert(attributed, place, flow);
        if (known)
            known->rule = rule ? strdup(rule) : NULL;
    }
    if (known)
        known->seen_s = now_s;
    return known != NULL;
}

void attributed_forget(struct attributed *attributed, uint64_t before_s)
{
    size_t kept = 0;
    for (size_t i = 0; i < attributed->count; i++) {
        struct attributed_flow flow = attributed->flows[i];
        if (flow.seen_s < before_s)
            free(flow.rule);
        else
            attributed->flows[kept++] = flow;
    }
    attributed->count = kept;
}
