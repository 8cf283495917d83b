/* SPDX-License-Identifier: Apache-2.0 */
/* What the documents say, put together: sorted, told apart from contradictions, references resolved. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "policy/load.h"
#include "policy/policy.h"

enum { IPV4_DEFAULT_DENY = 32767 };

static void tell(struct loader *loader, const char *file, const char *format, ...) PRINTF_LIKE(3, 4);

static void tell(struct loader *loader, const char *file, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const struct node node = {.name = file, .index = NO_INDEX, .mistakes = &loader->mistakes};
    node_mistake(&node, "%s", text);
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const struct policy_item *)a)->id, ((const struct policy_item *)b)->id);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

#define SORT(list, compare)                                                                                  \
    do {                                                                                                     \
        if ((list)->count > 1)                                                                               \
            qsort((list)->items, (list)->count, sizeof *(list)->items, compare);                             \
    } while (0)

/* What describe-instances says of an interface is less, not other, than what describe-network-interfaces
 * does. */
static int compare_interfaces(const void *a, const void *b)
{
    const struct policy_interface *x = a;
    const struct policy_interface *y = b;
    int order = strcmp(x->item.id, y->item.id);
    return order ? order : x->from_instance - y->from_instance;
}

static bool same_text(const char *a, const char *b)
{
    return !a || !b ? !a && !b : strcmp(a, b) == 0;
}

/* Whether `a` has every address of `b`. */
static bool has_addresses_of(const struct policy_interface *a, const struct policy_interface *b)
{
    for (size_t i = 0; i < b->addresses.count; i++)
        if (!policy_interface_owns(a, &b->addresses.items[i]))
            return false;
    return true;
}

/* `b` comes later in their order. */
static bool same_interface(const struct policy_interface *a, const struct policy_interface *b)
{
    if (!same_text(a->subnet_id, b->subnet_id) || !same_text(a->vpc_id, b->vpc_id) ||
        a->group_ids.count != b->group_ids.count || !has_addresses_of(a, b) ||
        (a->from_instance == b->from_instance && !has_addresses_of(b, a)))
        return false;
    for (size_t i = 0; i < a->group_ids.count; i++)
        if (strcmp(a->group_ids.items[i], b->group_ids.items[i]) != 0)
            return false;
    return true;
}

static bool same_item(const void *a, const void *b)
{
    return json_equal(((const struct policy_item *)a)->json, ((const struct policy_item *)b)->json);
}

static bool same_interface_item(const void *a, const void *b)
{
    return same_item(a, b) || same_interface(a, b);
}

struct kind {
    const char *what;
    bool (*same)(const void *a, const void *b);
    void (*done)(void *item);
};

/* Keeps the first of each id; another description that differs puts it in doubt. */
static int drop_repeated(struct loader *loader, void *items, size_t *count, size_t size,
                         const struct kind *kind)
{
    char *base = items;
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        struct policy_item *item = (struct policy_item *)(base + i * size);
        struct policy_item *last = kept ? (struct policy_item *)(base + (kept - 1) * size) : NULL;
        if (!last || strcmp(last->id, item->id) != 0) {
            if (kept != i)
                memcpy(base + kept * size, item, size);
            kept++;
            continue;
        }
        if (!kind->same(last, item) && !last->doubt) {
            tell(loader, item->file, "%s %s is described twice, and differently (also in %s)", kind->what,
                 item->id, last->file);
            last->doubt = policy_text(loader->policy, "%s %s is described twice, and differently", kind->what,
                                      item->id);
            if (!last->doubt)
                return -ENOMEM;
        }
        kind->done(item);
    }
    *count = kept;
    return 0;
}

#define DONE(type)                                                                                           \
    static void done_##type(void *item)                                                                      \
    {                                                                                                        \
        policy_##type##_done(item);                                                                          \
    }
DONE(group)
DONE(acl)
DONE(table)
DONE(vpc)
DONE(subnet)
DONE(interface)

