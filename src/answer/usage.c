/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/usage.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/parse.h"

enum { RULES_MAX = 10000000 };

struct need_key {
    const struct policy_rule *rule;
    uint32_t low;
    uint32_t high;
    uint8_t peer[16];
    uint64_t family;
};

_Static_assert(sizeof(struct need_key) == sizeof(void *) + 8 + 16 + 8, "the key has no padding");

void usage_init(struct usage *usage, bool counts_only)
{
    *usage = (struct usage){
        .counts_only = counts_only,
        .rules = {.key_size = sizeof(const struct policy_rule *), .max_count = RULES_MAX},
        .needs = {.key_size = sizeof(struct need_key), .max_count = NEEDS_MAX},
    };
}

void usage_done(struct usage *usage)
{
    numbering_done(&usage->rules);
    numbering_done(&usage->needs);
    free(usage->uses);
    free(usage->need_totals);
}

/* The item of that number in a list that grows along; NULL without memory. */
static void *item_at(void **items, size_t *capacity, size_t size, uint32_t number)
{
    if (number == NUMBER_NONE)
        return NULL;
    if (number >= *capacity) {
        size_t larger = *capacity ? *capacity * 2 : 256;
        char *grown = reallocarray(*items, larger, size);
        if (!grown)
            return NULL;
        memset(grown + *capacity * size, 0, (larger - *capacity) * size);
        *items = grown;
        *capacity = larger;
    }
    return (char *)*items + number * size;
}

static struct rule_use *use_of(struct usage *usage, const struct policy_rule *rule)
{
    return item_at((void **)&usage->uses, &usage->use_capacity, sizeof *usage->uses,
                   numbering_add(&usage->rules, &rule));
}

/* How narrow a rule's source is: names of groups and lists come before addresses, long prefixes before short.
 */
static unsigned narrowness(const struct policy_rule *rule)
{
    return rule->source == SOURCE_BLOCK ? rule->block.prefix : 256;
}

static const struct policy_rule *narrowest(const struct policy_rule *const *rules, size_t count)
{
    const struct policy_rule *found = rules[0];
    for (size_t i = 1; i < count; i++) {
        uint32_t width = rules[i]->high - rules[i]->low;
        if (narrowness(rules[i]) > narrowness(found) ||
            (narrowness(rules[i]) == narrowness(found) && width < found->high - found->low))
            found = rules[i];
    }
    return found;
}

static void set_need(struct need_key *ret, const struct policy_rule *rule, const struct policy_packet *packet)
{
    bool has_ports = packet->protocol == PROTOCOL_TCP || packet->protocol == PROTOCOL_UDP;
    bool one_port = has_ports && !packet->partial;
    *ret = (struct need_key){
        .rule = rule,
        .low = SELECTOR(packet->protocol, one_port ? packet->destination_port : 0),
        .high = SELECTOR(packet->protocol, one_port ? packet->destination_port : UINT16_MAX),
        .family = packet->family,
    };
    /* Of a rule for a few types or ports nobody knows which they were: all of them. */
    ret->low = ret->low < rule->low ? rule->low : ret->low;
    ret->high = ret->high > rule->high ? rule->high : ret->high;
    if (rule->source == SOURCE_BLOCK)
        memcpy(ret->peer, packet->egress ? packet->destination : packet->source, sizeof ret->peer);
}

static void note_need(struct usage *usage, const struct policy_rule *rule, const struct policy_packet *packet,
                      const struct totals *totals)
{
    struct need_key key;
    struct rule_use *use = use_of(usage, rule);
    if (!use || use->has_too_many) {
        usage->not_held += !use;
        return;
    }
    set_need(&key, rule, packet);
    uint32_t count = usage->needs.count;
    uint32_t number = numbering_add(&usage->needs, &key);
    struct totals *sum =
        item_at((void **)&usage->need_totals, &usage->need_capacity, sizeof *usage->need_totals, number);
    if (!sum) {
        use->has_too_many = true;
        return;
    }
    totals_add(sum, totals);
    if (number == count && ++use->needs >= NEEDS_PER_RULE_MAX)
        use->has_too_many = true;
}

void usage_note(struct usage *usage, const struct policy_interface *interface,
                const struct policy_packet *packet, const struct decision *decision, bool answers,
                const struct totals *totals)
{
    const struct policy_rule *admitting[ADMITTING_MAX];
    struct rule_use *use = decision->acl_entry ? use_of(usage, decision->acl_entry) : NULL;
    if (use)
        totals_add(&use->all, totals);
    if (answers || decision->verdict != VERDICT_ACCEPT || decision->decider != DECIDER_SECURITY_GROUP)
        return;
    size_t count = policy_admitting(interface, packet, admitting, ADMITTING_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!(use = use_of(usage, admitting[i])))
            continue;
        totals_add(&use->all, totals);
        use->alone += count == 1;
    }
    if (count && !usage->counts_only)
        note_need(usage, narrowest(admitting, count), packet, totals);
}

struct rule_use usage_of(const struct usage *usage, const struct policy_rule *rule)
{
    static const struct rule_use unused;
    uint32_t number = numbering_find(&usage->rules, &rule);
    return number == NUMBER_NONE || number >= usage->use_capacity ? unused : usage->uses[number];
}

struct need usage_need(const struct usage *usage, uint32_t number)
{
    const struct need_key *key = numbering_key(&usage->needs, number);
    struct need need = {.rule = key->rule,
                        .low = key->low,
                        .high = key->high,
                        .peer = {.family = (uint8_t)key->family},
                        .totals = usage->need_totals[number]};
    memcpy(need.peer.bytes, key->peer, sizeof need.peer.bytes);
    return need;
}

bool usage_has_group(const struct policy *policy, const struct policy_group *group, const bool *seen)
{
    for (size_t i = 0; i < policy->interfaces.count; i++)
        for (size_t n = 0; seen[i] && n < policy->interfaces.items[i].group_ids.count; n++)
            if (strcmp(policy->interfaces.items[i].group_ids.items[n], group->item.id) == 0)
                return true;
    return false;
}

bool usage_has_acl(const struct policy *policy, const struct policy_acl *acl, const bool *seen)
{
    for (size_t i = 0; i < policy->interfaces.count; i++)
        if (seen[i] && policy->interfaces.items[i].subnet && policy->interfaces.items[i].subnet->acl == acl)
            return true;
    return false;
}
