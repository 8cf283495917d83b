/* SPDX-License-Identifier: Apache-2.0 */

/* DescribeNetworkInterfaces, DescribeSubnets, DescribeVpcs: what is recorded, and what the configuration
 * names. */

#include <string.h>

#include "api/ec2_actions.h"
#include "policy/policy.h"

static json_t *text_or_null(const char *text)
{
    return text && *text ? json_string(text) : NULL;
}

/* Nothing for what nobody knows. */
static void set_known(json_t *object, const char *name, const char *text)
{
    json_t *value = text_or_null(text);
    if (value)
        json_object_set_new(object, name, value);
}

static void add_address(json_t *element, const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];
    size_t len = address_format(text, address->bytes, address->family);
    json_t *value = json_stringn(text, len);
    if (address->family == 6) {
        json_array_append_new(json_object_get(element, "ipv6AddressesSet"),
                              json_pack("{s:o}", "ipv6Address", value));
        return;
    }
    json_t *set = json_object_get(element, "privateIpAddressesSet");
    bool primary = json_array_size(set) == 0;
    if (primary)
        json_object_set(element, "privateIpAddress", value);
    json_array_append_new(set, json_pack("{s:o, s:b}", "privateIpAddress", value, "primary", (int)primary));
}

/* Elements by their id while they are collected. */
struct collection {
    const struct ec2_host *host;
    const struct topology *topology;
    json_t *by_id;
};

/* Members that a document has and nobody else knows better. */
static void add_described(const struct collection *collection, const struct policy_item *item)
{
    json_t *described = item->json ? ec2_described(item) : NULL;
    json_t *element = json_object_get(collection->by_id, item->id);
    if (described && element) {
        json_t *tags = json_object_get(described, "tagSet");
        if (json_array_size(tags))
            json_object_set(element, "tagSet", tags);
        (void)json_object_update_missing(element, described);
    } else if (described) {
        json_object_set(collection->by_id, item->id, described);
    }
    json_decref(described);
}

#define ADD_DESCRIBED(collection, list)                                                                      \
    for (size_t i_ = 0; (collection)->host->policy && i_ < (collection)->host->policy->list.count; i_++)     \
    add_described(collection, &(collection)->host->policy->list.items[i_].item)

/* Takes the collection apart into a new array. */
static json_t *elements_of(struct collection *collection)
{
    json_t *elements = json_array();
    const char *id;
    json_t *element;
    json_object_foreach(collection->by_id, id, element) json_array_append(elements, element);
    json_decref(collection->by_id);
    return elements;
}

/* A port's is the host's end of a guest's link, and not the guest's. */
static void add_mac(json_t *element, const struct ec2_interface *one)
{
    const struct link *link = one->link;
    if (!link || link->mac_len != 6 || one->interface->role != INTERFACE_NIC)
        return;
    json_object_set_new(element, "macAddress",
                        json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", link->mac[0], link->mac[1],
                                     link->mac[2], link->mac[3], link->mac[4], link->mac[5]));
}

static void add_network_interface(void *context, const struct ec2_interface *one)
{
    const struct collection *collection = context;
    const struct interface *interface = one->interface;
    const struct interface_identity *identity = &interface->identity;
    json_t *element = json_pack("{s:s, s:s, s:s, s:s, s:[], s:[], s:[], s:[], s:b}", "networkInterfaceId",
                                identity->interface_id, "description", one->device, "status",
                                one->attached ? "in-use" : "available", "interfaceType", "interface",
                                "privateIpAddressesSet", "ipv6AddressesSet", "groupSet", "tagSet",
                                "sourceDestCheck", interface->role == INTERFACE_NIC);
    set_known(element, "ownerId", identity->account_id);
    set_known(element, "subnetId", identity->subnet_id);
    set_known(element, "vpcId", identity->vpc_id);
    set_known(element, "availabilityZoneId", identity->az_id);
    add_mac(element, one);
    for (unsigned i = 0; i < interface->address_count; i++)
        add_address(element, &interface->addresses[i]);
    if (identity->instance_id[0])
        json_object_set_new(
            element, "attachment",
            json_pack("{s:s, s:s}", "instanceId", identity->instance_id, "status", "attached"));
    json_object_set_new(collection->by_id, identity->interface_id, element);
}

