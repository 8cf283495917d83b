/* SPDX-License-Identifier: Apache-2.0 */
/* From the members of a document to the model (api.md 3). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "base/num.h"
#include "bpf/parse.h"
#include "policy/load.h"

enum { ALL_PROTOCOLS = -1, PORT_MAX = 65535, ICMP_MAX = 255, ACL_NUMBER_MAX = 65535 };

static const char *file_of(const struct node *node)
{
    while (node->parent)
        node = node->parent;
    return node->name;
}

static void begin_item(struct policy_item *item, const struct node *node, const char *id)
{
    *item = (struct policy_item){.id = id, .file = file_of(node), .json = node->json};
}

/* Whether the resource is left out, as a folder read before describes it; notes what that one describes. */
static bool is_replaced(const struct loader *loader, const char *name, const char *id)
{
    char key[256];
    if (!loader->replaced)
        return false;
    int len = snprintf(key, sizeof key, "%s=%s", name, id);
    if (len < 0 || (size_t)len >= sizeof key)
        return false;
    if (loader->replacing)
        (void)json_object_set_new(loader->replaced, key, json_true());
    return !loader->replacing && json_object_get(loader->replaced, key);
}

static const char *read_name(const struct node *node, const char *name)
{
    const char *id = node_text(node, name);
    if (node->json && (!id || !id[0])) {
        node_mistake(node, "%s is missing: passed over", name);
        return NULL;
    }
    return id;
}

/* The id of a resource, NULL when it is to be passed over: without one there is nothing to refer to it by. */
static const char *read_id(const struct loader *loader, const struct node *node, const char *name)
{
    const char *id = read_name(node, name);
    return id && is_replaced(loader, name, id) ? NULL : id;
}

static int add_text(const char ***items, size_t *count, size_t *capacity, const char *text)
{
    if (!text)
        return 0;
    const char **added = list_add((void **)items, count, capacity, sizeof *added);
    if (!added)
        return -ENOMEM;
    *added = text;
    return 0;
}

#define ADD_TEXT(list, text) add_text(&(list)->items, &(list)->count, &(list)->capacity, text)

/* -1 for all; false after a report. */
static bool read_protocol(const struct node *node, const char *name, int *ret)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"-1", ALL_PROTOCOLS}, {"all", ALL_PROTOCOLS},  {"tcp", PROTOCOL_TCP},
                 {"udp", PROTOCOL_UDP}, {"icmp", PROTOCOL_ICMP}, {"icmpv6", PROTOCOL_ICMPV6}};
    const char *text = node_text(node, name);
    uint64_t number;
    if (!text) {
        node_mistake(node, "%s is missing", name);
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(text, names[i].name) == 0) {
            *ret = names[i].number;
            return true;
        }
    }
    if (!num_parse_u64(text, strlen(text), UINT8_MAX, &number)) {
        node_mistake(node, "%s '%.20s': a protocol is due", name, text);
        return false;
    }
    *ret = (int)number;
    return true;
}

/* Both ends, which a rule of TCP or UDP always has; -1 at an end leaves it open. */
static bool read_ports(const struct node *node, int protocol, const char *first, const char *last,
                       struct policy_rule *rule)
{
    int32_t from = node_number(node, first, INT32_MIN);
    int32_t to = node_number(node, last, INT32_MIN);
    if (from == INT32_MIN || to == INT32_MIN) {
        node_mistake(node, "%s and %s are due", first, last);
        return false;
    }
    from = from == -1 ? 0 : from;
    to = to == -1 ? PORT_MAX : to;
    if (from < 0 || to > PORT_MAX || from > to) {
        node_mistake(node, "ports %d to %d: a range within 0 to 65535 is due", from, to);
        return false;
    }
    rule->low = SELECTOR(protocol, from);
    rule->high = SELECTOR(protocol, to);
    return true;
}