/* A prefix list and its entries come from two calls: both are kept, as one. */
static int join_lists(struct policy *policy)
{
    size_t kept = 0;
    SORT(&policy->lists, compare_items);
    for (size_t i = 0; i < policy->lists.count; i++) {
        struct policy_list *list = &policy->lists.items[i];
        struct policy_list *last = kept ? &policy->lists.items[kept - 1] : NULL;
        if (!last || strcmp(last->item.id, list->item.id) != 0) {
            policy->lists.items[kept++] = *list;
            continue;
        }
        last->name = last->name ? last->name : list->name;
        last->has_entries |= list->has_entries;
        for (size_t n = 0; n < list->blocks.count; n++) {
            struct address_block *block = LIST_ADD(&last->blocks);
            if (!block)
                return -ENOMEM;
            *block = list->blocks.items[n];
        }
        policy_list_done(list);
    }
    policy->lists.count = kept;
    return 0;
}

static int sort_all(struct loader *loader)
{
    struct policy *policy = loader->policy;
    static const struct kind group = {"security group", same_item, done_group};
    static const struct kind acl = {"network ACL", same_item, done_acl};
    static const struct kind table = {"route table", same_item, done_table};
    static const struct kind vpc = {"VPC", same_item, done_vpc};
    static const struct kind subnet = {"subnet", same_item, done_subnet};
    static const struct kind interface = {"interface", same_interface_item, done_interface};
    SORT(&policy->groups, compare_items);
    SORT(&policy->acls, compare_items);
    SORT(&policy->tables, compare_items);
    SORT(&policy->vpcs, compare_items);
    SORT(&policy->subnets, compare_items);
    for (size_t i = 0; i < policy->interfaces.count; i++)
        SORT(&policy->interfaces.items[i].group_ids, compare_texts);
    SORT(&policy->interfaces, compare_interfaces);
#define DROP(list, kind) drop_repeated(loader, (list).items, &(list).count, sizeof *(list).items, kind)
    if (DROP(policy->groups, &group) < 0 || DROP(policy->acls, &acl) < 0 ||
        DROP(policy->tables, &table) < 0 || DROP(policy->vpcs, &vpc) < 0 ||
        DROP(policy->subnets, &subnet) < 0 || DROP(policy->interfaces, &interface) < 0)
        return -ENOMEM;
#undef DROP
    return join_lists(policy);
}

static int compare_flat(const void *a, const void *b)
{
    return strcmp(((const struct flat_rule *)a)->group_id, ((const struct flat_rule *)b)->group_id);
}

/* A group that only the flat form knows. */
static int add_missing_groups(struct loader *loader)
{
    struct policy *policy = loader->policy;
    size_t described = policy->groups.count;
    const char *last = NULL;
    SORT(&loader->flat, compare_flat);
    for (size_t i = 0; i < loader->flat.count; i++) {
        const struct flat_rule *flat = &loader->flat.items[i];
        if (last && strcmp(last, flat->group_id) == 0)
            continue;
        last = flat->group_id;
        if (list_find(policy->groups.items, described, sizeof *policy->groups.items, last))
            continue;
        struct policy_group *group = LIST_ADD(&policy->groups);
        if (!group)
            return -ENOMEM;
        group->item = (struct policy_item){.id = last, .file = flat->file};
    }
    SORT(&policy->groups, compare_items);
    return 0;
}

static bool is_same_rule(const struct policy_rule *a, const struct policy_rule *b)
{
    return a->egress == b->egress && a->low == b->low && a->high == b->high && a->source == b->source &&
           same_text(a->reference, b->reference) && a->block.prefix == b->block.prefix &&
           address_equal(&a->block.base, &b->block.base);
}

static const struct policy_rule *find_rule(const policy_rules *rules, const struct policy_rule *wanted)
{
    for (size_t i = 0; i < rules->count; i++)
        if (is_same_rule(&rules->items[i], wanted))
            return &rules->items[i];
    return NULL;
}

/* Rules that only one of the two forms has: the calls were made at different times, or one is cut short. */
static int dispute(struct loader *loader, const struct policy_group *group, policy_rules *rules,
                   const policy_rules *other, const char *form)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct policy_rule *rule = &rules->items[i];
        if (rule->doubt || find_rule(other, rule))
            continue;
        tell(loader, group->item.file, "a rule of security group %s is only in %s", group->item.id, form);
        rule->doubt =
            policy_text(loader->policy, "a rule of security group %s is only in %s", group->item.id, form);
        if (!rule->doubt)
            return -ENOMEM;
    }
    return 0;
}