json_t *ec2_describe_network_interfaces(struct ec2_call *call)
{
    static const struct ec2_filter filters[] = {
        {"network-interface-id", "networkInterfaceId"},
        {"addresses.private-ip-address", "privateIpAddressesSet.privateIpAddress"},
        {"addresses.primary", "privateIpAddressesSet.primary"},
        {"addresses.association.public-ip", "privateIpAddressesSet.association.publicIp"},
        {"addresses.association.owner-id", "privateIpAddressesSet.association.ipOwnerId"},
        {"association.allocation-id", "association.allocationId"},
        {"association.association-id", "association.associationId"},
        {"association.public-ip", "association.publicIp"},
        {"association.public-dns-name", "association.publicDnsName"},
        {"association.ip-owner-id", "association.ipOwnerId"},
        {"attachment.attach-time", "attachment.attachTime"},
        {"attachment.attachment-id", "attachment.attachmentId"},
        {"attachment.delete-on-termination", "attachment.deleteOnTermination"},
        {"attachment.instance-id", "attachment.instanceId"},
        {"attachment.instance-owner-id", "attachment.instanceOwnerId"},
        {"attachment.status", "attachment.status"},
        {"attachment.device-index", "attachment.deviceIndex"},
        {"availability-zone", "availabilityZone"},
        {"availability-zone-id", "availabilityZoneId"},
        {"group-id", "groupSet.groupId"},
        {"group-name", "groupSet.groupName"},
        {"interface-type", "interfaceType"},
        {"ipv6-addresses.ipv6-address", "ipv6AddressesSet.ipv6Address"},
        {"mac-address", "macAddress"},
        {"operator.managed", "operator.managed"},
        {"operator.principal", "operator.principal"},
        {"private-dns-name", "privateDnsName"},
        {"requester-id", "requesterId"},
        {"requester-managed", "requesterManaged"},
        {"source-dest-check", "sourceDestCheck"},
        {"subnet-id", "subnetId"},
        {"vpc-id", "vpcId"},
        {"private-ip-address", "privateIpAddress"},
        {"description", "description"},
        {"owner-id", "ownerId"},
        {"status", "status"},
        {NULL},
    };
    static const struct ec2_listing listing = {.set = "networkInterfaceSet",
                                               .key = "networkInterfaceId",
                                               .ids = "NetworkInterfaceId",
                                               .code = "InvalidNetworkInterfaceID.NotFound",
                                               .what = "networkInterface",
                                               .filters = filters,
                                               .tags = true};
    struct collection collection = {call->host, call->host->topology, json_object()};
    call->host->visit_interfaces(call->host->context, add_network_interface, &collection);
    ADD_DESCRIBED(&collection, interfaces);
    return ec2_list(call, &listing, elements_of(&collection));
}

static json_t *find_or_add(const struct collection *collection, const char *member, const char *id)
{
    json_t *element = json_object_get(collection->by_id, id);
    if (element || !*id)
        return element;
    element = json_pack("{s:s, s:s, s:s, s:[]}", member, id, "ownerId", collection->topology->account,
                        "state", "available", "tagSet");
    json_object_set_new(collection->by_id, id, element);
    return element;
}

static void add_subnet(const struct collection *collection, const char *id, const char *vpc_id,
                       const char *az_id)
{
    json_t *element = find_or_add(collection, "subnetId", id);
    if (!element || json_object_get(element, "vpcId"))
        return;
    set_known(element, "vpcId", vpc_id);
    set_known(element, "availabilityZoneId", az_id);
    json_object_set_new(element, "ipv6CidrBlockAssociationSet", json_array());
}

static void add_subnet_of(void *context, const struct ec2_interface *interface)
{
    const struct interface_identity *identity = &interface->interface->identity;
    add_subnet(context, identity->subnet_id, identity->vpc_id, identity->az_id);
}

static void add_block(const struct collection *collection, const struct topology_subnet *subnet)
{
    char text[ADDRESS_TEXT_MAX];
    const struct address *base = &subnet->cidr.base;
    size_t len = address_format(text, base->bytes, base->family);
    json_t *element = json_object_get(collection->by_id, subnet->subnet_id);
    json_t *block = json_sprintf("%.*s/%u", (int)len, text, subnet->cidr.prefix);
    if (base->family == 4)
        json_object_set_new(element, "cidrBlock", block);
    else
        json_array_append_new(
            json_object_get(element, "ipv6CidrBlockAssociationSet"),
            json_pack("{s:o, s:{s:s}}", "ipv6CidrBlock", block, "ipv6CidrBlockState", "state", "associated"));
}

