/* SPDX-License-Identifier: Apache-2.0 */
/* From the rules of the model to rule sets that answer quickly. */
#include "policy/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bpf/parse.h"
#include "policy/policy.h"

struct axes {
    struct spans spans[RULE_AXES];
};

static void axes_done(struct axes *axes)
{
    for (int axis = 0; axis < RULE_AXES; axis++)
        spans_done(&axes->spans[axis]);
}

rule_key address_key(const uint8_t bytes[static 16], uint8_t family)
{
    rule_key key = 0;
    for (int i = family == 4 ? 12 : 0; i < 16; i++)
        key = key << 8 | bytes[i];
    return key;
}

static rule_key low_bits(unsigned bits)
{
    return bits >= 128 ? ~(rule_key)0 : ((rule_key)1 << bits) - 1;
}

static int add_block(struct axes *axes, uint32_t rule, const struct address_block *block)
{
    bool is_ipv6 = block->base.family == 6;
    rule_key low = address_key(block->base.bytes, block->base.family);
    unsigned free_bits = (is_ipv6 ? 128U : 32U) - block->prefix;
    return spans_add(&axes->spans[is_ipv6 ? AXIS_IPV6 : AXIS_IPV4], rule, low, low | low_bits(free_bits));
}

static int add_every_address(struct axes *axes, uint32_t rule)
{
    int r = spans_add(&axes->spans[AXIS_IPV4], rule, 0, low_bits(32));
    return r < 0 ? r : spans_add(&axes->spans[AXIS_IPV6], rule, 0, low_bits(128));
}

static bool carries(const struct policy_interface *interface, const char *group_id)
{
    for (size_t i = 0; i < interface->group_ids.count; i++)
        if (strcmp(interface->group_ids.items[i], group_id) == 0)
            return true;
    return false;
}

static int add_members(struct axes *axes, uint32_t rule, const struct policy *policy, const char *group_id)
{
    for (size_t i = 0; i < policy->interfaces.count; i++) {
        const struct policy_interface *interface = &policy->interfaces.items[i];
        if (!carries(interface, group_id))
            continue;
        for (size_t n = 0; n < interface->addresses.count; n++) {
            const struct address *address = &interface->addresses.items[n];
            const struct address_block block = {*address, address->family == 4 ? 32 : 128};
            if (add_block(axes, rule, &block) < 0)
                return -ENOMEM;
        }
        for (size_t n = 0; n < interface->prefixes.count; n++)
            if (add_block(axes, rule, &interface->prefixes.items[n]) < 0)
                return -ENOMEM;
    }
    return 0;
}

static int add_entries(struct axes *axes, uint32_t rule, const struct policy *policy, const char *list_id)
{
    const struct policy_list *list = LIST_FIND(&policy->lists, list_id);
    for (size_t i = 0; list && i < list->blocks.count; i++)
        if (add_block(axes, rule, &list->blocks.items[i]) < 0)
            return -ENOMEM;
    return 0;
}

static int add_addresses(struct axes *axes, uint32_t number, const struct policy *policy,
                         const struct policy_rule *rule)
{
    switch ((enum rule_source)rule->source) {
    case SOURCE_BLOCK:
        return add_block(axes, number, &rule->block);
    case SOURCE_GROUP:
        return rule->doubt ? add_every_address(axes, number)
                           : add_members(axes, number, policy, rule->reference);
    case SOURCE_PREFIX_LIST:
        return rule->doubt ? add_every_address(axes, number)
                           : add_entries(axes, number, policy, rule->reference);
    case SOURCE_ANYTHING:
        return add_every_address(axes, number);
    case SOURCE_NOTHING:
        return 0;
    }
    return 0;
}

static int add_rule(struct axes *axes, uint32_t number, const struct policy *policy,
                    const struct policy_rule *rule)
{
    int r = spans_add(&axes->spans[AXIS_SELECTOR], number, rule->low, rule->high);
    return r < 0 ? r : add_addresses(axes, number, policy, rule);
}

enum rule_class { CLASS_OPEN, CLASS_FIRM, CLASS_DOUBTFUL, RULE_CLASSES };

static enum rule_class class_of(const struct policy_rule *rule)
{
    if (rule->doubt)
        return CLASS_DOUBTFUL;
    return rule->source == SOURCE_BLOCK && rule->block.prefix == 0 ? CLASS_OPEN : CLASS_FIRM;
}

