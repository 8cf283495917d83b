/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/identity.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"

#define SALTS_MAX 64

const struct topology_rule *topology_rule_for(const struct topology *topology, const struct link *link)
{
    for (size_t i = 0; i < topology->rule_count; i++) {
        const struct topology_rule *rule = &topology->rules[i];
        if (strcmp(rule->device, link->name) == 0)
            return rule;
        if (!(link->flags & IFF_LOOPBACK) && fnmatch(rule->device, link->name, 0) == 0)
            return rule;
    }
    return NULL;
}

bool topology_rule_equal(const struct topology_rule *a, const struct topology_rule *b)
{
    return a->role == b->role && strcmp(a->interface_id, b->interface_id) == 0 &&
           strcmp(a->subnet_id, b->subnet_id) == 0 && strcmp(a->vpc_id, b->vpc_id) == 0 &&
           strcmp(a->instance_id, b->instance_id) == 0;
}

const struct topology_subnet *topology_subnet_of(const struct topology *topology,
                                                 const struct address *address)
{
    const struct topology_subnet *found = NULL;
    for (size_t i = 0; i < topology->subnet_count; i++) {
        const struct topology_subnet *subnet = &topology->subnets[i];
        if (address_block_contains(&subnet->cidr, address) &&
            (!found || subnet->cidr.prefix > found->cidr.prefix))
            found = subnet;
    }
    return found;
}

void identity_format(char *ret, size_t size, const char *prefix, uint64_t hash)
{
    (void)snprintf(ret, size, "%s0%016" PRIx64, prefix, hash);
}

void identity_machine(char ret[static MACHINE_ID_MAX])
{
    AUTO_BUF struct buf text = BUF_INIT(MACHINE_ID_MAX + 1);
    ret[0] = '\0';
    if (file_read("/etc/machine-id", &text, NULL) < 0)
        return;
    const char *id = buf_string(&text);
    size_t len = strspn(id, "0123456789abcdef");
    if (len != MACHINE_ID_MAX - 1)
        return;
    memcpy(ret, id, len);
    ret[len] = '\0';
}

static void set_text(char *to, size_t size, const char *text)
{
    (void)snprintf(to, size, "%s", text);
}

#define SET_TEXT(member, text) set_text((member), sizeof(member), (text))

/* Each text with its NUL, so that two different lists never make the same bytes. */
static uint64_t hash_texts(uint64_t seed, const char *first, const char *second)
{
    uint64_t hash = hash_bytes(first, strlen(first) + 1, seed);
    return hash_bytes(second, strlen(second) + 1, hash);
}

static bool is_taken(const struct identity_source *source, const char *interface_id)
{
    return source->taken && source->taken(source->context, interface_id);
}

/* Links that share MAC and name (one that was replaced a moment ago) are told apart by a salt. */
static void derive_interface_id(struct interface_identity *ret, const struct identity_source *source,
                                const struct link *link)
{
    for (uint64_t salt = 0; salt < SALTS_MAX; salt++) {
        uint64_t hash = hash_texts(salt, source->machine_id, link->name);
        hash = hash_bytes(link->mac, link->mac_len, hash);
        identity_format(ret->interface_id, sizeof ret->interface_id, "eni-", hash);
        if (!is_taken(source, ret->interface_id))
            return;
    }
}

static int assign_interface_id(struct interface_identity *ret, const struct identity_source *source,
                               const struct topology_rule *rule, const struct identity_told *told,
                               const struct link *link, struct fault *fault)
{
    bool derived = strcmp(rule->interface_id, "derived") == 0;
    if (derived && told->interface_id && !is_taken(source, told->interface_id)) {
        SET_TEXT(ret->interface_id, told->interface_id);
        return 0;
    }
    if (!derived && !is_taken(source, rule->interface_id)) {
        SET_TEXT(ret->interface_id, rule->interface_id);
        return 0;
    }
    derive_interface_id(ret, source, link);
    if (derived)
        return 0;
    return fault_set(fault, -EEXIST,
                     "%s: interface id %s is in use by another interface; it is recorded as %s", link->name,
                     rule->interface_id, ret->interface_id);
}

static void assign_instance_id(struct interface_identity *ret, const struct identity_source *source,
                               const struct topology_rule *rule, const struct identity_told *told)
{
    if (strcmp(rule->instance_id, "derived") != 0)
        SET_TEXT(ret->instance_id, rule->instance_id);
    else if (told->instance_id)
        SET_TEXT(ret->instance_id, told->instance_id);
    else if (rule->role == INTERFACE_NIC && source->machine_id[0]) /* who is behind a port, nobody told us */
        identity_format(ret->instance_id, sizeof ret->instance_id, "i-",
                        hash_texts(0, "instance", source->machine_id));
}

static const struct link_address *first_global(const struct link *link)
{
    for (unsigned i = 0; i < link->address_count; i++)
        if (link->addresses[i].scope == RT_SCOPE_UNIVERSE)
            return &link->addresses[i];
    return NULL;
}

static const struct topology_subnet *more_specific(const struct topology_subnet *a,
                                                   const struct topology_subnet *b)
{
    return !a || (b && b->cidr.prefix > a->cidr.prefix) ? b : a;
}

