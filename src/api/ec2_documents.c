/* SPDX-License-Identifier: Apache-2.0 */

/*
 * DescribeSecurityGroups, DescribeNetworkAcls, DescribeRouteTables: what the documents of the configuration
 * describe, as it stands there. Documents have the names of AWS's JSON, answers those of its XML.
 */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api/ec2_actions.h"
#include "policy/policy.h"

/* Where an XML name is not the JSON name with a small letter. */
static const char *const names[][2] = {
    {"UserIdGroupPairs", "groups"},
    {"Tags", "tagSet"},
    {"Associations", "associationSet"},
    {"Entries", "entrySet"},
    {"PropagatingVgws", "propagatingVgwSet"},
    {"Routes", "routeSet"},
    {"Groups", "groupSet"},
    {"Ipv6Addresses", "ipv6AddressesSet"},
    {"PrivateIpAddresses", "privateIpAddressesSet"},
    {"Ipv4Prefixes", "ipv4PrefixSet"},
    {"Ipv6Prefixes", "ipv6PrefixSet"},
    {"NetworkFirewallAssociations", "networkFirewallAssociationSet"},
    {"AssociatedSubnets", "associatedSubnetSet"},
};

static void print_xml_name(const char *name, char ret[static 64])
{
    (void)snprintf(ret, 64, "%s", name);
    ret[0] = (char)tolower((unsigned char)ret[0]);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(names[i][0], name) == 0)
            (void)snprintf(ret, 64, "%s", names[i][1]);
}

/* What XML can hold of a name; a document may be anything. */
static bool is_name(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]))
            return false;
    return len > 0 && len < 64 && isalpha((unsigned char)name[0]);
}

static json_t *converted(const json_t *value);

static json_t *converted_object(const json_t *value)
{
    json_t *object = json_object();
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)value, name, member)
    {
        char xml[64];
        if (!is_name(name) || json_is_null(member) || json_is_real(member))
            continue;
        print_xml_name(name, xml);
        json_object_set_new(object, xml, converted(member));
    }
    return object;
}

static json_t *converted(const json_t *value)
{
    if (json_is_object(value))
        return converted_object(value);
    if (!json_is_array(value))
        return json_incref((json_t *)value);
    json_t *list = json_array();
    size_t i;
    const json_t *element;
    json_array_foreach(value, i, element) json_array_append_new(list, converted(element));
    return list;
}

json_t *ec2_described(const struct policy_item *item)
{
    json_t *element = converted_object(item->json);
    if (!json_is_array(json_object_get(element, "tagSet")))
        json_object_set_new(element, "tagSet", json_array());
    return element;
}

#define DESCRIBE_ALL(elements, list)                                                                         \
    for (size_t i_ = 0; i_ < (list).count; i_++)                                                             \
        if ((list).items[i_].item.json)                                                                      \
    json_array_append_new(elements, ec2_described(&(list).items[i_].item))

static bool is_named(const struct ec2_call *call, const char *group)
{
    const char *name;
    for (unsigned i = 1; (name = query_find(call->query, "GroupName.%u", i)); i++)
        if (group && strcmp(name, group) == 0)
            return true;
    return false;
}

/* GroupName.N: only those; false with an error for a name that no group has. */
static bool keep_named(struct ec2_call *call, json_t *groups)
{
    const char *name;
    for (unsigned n = 1; (name = query_find(call->query, "GroupName.%u", n)); n++) {
        size_t at = 0;
        while (at < json_array_size(groups) &&
               strcmp(name, json_string_value(json_object_get(json_array_get(groups, at), "groupName"))) != 0)
            at++;
        if (at == json_array_size(groups))
            return ec2_fail(call, "InvalidGroup.NotFound", "The security group '%.200s' does not exist",
                            name);
    }
    bool asked = query_find(call->query, "GroupName.1");
    for (size_t i = json_array_size(groups); asked && i-- > 0;)
        if (!is_named(call, json_string_value(json_object_get(json_array_get(groups, i), "groupName"))))
            json_array_remove(groups, i);
    return true;
}