/* -1 is every one; every type means every code as well. */
static bool set_icmp(const struct node *node, int protocol, int32_t type, int32_t code,
                     struct policy_rule *rule)
{
    if (type < -1 || type > ICMP_MAX || code < -1 || code > ICMP_MAX) {
        node_mistake(node, "ICMP type %d, code %d: -1 to 255 are due", type, code);
        return false;
    }
    if (type == -1)
        return true;
    rule->low = SELECTOR(protocol, type << 8 | (code == -1 ? 0 : code));
    rule->high = SELECTOR(protocol, type << 8 | (code == -1 ? ICMP_MAX : code));
    return true;
}

/* Everything of the protocol, to be narrowed. */
static void set_protocol(int protocol, struct policy_rule *rule)
{
    rule->low = protocol == ALL_PROTOCOLS ? 0 : SELECTOR(protocol, 0);
    rule->high = protocol == ALL_PROTOCOLS ? SELECTOR_MAX : SELECTOR(protocol, PORT_MAX);
}

/* The protocol part of a permission or flat rule. */
static bool read_group_selectors(const struct node *node, struct policy_rule *rule)
{
    int protocol;
    if (!read_protocol(node, "IpProtocol", &protocol))
        return false;
    set_protocol(protocol, rule);
    if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP)
        return read_ports(node, protocol, "FromPort", "ToPort", rule);
    if (protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6)
        return set_icmp(node, protocol, node_number(node, "FromPort", -1), node_number(node, "ToPort", -1),
                        rule);
    return true;
}

static bool read_acl_selectors(const struct node *node, struct policy_rule *rule)
{
    int protocol;
    if (!read_protocol(node, "Protocol", &protocol))
        return false;
    set_protocol(protocol, rule);
    struct node ports = node_object(node, "PortRange");
    struct node icmp = node_object(node, "IcmpTypeCode");
    if ((protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP) && ports.json)
        return read_ports(&ports, protocol, "From", "To", rule);
    bool with_types =
        protocol == PROTOCOL_ICMP || (protocol == PROTOCOL_ICMPV6 && rule->block.base.family == 6);
    if (with_types && icmp.json)
        return set_icmp(&icmp, protocol, node_number(&icmp, "Type", -1), node_number(&icmp, "Code", -1),
                        rule);
    return true;
}

/* What could not be read might have been anything. */
static int make_doubtful(struct loader *loader, const char *owner, struct policy_rule *rule)
{
    rule->low = 0;
    rule->high = SELECTOR_MAX;
    rule->source = SOURCE_ANYTHING;
    rule->doubt = policy_text(loader->policy, "a rule of %s could not be read", owner);
    return rule->doubt ? 0 : -ENOMEM;
}

/* A peer's group that is gone, or whose peering is: such a rule matches nothing. */
static bool is_stale(const struct node *reference)
{
    const char *status = node_text(reference, "PeeringStatus");
    return status && status[0] && strcmp(status, "active") != 0;
}

static bool read_reference(const struct node *node, const char *member, uint8_t source,
                           struct policy_rule *rule)
{
    rule->reference = node_text(node, member);
    rule->source = source;
    if (source == SOURCE_GROUP && is_stale(node))
        rule->source = SOURCE_NOTHING;
    if (!rule->reference)
        node_mistake(node, "%s is missing", member);
    return rule->reference != NULL;
}

static bool read_source(const struct node *node, const char *member, uint8_t source, struct policy_rule *rule)
{
    if (source != SOURCE_BLOCK)
        return read_reference(node, member, source, rule);
    rule->source = SOURCE_BLOCK;
    if (node_block(node, member, &rule->block))
        return true;
    if (!node_text(node, member))
        node_mistake(node, "%s is missing", member);
    return false;
}

/* The lists of a permission's sources. */
static const struct {
    const char *list;
    const char *member;
    uint8_t source;
} sources[] = {
    {"IpRanges", "CidrIp", SOURCE_BLOCK},
    {"Ipv6Ranges", "CidrIpv6", SOURCE_BLOCK},
    {"PrefixListIds", "PrefixListId", SOURCE_PREFIX_LIST},
    {"UserIdGroupPairs", "GroupId", SOURCE_GROUP},
};

/* Some list, and no other thing in the place of one: else the permission may be for anybody. */
static bool lists_sources(const struct node *node)
{
    bool lists = false;
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        if (node_has(node, sources[i].list) && !node_has_list(node, sources[i].list))
            return false;
        lists |= node_has_list(node, sources[i].list);
    }
    return lists;
}