/* A list that is not there might have held anything: an empty one is printed as such. */
static int doubt_unlisted(struct loader *loader, struct policy_item *item, const char *what)
{
    tell(loader, item->file, "the %s %s are not listed", what, item->id);
    item->doubt = policy_text(loader->policy, "the documents do not list the %s %s", what, item->id);
    return item->doubt ? 0 : -ENOMEM;
}

static int doubt_unlisted_rules(struct loader *loader, struct policy_group *group)
{
    for (int egress = 0; egress < 2; egress++) {
        if (group->listed[egress])
            continue;
        const char *direction = egress ? "egress" : "ingress";
        struct policy_rule *rule = LIST_ADD(&group->rules);
        if (!rule)
            return -ENOMEM;
        *rule = (struct policy_rule){.high = SELECTOR_MAX, .source = SOURCE_ANYTHING, .egress = egress};
        tell(loader, group->item.file, "the %s rules of security group %s are not listed", direction,
             group->item.id);
        rule->doubt =
            policy_text(loader->policy, "the documents do not list the %s rules of security group %s",
                        direction, group->item.id);
        if (!rule->doubt)
            return -ENOMEM;
    }
    return 0;
}

/* The flat form has the ids; what the other form has beside it is kept as disputed. */
static int merge_flat(struct loader *loader, struct policy_group *group)
{
    if (group->flat.count == 0)
        return doubt_unlisted_rules(loader, group);
    if (group->listed[0] && group->listed[1]) {
        if (dispute(loader, group, &group->flat, &group->rules, "SecurityGroupRules") < 0 ||
            dispute(loader, group, &group->rules, &group->flat, "SecurityGroups") < 0)
            return -ENOMEM;
    }
    for (size_t i = 0; i < group->rules.count; i++) {
        if (!group->rules.items[i].doubt)
            continue;
        struct policy_rule *rule = LIST_ADD(&group->flat);
        if (!rule)
            return -ENOMEM;
        *rule = group->rules.items[i];
    }
    free(group->rules.items);
    group->rules = group->flat;
    group->flat = (policy_rules){0};
    return 0;
}

static int join_flat_rules(struct loader *loader)
{
    struct policy *policy = loader->policy;
    if (add_missing_groups(loader) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < loader->flat.count; i++) {
        struct policy_group *group = LIST_FIND(&policy->groups, loader->flat.items[i].group_id);
        struct policy_rule *rule = LIST_ADD(&group->flat);
        if (!rule)
            return -ENOMEM;
        *rule = loader->flat.items[i].rule;
    }
    for (size_t i = 0; i < policy->groups.count; i++)
        if (merge_flat(loader, &policy->groups.items[i]) < 0)
            return -ENOMEM;
    return 0;
}

static int doubt_rule(struct loader *loader, const struct policy_group *group, struct policy_rule *rule,
                      const char *why)
{
    tell(loader, group->item.file, "security group %s: a rule names %s, which %s", group->item.id,
         rule->reference, why);
    rule->doubt = policy_text(loader->policy, "a rule of security group %s names %s, which %s",
                              group->item.id, rule->reference, why);
    return rule->doubt ? 0 : -ENOMEM;
}

/* Whether some interface carries the group, described or not. */
static bool is_carried(const struct policy *policy, const char *group_id)
{
    for (size_t i = 0; i < policy->interfaces.count; i++)
        for (size_t n = 0; n < policy->interfaces.items[i].group_ids.count; n++)
            if (strcmp(policy->interfaces.items[i].group_ids.items[n], group_id) == 0)
                return true;
    return false;
}

static int link_rule(struct loader *loader, const struct policy_group *group, struct policy_rule *rule)
{
    const struct policy *policy = loader->policy;
    rule->group = group;
    if (rule->doubt)
        return 0;
    if (rule->source == SOURCE_GROUP) {
        const struct policy_group *named = LIST_FIND(&policy->groups, rule->reference);
        if (!named && !is_carried(policy, rule->reference))
            return doubt_rule(loader, group, rule, "the documents do not know");
    }
    if (rule->source == SOURCE_PREFIX_LIST) {
        const struct policy_list *list = LIST_FIND(&policy->lists, rule->reference);
        if (!list || !list->has_entries)
            return doubt_rule(loader, group, rule, "the documents do not list the entries of");
    }
    return 0;
}