json_t *ec2_describe_subnets(struct ec2_call *call)
{
    static const struct ec2_filter filters[] = {
        {"subnet-id", "subnetId"},
        {"vpc-id", "vpcId"},
        {"cidr-block", "cidrBlock"},
        {"cidr", "cidrBlock"},
        {"cidrBlock", "cidrBlock"},
        {"availability-zone", "availabilityZone"},
        {"availabilityZone", "availabilityZone"},
        {"available-ip-address-count", "availableIpAddressCount"},
        {"customer-owned-ipv4-pool", "customerOwnedIpv4Pool"},
        {"default-for-az", "defaultForAz"},
        {"enable-dns64", "enableDns64"},
        {"enable-lni-at-device-index", "enableLniAtDeviceIndex"},
        {"ipv6-cidr-block-association.association-id", "ipv6CidrBlockAssociationSet.associationId"},
        {"ipv6-cidr-block-association.ipv6-cidr-block", "ipv6CidrBlockAssociationSet.ipv6CidrBlock"},
        {"ipv6-cidr-block-association.state", "ipv6CidrBlockAssociationSet.ipv6CidrBlockState.state"},
        {"ipv6-native", "ipv6Native"},
        {"map-customer-owned-ip-on-launch", "mapCustomerOwnedIpOnLaunch"},
        {"map-public-ip-on-launch", "mapPublicIpOnLaunch"},
        {"private-dns-name-options-on-launch.hostname-type", "privateDnsNameOptionsOnLaunch.hostnameType"},
        {"private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
         "privateDnsNameOptionsOnLaunch.enableResourceNameDnsARecord"},
        {"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
         "privateDnsNameOptionsOnLaunch.enableResourceNameDnsAAAARecord"},
        {"outpost-arn", "outpostArn"},
        {"subnet-arn", "subnetArn"},
        {"owner-id", "ownerId"},
        {"state", "state"},
        {"availability-zone-id", "availabilityZoneId"},
        {NULL},
    };
    static const struct ec2_listing listing = {.set = "subnetSet",
                                               .key = "subnetId",
                                               .ids = "SubnetId",
                                               .code = "InvalidSubnetID.NotFound",
                                               .what = "subnet",
                                               .filters = filters,
                                               .tags = true};
    struct collection collection = {call->host, call->host->topology, json_object()};
    call->host->visit_interfaces(call->host->context, add_subnet_of, &collection);
    for (size_t i = 0; i < collection.topology->subnet_count; i++) {
        const struct topology_subnet *subnet = &collection.topology->subnets[i];
        add_subnet(&collection, subnet->subnet_id,
                   strncmp(subnet->vpc_id, "vpc-", 4) == 0 ? subnet->vpc_id : NULL, subnet->az_id);
        add_block(&collection, subnet);
    }
    ADD_DESCRIBED(&collection, subnets);
    return ec2_list(call, &listing, elements_of(&collection));
}

static void add_vpc(const struct collection *collection, const char *id)
{
    if (strncmp(id, "vpc-", 4) == 0)
        (void)find_or_add(collection, "vpcId", id);
}

static void add_vpc_of(void *context, const struct ec2_interface *interface)
{
    add_vpc(context, interface->interface->identity.vpc_id);
}

json_t *ec2_describe_vpcs(struct ec2_call *call)
{
    static const struct ec2_filter filters[] = {
        {"vpc-id", "vpcId"},
        {"owner-id", "ownerId"},
        {"state", "state"},
        {"cidr", "cidrBlock"},
        {"cidr-block-association.association-id", "cidrBlockAssociationSet.associationId"},
        {"cidr-block-association.cidr-block", "cidrBlockAssociationSet.cidrBlock"},
        {"cidr-block-association.state", "cidrBlockAssociationSet.cidrBlockState.state"},
        {"dhcp-options-id", "dhcpOptionsId"},
        {"ipv6-cidr-block-association.association-id", "ipv6CidrBlockAssociationSet.associationId"},
        {"ipv6-cidr-block-association.ipv6-cidr-block", "ipv6CidrBlockAssociationSet.ipv6CidrBlock"},
        {"ipv6-cidr-block-association.ipv6-pool", "ipv6CidrBlockAssociationSet.ipv6Pool"},
        {"ipv6-cidr-block-association.state", "ipv6CidrBlockAssociationSet.ipv6CidrBlockState.state"},
        {"is-default", "isDefault"},
        {NULL}};
    static const struct ec2_listing listing = {.set = "vpcSet",
                                               .key = "vpcId",
                                               .ids = "VpcId",
                                               .code = "InvalidVpcID.NotFound",
                                               .what = "vpc",
                                               .filters = filters,
                                               .tags = true};
    const struct topology *topology = call->host->topology;
    struct collection collection = {call->host, topology, json_object()};
    call->host->visit_interfaces(call->host->context, add_vpc_of, &collection);
    for (size_t i = 0; i < topology->subnet_count; i++)
        add_vpc(&collection, topology->subnets[i].vpc_id);
    for (size_t i = 0; i < topology->rule_count; i++)
        add_vpc(&collection, topology->rules[i].vpc_id);
    ADD_DESCRIBED(&collection, vpcs);
    return ec2_list(call, &listing, elements_of(&collection));
}