static int add_doubtful_rule(struct loader *loader, bool egress, struct policy_group *group)
{
    struct policy_rule *rule = LIST_ADD(&group->rules);
    if (!rule)
        return -ENOMEM;
    rule->egress = egress;
    return make_doubtful(loader, group->item.id, rule);
}

static int read_permission(struct loader *loader, const struct node *node, bool egress,
                           struct policy_group *group)
{
    struct policy_rule permission = {.egress = egress};
    bool readable = read_group_selectors(node, &permission);
    if (!lists_sources(node) && add_doubtful_rule(loader, egress, group) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        size_t count = node_count(node, sources[i].list);
        for (size_t n = 0; n < count; n++) {
            struct node source = node_element(node, sources[i].list, n);
            struct policy_rule *rule = LIST_ADD(&group->rules);
            if (!rule)
                return -ENOMEM;
            *rule = permission;
            if (!readable || !read_source(&source, sources[i].member, sources[i].source, rule))
                if (make_doubtful(loader, group->item.id, rule) < 0)
                    return -ENOMEM;
        }
    }
    return 0;
}

static int read_group(struct loader *loader, const struct node *node)
{
    static const char *const lists[] = {"IpPermissions", "IpPermissionsEgress"};
    const char *id = read_id(loader, node, "GroupId");
    if (!id)
        return 0;
    struct policy_group *group = LIST_ADD(&loader->policy->groups);
    if (!group)
        return -ENOMEM;
    begin_item(&group->item, node, id);
    group->owner = node_text(node, "OwnerId");
    for (int egress = 0; egress < 2; egress++) {
        size_t count = node_count(node, lists[egress]);
        group->listed[egress] = node_has_list(node, lists[egress]);
        for (size_t i = 0; i < count; i++) {
            struct node permission = node_element(node, lists[egress], i);
            if (read_permission(loader, &permission, egress, group) < 0)
                return -ENOMEM;
        }
    }
    return 0;
}

static bool read_flat_source(const struct node *node, struct policy_rule *rule)
{
    struct node group = node_object(node, "ReferencedGroupInfo");
    if (group.json)
        return read_source(&group, "GroupId", SOURCE_GROUP, rule);
    if (node_has(node, "PrefixListId"))
        return read_source(node, "PrefixListId", SOURCE_PREFIX_LIST, rule);
    return read_source(node, node_has(node, "CidrIpv6") ? "CidrIpv6" : "CidrIpv4", SOURCE_BLOCK, rule);
}

static int read_flat_rule(struct loader *loader, const struct node *node)
{
    const char *group_id = read_id(loader, node, "GroupId");
    if (!group_id)
        return 0;
    struct flat_rule *flat = LIST_ADD(&loader->flat);
    if (!flat)
        return -ENOMEM;
    flat->group_id = group_id;
    flat->file = file_of(node);
    flat->rule.egress = node_bool(node, "IsEgress");
    flat->rule.id = node_text(node, "SecurityGroupRuleId");
    if (read_group_selectors(node, &flat->rule) && read_flat_source(node, &flat->rule))
        return 0;
    return make_doubtful(loader, group_id, &flat->rule);
}

static bool read_acl_rule(const struct node *node, struct policy_rule *rule)
{
    const char *action = node_text(node, "RuleAction");
    if (!action || (strcmp(action, "allow") != 0 && strcmp(action, "deny") != 0)) {
        node_mistake(node, "RuleAction: allow or deny is due");
        return false;
    }
    rule->deny = action[0] == 'd';
    return read_source(node, node_has(node, "Ipv6CidrBlock") ? "Ipv6CidrBlock" : "CidrBlock", SOURCE_BLOCK,
                       rule) &&
           read_acl_selectors(node, rule);
}