static int link_groups(struct loader *loader)
{
    for (size_t i = 0; i < loader->policy->groups.count; i++) {
        struct policy_group *group = &loader->policy->groups.items[i];
        for (size_t n = 0; n < group->rules.count; n++)
            if (link_rule(loader, group, &group->rules.items[n]) < 0)
                return -ENOMEM;
    }
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct policy_rule *x = a;
    const struct policy_rule *y = b;
    if (x->egress != y->egress)
        return x->egress - y->egress;
    if (x->number != y->number)
        return (x->number > y->number) - (x->number < y->number);
    return x->block.base.family - y->block.base.family;
}

/* An ACL has one entry per number and direction (of IPv4 and IPv6 together). */
static int link_acl(struct loader *loader, struct policy_acl *acl)
{
    SORT(&acl->entries, compare_entries);
    for (size_t i = 1; i < acl->entries.count; i++) {
        struct policy_rule *entry = &acl->entries.items[i];
        struct policy_rule *before = entry - 1;
        if (entry->egress != before->egress || entry->number != before->number ||
            entry->number >= IPV4_DEFAULT_DENY ||
            (is_same_rule(entry, before) && entry->deny == before->deny))
            continue;
        const char *direction = entry->egress ? "egress" : "ingress";
        tell(loader, acl->item.file, "network ACL %s has two %s entries %d", acl->item.id, direction,
             entry->number);
        const char *doubt = policy_text(loader->policy, "network ACL %s has two %s entries %d", acl->item.id,
                                        direction, entry->number);
        if (!doubt)
            return -ENOMEM;
        entry->doubt = before->doubt = doubt;
    }
    return acl->lists_entries || acl->item.doubt
               ? 0
               : doubt_unlisted(loader, &acl->item, "entries of network ACL");
}

/* Of a subnet: the one that is associated, else the default of the VPC (api.md 4.3, 3.3). */
static int associate(struct loader *loader, struct policy_subnet *subnet)
{
    struct policy *policy = loader->policy;
    struct policy_acl *standard = NULL;
    struct policy_table *main_table = NULL;
    bool is_open = false; /* which ACL it is */
    for (size_t i = 0; i < policy->acls.count; i++) {
        struct policy_acl *acl = &policy->acls.items[i];
        if (acl->is_default && same_text(acl->vpc_id, subnet->vpc_id) && acl->vpc_id)
            standard = acl;
        is_open |= !acl->is_default && !acl->lists_subnets && same_text(acl->vpc_id, subnet->vpc_id);
        for (size_t n = 0; n < acl->subnets.count; n++) {
            if (strcmp(acl->subnets.items[n], subnet->item.id) != 0)
                continue;
            if (subnet->acl && subnet->acl != acl) {
                tell(loader, acl->item.file, "subnet %s is associated with two network ACLs: %s and %s",
                     subnet->item.id, subnet->acl->item.id, acl->item.id);
                subnet->item.doubt =
                    policy_text(policy, "subnet %s is associated with two network ACLs", subnet->item.id);
            }
            subnet->acl = acl;
        }
    }
    for (size_t i = 0; i < policy->tables.count; i++) {
        struct policy_table *table = &policy->tables.items[i];
        if (table->is_main && same_text(table->vpc_id, subnet->vpc_id) && table->vpc_id)
            main_table = table;
        for (size_t n = 0; n < table->subnets.count; n++)
            if (strcmp(table->subnets.items[n], subnet->item.id) == 0)
                subnet->table = table;
    }
    subnet->acl = subnet->acl ? subnet->acl : is_open ? NULL : standard;
    subnet->table = subnet->table ? subnet->table : main_table;
    return 0;
}