/* AWS's condition for an untracked flow, as far as one direction is concerned (api.md 4.3). */
static void note_all_ports(struct group_rules *rules, const struct policy_rule *rule, enum rule_class class)
{
    static const uint8_t protocols[2] = {PROTOCOL_TCP, PROTOCOL_UDP};
    for (int i = 0; i < 2 && class == CLASS_OPEN; i++)
        if (rule->low <= SELECTOR(protocols[i], 0) && rule->high >= SELECTOR(protocols[i], UINT16_MAX))
            rules->all_ports[rule->block.base.family == 6][i] = true;
}

/* Appends the rules of one class, in the order of the documents. */
static int collect(struct group_rules *rules, struct axes *axes, const struct policy *policy,
                   const struct group_set *set, bool egress, enum rule_class class)
{
    for (size_t i = 0; i < set->group_count; i++) {
        const struct policy_group *group = LIST_FIND(&policy->groups, set->group_ids[i]);
        for (size_t n = 0; group && !group->item.doubt && n < group->rules.count; n++) {
            const struct policy_rule *rule = &group->rules.items[n];
            if (rule->egress != egress || class_of(rule) != class)
                continue;
            if (add_rule(axes, rules->count, policy, rule) < 0)
                return -ENOMEM;
            rules->rules[rules->count++] = rule;
            note_all_ports(rules, rule, class);
        }
    }
    return 0;
}

static int compile_direction(struct group_rules *rules, const struct policy *policy,
                             const struct group_set *set, bool egress)
{
    CLEANUP(axes_done) struct axes axes = {0};
    size_t most = 0;
    for (size_t i = 0; i < set->group_count; i++) {
        const struct policy_group *group = LIST_FIND(&policy->groups, set->group_ids[i]);
        most += group ? group->rules.count : 0;
    }
    rules->rules = calloc(most + 1, sizeof *rules->rules);
    if (!rules->rules)
        return -ENOMEM;
    if (collect(rules, &axes, policy, set, egress, CLASS_OPEN) < 0)
        return -ENOMEM;
    rules->open = rules->count;
    if (collect(rules, &axes, policy, set, egress, CLASS_FIRM) < 0)
        return -ENOMEM;
    rules->firm = rules->count;
    if (collect(rules, &axes, policy, set, egress, CLASS_DOUBTFUL) < 0)
        return -ENOMEM;
    return rule_set_init(&rules->set, rules->count, axes.spans);
}

/* A group that is not described, or in doubt itself, may have any rule. */
static int doubt_groups(struct policy *policy, struct group_set *set)
{
    for (size_t i = 0; i < set->group_count && !set->doubt; i++) {
        const struct policy_group *group = LIST_FIND(&policy->groups, set->group_ids[i]);
        if (group) {
            set->doubt = group->item.doubt;
            continue;
        }
        set->doubt = policy_text(policy, "the documents do not know security group %s", set->group_ids[i]);
        if (!set->doubt)
            return -ENOMEM;
    }
    return 0;
}

void group_set_free(struct group_set *set)
{
    if (!set)
        return;
    for (int i = 0; i < 2; i++) {
        free(set->direction[i].rules);
        rule_set_done(&set->direction[i].set);
    }
    free(set);
}

static struct group_set *find_group_set(const struct policy *policy, const struct policy_interface *interface)
{
    size_t size = interface->group_ids.count;
    for (size_t i = 0; i < policy->group_sets.count; i++) {
        struct group_set *set = policy->group_sets.items[i];
        size_t same = 0;
        while (set->group_count == size && same < size &&
               strcmp(set->group_ids[same], interface->group_ids.items[same]) == 0)
            same++;
        if (set->group_count == size && same == size)
            return set;
    }
    return NULL;
}

static int compile_groups(struct policy *policy, struct policy_interface *interface)
{
    interface->groups = find_group_set(policy, interface);
    if (interface->groups)
        return 0;
    struct group_set **slot = LIST_ADD(&policy->group_sets);
    if (!slot)
        return -ENOMEM;
    struct group_set *set = *slot = calloc(1, sizeof *set);
    if (!set) {
        policy->group_sets.count--;
        return -ENOMEM;
    }
    set->group_ids = interface->group_ids.items;
    set->group_count = interface->group_ids.count;
    int r = doubt_groups(policy, set);
    for (int egress = 0; egress < 2 && r == 0; egress++) {
        r = compile_direction(&set->direction[egress], policy, set, egress);
        if (r != -E2BIG)
            continue;
        set->doubt = "the security groups have more rules than can be looked up";
        set->direction[egress].count = 0;
        r = rule_set_init(&set->direction[egress].set, 0, (struct spans[RULE_AXES]){0});
    }
    interface->groups = set;
    return r;
}