static int read_acl_entry(struct loader *loader, const struct node *node, struct policy_acl *acl)
{
    struct policy_rule *rule = LIST_ADD(&acl->entries);
    if (!rule)
        return -ENOMEM;
    rule->egress = node_bool(node, "Egress");
    rule->number = node_number(node, "RuleNumber", -1);
    if (rule->number < 1 || rule->number > ACL_NUMBER_MAX) {
        node_mistake(node, "RuleNumber: 1 to 65535 is due");
        rule->number = 0; /* it may come before any other */
        return make_doubtful(loader, acl->item.id, rule);
    }
    return read_acl_rule(node, rule) ? 0 : make_doubtful(loader, acl->item.id, rule);
}

static int read_acl(struct loader *loader, const struct node *node)
{
    const char *id = read_id(loader, node, "NetworkAclId");
    if (!id)
        return 0;
    struct policy_acl *acl = LIST_ADD(&loader->policy->acls);
    if (!acl)
        return -ENOMEM;
    begin_item(&acl->item, node, id);
    acl->vpc_id = node_text(node, "VpcId");
    acl->is_default = node_bool(node, "IsDefault");
    acl->lists_subnets = node_has_list(node, "Associations");
    acl->lists_entries = node_has_list(node, "Entries");
    size_t count = node_count(node, "Associations");
    for (size_t i = 0; i < count; i++) {
        struct node association = node_element(node, "Associations", i);
        if (ADD_TEXT(&acl->subnets, node_text(&association, "SubnetId")) < 0)
            return -ENOMEM;
    }
    count = node_count(node, "Entries");
    for (size_t i = 0; i < count; i++) {
        struct node entry = node_element(node, "Entries", i);
        if (read_acl_entry(loader, &entry, acl) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* The first target member that is there. */
static void read_target(const struct node *node, struct policy_route *route)
{
    static const char *const targets[] = {"GatewayId",
                                          "NatGatewayId",
                                          "NetworkInterfaceId",
                                          "TransitGatewayId",
                                          "VpcPeeringConnectionId",
                                          "EgressOnlyInternetGatewayId",
                                          "CarrierGatewayId",
                                          "LocalGatewayId",
                                          "CoreNetworkArn",
                                          "OdbNetworkArn",
                                          "InstanceId",
                                          "IpAddress"};
    for (size_t i = 0; i < ARRAY_SIZE(targets) && !route->target; i++) {
        route->target = node_text(node, targets[i]);
        route->target_kind = targets[i];
    }
}

static int read_route(struct loader *loader, const struct node *node, struct policy_table *table)
{
    const char *state = node_text(node, "State");
    const char *origin = node_text(node, "Origin");
    struct policy_route route = {.blackhole = state && strcmp(state, "blackhole") == 0,
                                 .propagated = origin && strcmp(origin, "EnableVgwRoutePropagation") == 0};
    if (state && strcmp(state, "filtered") == 0)
        return 0;
    read_target(node, &route);
    route.list = node_text(node, "DestinationPrefixListId");
    bool is_ipv6 = node_has(node, "DestinationIpv6CidrBlock");
    if (!route.list && !node_block(node, is_ipv6 ? "DestinationIpv6CidrBlock" : "DestinationCidrBlock",
                                   &route.destination)) {
        node_mistake(node, "a destination is missing");
        table->item.doubt = policy_text(loader->policy, "a route of %s could not be read", table->item.id);
        return table->item.doubt ? 0 : -ENOMEM;
    }
    struct policy_route *added = LIST_ADD(&table->routes);
    if (!added)
        return -ENOMEM;
    *added = route;
    return 0;
}

static int read_table(struct loader *loader, const struct node *node)
{
    const char *id = read_id(loader, node, "RouteTableId");
    if (!id)
        return 0;
    struct policy_table *table = LIST_ADD(&loader->policy->tables);
    if (!table)
        return -ENOMEM;
    begin_item(&table->item, node, id);
    table->vpc_id = node_text(node, "VpcId");
    table->lists_routes = node_has_list(node, "Routes");
    size_t count = node_count(node, "Associations");
    for (size_t i = 0; i < count; i++) {
        struct node association = node_element(node, "Associations", i);
        table->is_main |= node_bool(&association, "Main");
        if (ADD_TEXT(&table->subnets, node_text(&association, "SubnetId")) < 0)
            return -ENOMEM;
    }
    count = node_count(node, "Routes");
    for (size_t i = 0; i < count; i++) {
        struct node route = node_element(node, "Routes", i);
        if (read_route(loader, &route, table) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int add_block(struct address_block **items, size_t *count, size_t *capacity,
                     const struct address_block *block)
{
    struct address_block *added = list_add((void **)items, count, capacity, sizeof *added);
    if (!added)
        return -ENOMEM;
    *added = *block;
    return 0;
}

#define ADD_BLOCK(list, block) add_block(&(list)->items, &(list)->count, &(list)->capacity, block)

/* The blocks of an association set whose state says "associated", or nothing. */
static int read_block_set(const struct node *node, const char *set, const char *member, const char *state,
                          struct address_block **items, size_t *count, size_t *capacity)
{
    size_t elements = node_count(node, set);
    for (size_t i = 0; i < elements; i++) {
        struct node element = node_element(node, set, i);
        struct node state_of = node_object(&element, state);
        const char *word = node_text(&state_of, "State");
        struct address_block block;
        if (word && strcmp(word, "associated") != 0)
            continue;
        if (node_block(&element, member, &block) && add_block(items, count, capacity, &block) < 0)
            return -ENOMEM;
    }
    return 0;
}

#define READ_BLOCK_SET(node, set, member, list)                                                              \
    read_block_set(node, set, member, member "State", &(list)->items, &(list)->count, &(list)->capacity)

static int read_vpc(struct loader *loader, const struct node *node)
{
    const char *id = read_id(loader, node, "VpcId");
    if (!id)
        return 0;
    struct policy_vpc *vpc = LIST_ADD(&loader->policy->vpcs);
    if (!vpc)
        return -ENOMEM;
    begin_item(&vpc->item, node, id);
    struct address_block block;
    if (node_block(node, "CidrBlock", &block) && ADD_BLOCK(&vpc->blocks, &block) < 0)
        return -ENOMEM;
    int r = READ_BLOCK_SET(node, "CidrBlockAssociationSet", "CidrBlock", &vpc->blocks);
    return r < 0 ? r : READ_BLOCK_SET(node, "Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock", &vpc->blocks);
}

static int read_subnet(struct loader *loader, const struct node *node)
{
    const char *id = read_id(loader, node, "SubnetId");
    if (!id)
        return 0;
    struct policy_subnet *subnet = LIST_ADD(&loader->policy->subnets);
    if (!subnet)
        return -ENOMEM;
    begin_item(&subnet->item, node, id);
    subnet->vpc_id = node_text(node, "VpcId");
    subnet->az_id = node_text(node, "AvailabilityZoneId");
    struct address_block block;
    if (node_block(node, "CidrBlock", &block) && ADD_BLOCK(&subnet->blocks, &block) < 0)
        return -ENOMEM;
    return READ_BLOCK_SET(node, "Ipv6CidrBlockAssociationSet", "Ipv6CidrBlock", &subnet->blocks);
}

/* Entries of a list, in any of the forms: objects with Cidr, or bare texts. */
static int read_list_entries(const struct node *node, const char *name, struct policy_list *list)
{
    size_t count = node_count(node, name);
    list->has_entries |= node_has(node, name);
    for (size_t i = 0; i < count; i++) {
        struct node entry = node_element(node, name, i);
        const char *text = json_string_value(entry.json);
        struct address_block block;
        if (text && !address_block_parse(text, strlen(text), &block)) {
            node_mistake(&entry, "'%.60s': an address block is due", text);
            continue;
        }
        if (!text && !node_block(&entry, "Cidr", &block))
            continue;
        if (ADD_BLOCK(&list->blocks, &block) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int add_prefix_list(struct loader *loader, const struct node *node, const char *id)
{
    struct policy_list *list = LIST_ADD(&loader->policy->lists);
    if (!list)
        return -ENOMEM;
    begin_item(&list->item, node, id);
    list->name = node_text(node, "PrefixListName");
    int r = read_list_entries(node, "Cidrs", list);
    return r < 0 ? r : read_list_entries(node, "Entries", list);
}

static int read_prefix_list(struct loader *loader, const struct node *node)
{
    const char *id = read_id(loader, node, "PrefixListId");
    return id ? add_prefix_list(loader, node, id) : 0;
}

static int add_address(struct policy_interface *interface, const struct address *address, bool first)
{
    for (size_t i = 0; i < interface->addresses.count; i++)
        if (address_equal(&interface->addresses.items[i], address))
            return 0;
    struct address *added = LIST_ADD(&interface->addresses);
    if (!added)
        return -ENOMEM;
    *added = *address;
    if (first) {
        *added = interface->addresses.items[0];
        interface->addresses.items[0] = *address;
    }
    return 0;
}

static int read_public_address(const struct node *node, struct policy_interface *interface)
{
    struct node association = node_object(node, "Association");
    struct address address;
    if (!node_address(&association, "PublicIp", &address))
        return 0;
    struct address *added = LIST_ADD(&interface->public_addresses);
    if (!added)
        return -ENOMEM;
    *added = address;
    return 0;
}

/* The private addresses of one list; the primary one goes to the front. */
static int read_addresses(const struct node *node, const char *list, const char *member, const char *primary,
                          struct policy_interface *interface)
{
    size_t count = node_count(node, list);
    for (size_t i = 0; i < count; i++) {
        struct node entry = node_element(node, list, i);
        struct address address;
        if (!node_address(&entry, member, &address))
            continue;
        if (add_address(interface, &address, node_bool(&entry, primary)) < 0 ||
            read_public_address(&entry, interface) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int read_groups_of_interface(const struct node *node, struct policy_interface *interface)
{
    interface->has_groups = node_has(node, "Groups");
    size_t count = node_count(node, "Groups");
    for (size_t i = 0; i < count; i++) {
        struct node group = node_element(node, "Groups", i);
        if (ADD_TEXT(&interface->group_ids, read_name(&group, "GroupId")) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int read_prefixes(const struct node *node, const char *list, const char *member,
                         struct policy_interface *interface)
{
    size_t count = node_count(node, list);
    for (size_t i = 0; i < count; i++) {
        struct node entry = node_element(node, list, i);
        struct address_block block;
        if (node_block(&entry, member, &block) && ADD_BLOCK(&interface->prefixes, &block) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int read_interface_addresses(const struct node *node, struct policy_interface *interface)
{
    struct address address;
    if (node_address(node, "PrivateIpAddress", &address) && add_address(interface, &address, false) < 0)
        return -ENOMEM;
    if (read_public_address(node, interface) < 0 ||
        read_addresses(node, "PrivateIpAddresses", "PrivateIpAddress", "Primary", interface) < 0 ||
        read_addresses(node, "Ipv6Addresses", "Ipv6Address", "IsPrimaryIpv6", interface) < 0 ||
        read_prefixes(node, "Ipv4Prefixes", "Ipv4Prefix", interface) < 0 ||
        read_prefixes(node, "Ipv6Prefixes", "Ipv6Prefix", interface) < 0)
        return -ENOMEM;
    return 0;
}

/* AWS's defaults (api.md 4.3); for TCP they depend on the type of the instance. */
static void read_timeouts(const struct node *node, struct policy_interface *interface)
{
    static const struct {
        const char *member;
        size_t offset;
        struct policy_timeout standard;
    } rows[] = {
        {"TcpEstablishedTimeout", offsetof(struct policy_interface, tcp), {350, 432000}},
        {"UdpTimeout", offsetof(struct policy_interface, udp), {30, 30}},
        {"UdpStreamTimeout", offsetof(struct policy_interface, udp_stream), {180, 180}},
    };
    struct node configuration = node_object(node, "ConnectionTrackingConfiguration");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct policy_timeout *to = (struct policy_timeout *)((char *)interface + rows[i].offset);
        int32_t seconds = node_number(&configuration, rows[i].member, 0);
        *to = seconds > 0 ? (struct policy_timeout){(uint32_t)seconds, (uint32_t)seconds} : rows[i].standard;
    }
}

static int add_interface(struct loader *loader, const struct node *node, const char *instance_id,
                         bool from_instance)
{
    const char *id = read_id(loader, node, "NetworkInterfaceId");
    if (!id)
        return 0;
    struct policy_interface *interface = LIST_ADD(&loader->policy->interfaces);
    if (!interface)
        return -ENOMEM;
    begin_item(&interface->item, node, id);
    struct node attachment = node_object(node, "Attachment");
    interface->account_id = node_text(node, "OwnerId");
    interface->vpc_id = node_text(node, "VpcId");
    interface->subnet_id = node_text(node, "SubnetId");
    interface->az_id = node_text(node, "AvailabilityZoneId");
    interface->type = node_text(node, "InterfaceType");
    interface->instance_id = instance_id ? instance_id : node_text(&attachment, "InstanceId");
    if (node_bool(node, "RequesterManaged"))
        interface->instance_id = NULL;
    interface->from_instance = from_instance;
    read_timeouts(node, interface);
    int r = read_groups_of_interface(node, interface);
    return r < 0 ? r : read_interface_addresses(node, interface);
}

static int read_interface(struct loader *loader, const struct node *node)
{
    return add_interface(loader, node, NULL, false);
}

static int read_instance(struct loader *loader, const struct node *node)
{
    const char *instance_id = node_text(node, "InstanceId");
    size_t count = node_count(node, "NetworkInterfaces");
    for (size_t i = 0; i < count; i++) {
        struct node interface = node_element(node, "NetworkInterfaces", i);
        if (add_interface(loader, &interface, instance_id, true) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int read_reservation(struct loader *loader, const struct node *node)
{
    size_t count = node_count(node, "Instances");
    for (size_t i = 0; i < count; i++) {
        struct node instance = node_element(node, "Instances", i);
        if (read_instance(loader, &instance) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* "security_groups" and "SecurityGroups" are one name. */
static bool is_same_name(const char *name, const char *wanted)
{
    while (*name && *wanted) {
        name += *name == '_';
        if ((*name | 32) != (*wanted | 32))
            return false;
        name++;
        wanted++;
    }
    return !*name && !*wanted;
}

static const struct resource {
    const char *name;
    int (*read)(struct loader *loader, const struct node *node);
} resources[] = {
    {"SecurityGroups", read_group},
    {"SecurityGroupRules", read_flat_rule},
    {"NetworkAcls", read_acl},
    {"RouteTables", read_table},
    {"Vpcs", read_vpc},
    {"Subnets", read_subnet},
    {"PrefixLists", read_prefix_list},
    {"NetworkInterfaces", read_interface},
    {"Instances", read_instance},
    {"Reservations", read_reservation},
};

static int read_member(struct loader *loader, const struct node *document, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
        if (!is_same_name(name, resources[i].name))
            continue;
        loader->known++;
        size_t count = node_count(document, name);
        for (size_t n = 0; n < count; n++) {
            struct node element = node_element(document, name, n);
            if (element.json && resources[i].read(loader, &element) < 0)
                return -ENOMEM;
        }
    }
    return 0;
}

/* What get-managed-prefix-list-entries prints does not say of which list: the file's name may, as "pl-…". */
static int read_entries(struct loader *loader, const struct node *document)
{
    const char *id = node_text(document, "PrefixListId");
    const char *file = file_of(document);
    const char *base = strrchr(file, '/');
    const char *named = strstr(base ? base : file, "pl-");
    loader->known++;
    if (!id && named) {
        size_t len = 3 + strspn(named + 3, "0123456789abcdefghijklmnopqrstuvwxyz");
        id = policy_text(loader->policy, "%.*s", (int)len, named);
        if (!id)
            return -ENOMEM;
    }
    if (id)
        return add_prefix_list(loader, document, id);
    node_mistake(document, "Entries of which prefix list? Name the file after it (pl-….json), or put a "
                           "member PrefixListId beside them");
    return 0;
}

int load_document(struct loader *loader, const struct node *document)
{
    bool is_recorded = json_is_object(json_object_get(document->json, "data"));
    struct node recorded = is_recorded ? node_object(document, "data") : *document;
    const struct node *inner = is_recorded ? &recorded : document;
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)inner->json, name, member)
    {
        if (read_member(loader, inner, name) < 0)
            return -ENOMEM;
    }
    return node_has(inner, "Entries") ? read_entries(loader, inner) : 0;
}