static const struct topology_subnet *configured_subnet(const struct topology *topology,
                                                       const struct topology_rule *rule,
                                                       const struct interface *interface)
{
    const struct topology_subnet *found = NULL;
    if (strcmp(rule->subnet_id, "by-address") == 0)
        for (unsigned i = 0; i < interface->address_count; i++)
            found = more_specific(found, topology_subnet_of(topology, &interface->addresses[i]));
    else
        for (size_t i = 0; i < topology->subnet_count && !found; i++)
            if (strcmp(topology->subnets[i].subnet_id, rule->subnet_id) == 0)
                found = &topology->subnets[i];
    return found;
}

static void derive_subnet_id(struct interface_identity *ret, const struct topology *topology,
                             const struct link_address *address)
{
    char text[ADDRESS_TEXT_MAX + 4];
    size_t len = address_format(text, address->address.bytes, address->address.family);
    len += (size_t)snprintf(text + len, sizeof text - len, "/%u", address->prefix);
    struct address_block block;
    if (!address_block_parse(text, len, &block))
        return;
    uint64_t hash = hash_texts(0, topology->account, topology->region);
    hash = hash_bytes(block.base.bytes, sizeof block.base.bytes, hash + block.prefix);
    identity_format(ret->subnet_id, sizeof ret->subnet_id, "subnet-", hash);
}

static bool is_word(const char *id)
{
    return strcmp(id, "derived") == 0 || strcmp(id, "by-address") == 0;
}

/*
 * Subnet, zone and VPC. Without a global address nothing can be said by address yet, so they stay open until
 * one comes; what is settled stays.
 */
static void settle_place(struct interface *interface, const struct topology *topology,
                         const struct topology_rule *rule, const struct identity_told *told,
                         const struct link *link)
{
    struct interface_identity *identity = &interface->identity;
    if (identity->subnet_id[0] && identity->vpc_id[0])
        return;
    const struct topology_subnet *subnet = configured_subnet(topology, rule, interface);
    const struct link_address *address = first_global(link);
    if (!is_word(rule->subnet_id))
        SET_TEXT(identity->subnet_id, rule->subnet_id);
    else if (told->subnet_id)
        SET_TEXT(identity->subnet_id, told->subnet_id);
    else if (subnet)
        SET_TEXT(identity->subnet_id, subnet->subnet_id);
    else if (address && rule->address_count == 0)
        derive_subnet_id(identity, topology, address);
    if (told->az_id)
        SET_TEXT(identity->az_id, told->az_id);
    else if (subnet)
        SET_TEXT(identity->az_id, subnet->az_id);
    if (!is_word(rule->vpc_id))
        SET_TEXT(identity->vpc_id, rule->vpc_id);
    else if (told->vpc_id)
        SET_TEXT(identity->vpc_id, told->vpc_id);
    else if (subnet && !is_word(subnet->vpc_id) && strcmp(rule->vpc_id, "by-address") == 0)
        SET_TEXT(identity->vpc_id, subnet->vpc_id);
    else if (identity->subnet_id[0] || rule->address_count || topology->subnet_count == 0)
        identity_format(identity->vpc_id, sizeof identity->vpc_id, "vpc-",
                        hash_texts(0, topology->account, topology->region));
}

static int take_addresses(struct interface *ret, const struct topology_rule *rule, const struct link *link)
{
    struct interface fresh = {0};
    int r = 0;
    for (size_t i = 0; i < rule->address_count && r == 0; i++)
        r = interface_add_address(&fresh, &rule->addresses[i]);
    for (unsigned i = 0; i < link->address_count && rule->role == INTERFACE_NIC && r == 0; i++)
        r = interface_add_address(&fresh, &link->addresses[i].address);
    if (r < 0) {
        interface_done(&fresh);
        return r;
    }
    free(ret->addresses);
    ret->addresses = fresh.addresses;
    ret->address_count = fresh.address_count;
    return 0;
}

static struct identity_told ask_told(const struct identity_source *source, const struct topology_rule *rule,
                                     const struct link *link)
{
    struct identity_told told = {0};
    if (source->tell)
        source->tell(source->world, rule, link, &told);
    return told;
}

int identity_update(struct interface *interface, const struct identity_source *source,
                    const struct topology_rule *rule, const struct link *link)
{
    const struct identity_told told = ask_told(source, rule, link);
    int r = take_addresses(interface, rule, link);
    if (r == 0)
        settle_place(interface, source->topology, rule, &told, link);
    return r;
}

int identity_assign(struct interface *ret, const struct identity_source *source,
                    const struct topology_rule *rule, const struct link *link, struct fault *fault)
{
    const struct identity_told told = ask_told(source, rule, link);
    *ret = (struct interface){.role = rule->role};
    SET_TEXT(ret->identity.account_id, told.account_id ? told.account_id : source->topology->account);
    SET_TEXT(ret->identity.region, source->topology->region);
    assign_instance_id(&ret->identity, source, rule, &told);
    int r = identity_update(ret, source, rule, link);
    if (r < 0) {
        *ret = (struct interface){0};
        return fault_set(fault, r, "%s: out of memory", link->name);
    }
    return assign_interface_id(&ret->identity, source, rule, &told, link, fault);
}