json_t *ec2_describe_security_groups(struct ec2_call *call)
{
#define RULE_FILTERS(prefix, rules)                                                                          \
    {prefix "ip-permission.cidr", rules ".ipRanges.cidrIp"},                                                 \
        {prefix "ip-permission.ipv6-cidr", rules ".ipv6Ranges.cidrIpv6"},                                    \
        {prefix "ip-permission.from-port", rules ".fromPort"},                                               \
        {prefix "ip-permission.to-port", rules ".toPort"},                                                   \
        {prefix "ip-permission.protocol", rules ".ipProtocol"},                                              \
        {prefix "ip-permission.group-id", rules ".groups.groupId"},                                          \
        {prefix "ip-permission.group-name", rules ".groups.groupName"},                                      \
        {prefix "ip-permission.user-id", rules ".groups.userId"},                                            \
    {                                                                                                        \
        prefix "ip-permission.prefix-list-id", rules ".prefixListIds.prefixListId"                           \
    }
    static const struct ec2_filter filters[] = {
        {"group-id", "groupId"},
        {"group-name", "groupName"},
        {"description", "groupDescription"},
        {"vpc-id", "vpcId"},
        {"owner-id", "ownerId"},
        RULE_FILTERS("", "ipPermissions"),
        RULE_FILTERS("egress.", "ipPermissionsEgress"),
        {NULL},
    };
    static const struct ec2_listing listing = {.set = "securityGroupInfo",
                                               .key = "groupId",
                                               .ids = "GroupId",
                                               .code = "InvalidGroup.NotFound",
                                               .what = "security group",
                                               .filters = filters,
                                               .tags = true};
    json_t *elements = json_array();
    size_t i;
    json_t *group;
    if (call->host->policy)
        DESCRIBE_ALL(elements, call->host->policy->groups);
    json_array_foreach(elements, i, group)
    {
        json_t *description = json_incref(json_object_get(group, "description"));
        json_object_del(group, "description");
        json_object_set_new(group, "groupDescription", description ? description : json_string(""));
        if (!json_is_string(json_object_get(group, "groupName")))
            json_object_set_new(group, "groupName", json_string(""));
    }
    if (keep_named(call, elements))
        return ec2_list(call, &listing, elements);
    json_decref(elements);
    return NULL;
}

json_t *ec2_describe_network_acls(struct ec2_call *call)
{
    static const struct ec2_filter filters[] = {
        {"network-acl-id", "networkAclId"},
        {"vpc-id", "vpcId"},
        {"owner-id", "ownerId"},
        {"default", "default"},
        {"association.association-id", "associationSet.networkAclAssociationId"},
        {"association.network-acl-id", "associationSet.networkAclId"},
        {"association.subnet-id", "associationSet.subnetId"},
        {"entry.cidr", "entrySet.cidrBlock"},
        {"entry.ipv6-cidr", "entrySet.ipv6CidrBlock"},
        {"entry.egress", "entrySet.egress"},
        {"entry.icmp.code", "entrySet.icmpTypeCode.code"},
        {"entry.icmp.type", "entrySet.icmpTypeCode.type"},
        {"entry.port-range.from", "entrySet.portRange.from"},
        {"entry.port-range.to", "entrySet.portRange.to"},
        {"entry.protocol", "entrySet.protocol"},
        {"entry.rule-action", "entrySet.ruleAction"},
        {"entry.rule-number", "entrySet.ruleNumber"},
        {NULL},
    };
    static const struct ec2_listing listing = {.set = "networkAclSet",
                                               .key = "networkAclId",
                                               .ids = "NetworkAclId",
                                               .code = "InvalidNetworkAclID.NotFound",
                                               .what = "networkAcl",
                                               .filters = filters,
                                               .tags = true};
    json_t *elements = json_array();
    size_t i;
    json_t *acl;
    if (call->host->policy)
        DESCRIBE_ALL(elements, call->host->policy->acls);
    json_array_foreach(elements, i, acl)
    {
        json_t *is_default = json_object_get(acl, "isDefault"); /* a VPC's is called so in XML, too */
        json_object_set(acl, "default", is_default ? is_default : json_false());
        json_object_del(acl, "isDefault");
    }
    return ec2_list(call, &listing, elements);
}

json_t *ec2_describe_route_tables(struct ec2_call *call)
{
    static const struct ec2_filter filters[] = {
        {"route-table-id", "routeTableId"},
        {"vpc-id", "vpcId"},
        {"owner-id", "ownerId"},
        {"association.gateway-id", "associationSet.gatewayId"},
        {"association.main", "associationSet.main"},
        {"association.route-table-association-id", "associationSet.routeTableAssociationId"},
        {"association.route-table-id", "associationSet.routeTableId"},
        {"association.subnet-id", "associationSet.subnetId"},
        {"route.destination-cidr-block", "routeSet.destinationCidrBlock"},
        {"route.destination-ipv6-cidr-block", "routeSet.destinationIpv6CidrBlock"},
        {"route.destination-prefix-list-id", "routeSet.destinationPrefixListId"},
        {"route.egress-only-internet-gateway-id", "routeSet.egressOnlyInternetGatewayId"},
        {"route.gateway-id", "routeSet.gatewayId"},
        {"route.instance-id", "routeSet.instanceId"},
        {"route.nat-gateway-id", "routeSet.natGatewayId"},
        {"route.transit-gateway-id", "routeSet.transitGatewayId"},
        {"route.vpc-peering-connection-id", "routeSet.vpcPeeringConnectionId"},
        {"route.origin", "routeSet.origin"},
        {"route.state", "routeSet.state"},
        {NULL},
    };
    static const struct ec2_listing listing = {.set = "routeTableSet",
                                               .key = "routeTableId",
                                               .ids = "RouteTableId",
                                               .code = "InvalidRouteTableID.NotFound",
                                               .what = "routeTable",
                                               .filters = filters,
                                               .tags = true};
    json_t *elements = json_array();
    if (call->host->policy)
        DESCRIBE_ALL(elements, call->host->policy->tables);
    return ec2_list(call, &listing, elements);
}