static int compile_acl(struct policy *policy, struct policy_acl *acl)
{
    for (int egress = 0; egress < 2 && acl->sets[egress].words == 0; egress++) {
        CLEANUP(axes_done) struct axes axes = {0};
        for (size_t i = 0; i < acl->entries.count; i++)
            if (acl->entries.items[i].egress == egress &&
                add_rule(&axes, (uint32_t)i, policy, &acl->entries.items[i]) < 0)
                return -ENOMEM;
        int r = rule_set_init(&acl->sets[egress], (uint32_t)acl->entries.count, axes.spans);
        if (r == -E2BIG) {
            acl->item.doubt = "the network ACL has more entries than can be looked up";
            r = rule_set_init(&acl->sets[egress], 0, (struct spans[RULE_AXES]){0});
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* Longest prefix first; of equal ones static routes, then those by a prefix list, then propagated ones. */
static int compare_routes(const void *a, const void *b)
{
    const struct policy_route *x = a;
    const struct policy_route *y = b;
    if (x->destination.prefix != y->destination.prefix)
        return y->destination.prefix - x->destination.prefix;
    if (x->propagated != y->propagated)
        return x->propagated - y->propagated;
    return (x->list != NULL) - (y->list != NULL);
}

/* A route by a prefix list becomes one for each of its entries. */
static int expand_routes(struct policy *policy, struct policy_table *table)
{
    size_t count = table->routes.count;
    for (size_t i = 0; i < count; i++) {
        if (!table->routes.items[i].list)
            continue;
        const struct policy_list *list = LIST_FIND(&policy->lists, table->routes.items[i].list);
        if (!list || !list->has_entries) {
            table->item.doubt = policy_text(policy,
                                            "route table %s has a route to %s, whose entries the "
                                            "documents do not list",
                                            table->item.id, table->routes.items[i].list);
            if (!table->item.doubt)
                return -ENOMEM;
            continue;
        }
        for (size_t n = 0; n < list->blocks.count; n++) {
            struct policy_route *route = LIST_ADD(&table->routes);
            if (!route)
                return -ENOMEM;
            *route = table->routes.items[i];
            route->destination = list->blocks.items[n];
        }
    }
    return 0;
}

static int compile_table(struct policy *policy, struct policy_table *table)
{
    CLEANUP(axes_done) struct axes axes = {0};
    if (table->set.words)
        return 0;
    if (expand_routes(policy, table) < 0)
        return -ENOMEM;
    if (table->routes.count > 1)
        qsort(table->routes.items, table->routes.count, sizeof *table->routes.items, compare_routes);
    for (size_t i = 0; i < table->routes.count; i++) {
        const struct policy_route *route = &table->routes.items[i];
        if (route->destination.base.family == 0)
            continue; /* the route by a list itself */
        if (spans_add(&axes.spans[AXIS_SELECTOR], (uint32_t)i, 0, SELECTOR_MAX) < 0 ||
            add_block(&axes, (uint32_t)i, &route->destination) < 0)
            return -ENOMEM;
    }
    int r = rule_set_init(&table->set, (uint32_t)table->routes.count, axes.spans);
    if (r != -E2BIG)
        return r;
    table->item.doubt = "the route table has more routes than can be looked up";
    return rule_set_init(&table->set, 0, (struct spans[RULE_AXES]){0});
}

int policy_prepare(struct policy *policy, struct policy_interface *interface, struct fault *fault)
{
    struct policy_subnet *subnet = interface->subnet;
    int r = interface->groups ? 0 : compile_groups(policy, interface);
    if (r == 0 && subnet && subnet->acl)
        r = compile_acl(policy, subnet->acl);
    if (r == 0 && subnet && subnet->table)
        r = compile_table(policy, subnet->table);
    return r < 0 ? fault_set(fault, r, "out of memory for the rules of %s", interface->item.id) : 0;
}