/* Subnets that only an association or an interface names: their ACL is known, their blocks are not. */
static int add_named_subnets(struct policy *policy)
{
    size_t described = policy->subnets.count;
    for (size_t i = 0; i < policy->interfaces.count; i++) {
        const struct policy_interface *interface = &policy->interfaces.items[i];
        if (!interface->subnet_id ||
            list_find(policy->subnets.items, described, sizeof *policy->subnets.items, interface->subnet_id))
            continue;
        struct policy_subnet *subnet = LIST_ADD(&policy->subnets);
        if (!subnet)
            return -ENOMEM;
        subnet->item = (struct policy_item){.id = interface->subnet_id, .file = interface->item.file};
        subnet->vpc_id = interface->vpc_id;
    }
    SORT(&policy->subnets, compare_items);
    size_t kept = 0;
    for (size_t i = 0; i < policy->subnets.count; i++)
        if (kept == 0 ||
            strcmp(policy->subnets.items[kept - 1].item.id, policy->subnets.items[i].item.id) != 0)
            policy->subnets.items[kept++] = policy->subnets.items[i];
    policy->subnets.count = kept;
    return 0;
}

static void link_interfaces(struct loader *loader)
{
    struct policy *policy = loader->policy;
    for (size_t i = 0; i < policy->interfaces.count; i++) {
        struct policy_interface *interface = &policy->interfaces.items[i];
        if (interface->subnet_id)
            interface->subnet = LIST_FIND(&policy->subnets, interface->subnet_id);
        if (interface->vpc_id)
            interface->vpc = LIST_FIND(&policy->vpcs, interface->vpc_id);
        const struct policy_subnet *subnet = interface->subnet;
        if (subnet && subnet->vpc_id && interface->vpc_id && strcmp(subnet->vpc_id, interface->vpc_id) != 0) {
            tell(loader, interface->item.file, "interface %s is in VPC %s, its subnet %s in VPC %s",
                 interface->item.id, interface->vpc_id, subnet->item.id, subnet->vpc_id);
            interface->item.doubt = "the interface and its subnet are in different VPCs";
        }
        for (size_t n = 0; n < interface->group_ids.count; n++)
            if (!LIST_FIND(&policy->groups, interface->group_ids.items[n]))
                tell(loader, interface->item.file,
                     "interface %s carries security group %s, which the documents do not know",
                     interface->item.id, interface->group_ids.items[n]);
    }
}

/* By type of interface: whether AWS attaches groups to it, and tracks its connections in any case
 * (api.md 4.3).
 */
static const struct trait {
    const char *type;
    bool needs_no_group;
    bool always_tracked;
} traits[] = {
    {"nat_gateway", true, true},
    {"natGateway", true, true},
    {"transit_gateway", true, false},
    {"network_load_balancer", true, true},
    {"gateway_load_balancer", true, false},
    {"gateway_load_balancer_endpoint", true, true},
    {"vpc_endpoint", false, true},
    {"lambda", false, true},
    {"global_accelerator_managed", false, true},
};

static int set_traits(struct policy *policy, struct policy_interface *interface)
{
    for (size_t i = 0; i < ARRAY_SIZE(traits); i++) {
        if (!same_text(interface->type, traits[i].type))
            continue;
        interface->needs_no_group = traits[i].needs_no_group;
        interface->always_tracked = traits[i].always_tracked;
    }
    if (!interface->always_tracked)
        return 0;
    struct policy_interface **tracker = LIST_ADD(&policy->trackers);
    if (!tracker)
        return -ENOMEM;
    *tracker = interface;
    return 0;
}

int load_link(struct loader *loader)
{
    struct policy *policy = loader->policy;
    if (sort_all(loader) < 0 || join_flat_rules(loader) < 0 || link_groups(loader) < 0 ||
        add_named_subnets(policy) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < policy->acls.count; i++)
        if (link_acl(loader, &policy->acls.items[i]) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < policy->tables.count; i++) {
        struct policy_table *table = &policy->tables.items[i];
        if (!table->lists_routes && !table->item.doubt &&
            doubt_unlisted(loader, &table->item, "routes of route table") < 0)
            return -ENOMEM;
    }
    for (size_t i = 0; i < policy->subnets.count; i++)
        if (associate(loader, &policy->subnets.items[i]) < 0)
            return -ENOMEM;
    link_interfaces(loader);
    for (size_t i = 0; i < policy->interfaces.count; i++)
        if (set_traits(policy, &policy->interfaces.items[i]) < 0)
            return -ENOMEM;
    return 0;
}
