/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/decide.h"

#include <string.h>

#include "base/macro.h"
#include "bpf/parse.h"
#include "flow/flow.h"
#include "policy/compile.h"
#include "policy/policy.h"

enum answer { ANSWER_ALLOW, ANSWER_DENY, ANSWER_UNSURE };

/* What one control says. */
struct control {
    enum answer answer;
    uint32_t rule;     /* index of the deciding rule, or RULE_NONE */
    const char *doubt; /* of ANSWER_UNSURE */
};

/* Of a control behind the one that rejected. */
static const struct control not_asked = {.answer = ANSWER_ALLOW, .rule = RULE_NONE};

static bool has_ports(uint8_t protocol)
{
    return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP;
}

static bool has_icmp_types(uint8_t protocol)
{
    return protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6;
}

/* The selectors a packet may have: one, unless its ports or type are not known. */
static void selectors(const struct policy_packet *packet, uint32_t *ret_low, uint32_t *ret_high)
{
    bool ports = has_ports(packet->protocol);
    bool types = has_icmp_types(packet->protocol);
    uint32_t detail = ports ? packet->destination_port : types ? packet->icmp : 0;
    bool range = packet->partial && (ports || types);
    *ret_low = SELECTOR(packet->protocol, range ? 0 : detail);
    *ret_high = SELECTOR(packet->protocol, range ? UINT16_MAX : detail);
}

static enum rule_axis address_axis(const struct policy_packet *packet)
{
    return packet->family == 6 ? AXIS_IPV6 : AXIS_IPV4;
}

static const uint8_t *remote_of(const struct policy_packet *packet)
{
    return packet->egress ? packet->destination : packet->source;
}

typedef struct control control_reader(const void *context, uint32_t rule);

/*
 * What the first matching rule says, for every selector that the packet may have; unsure when that is not the
 * same for all.
 */
static struct control consult(const struct rule_set *set, const struct policy_packet *packet,
                              control_reader *read, const void *context)
{
    enum rule_axis axis = address_axis(packet);
    const uint64_t *addresses = rule_set_row(set, axis, address_key(remote_of(packet), packet->family));
    uint32_t low;
    uint32_t high;
    selectors(packet, &low, &high);
    struct control said =
        read(context, rule_set_first(set, rule_set_row(set, AXIS_SELECTOR, low), addresses));
    for (rule_key next = low;
         low != high && (next = rule_set_next(set, AXIS_SELECTOR, next)) != 0 && next <= high;) {
        struct control other =
            read(context, rule_set_first(set, rule_set_row(set, AXIS_SELECTOR, next), addresses));
        if (other.answer == said.answer)
            continue;
        return (struct control){.answer = ANSWER_UNSURE,
                                .rule = RULE_NONE,
                                .doubt = has_ports(packet->protocol)
                                             ? "the ports are not known, and the rules differ by them"
                                             : "the ICMP type is not recorded, and the rules differ by it"};
    }
    return said;
}

struct group_context {
    const struct group_set *set;
    const struct group_rules *rules;
};

static struct control read_groups(const void *context, uint32_t rule)
{
    const struct group_context *groups = context;
    if (rule == RULE_NONE)
        return (struct control){.answer = groups->set->doubt ? ANSWER_UNSURE : ANSWER_DENY,
                                .rule = RULE_NONE,
                                .doubt = groups->set->doubt};
    if (rule >= groups->rules->firm)
        return (struct control){
            .answer = ANSWER_UNSURE, .rule = RULE_NONE, .doubt = groups->rules->rules[rule]->doubt};
    return (struct control){.answer = ANSWER_ALLOW, .rule = rule};
}

static struct control read_acl(const void *context, uint32_t rule)
{
    const struct policy_acl *acl = context;
    if (rule == RULE_NONE)
        return (struct control){.answer = ANSWER_DENY, .rule = RULE_NONE};
    const struct policy_rule *entry = &acl->entries.items[rule];
    return (struct control){.answer = entry->doubt  ? ANSWER_UNSURE
                                      : entry->deny ? ANSWER_DENY
                                                    : ANSWER_ALLOW,
                            .rule = rule,
                            .doubt = entry->doubt};
}

/* By its prefix list: S3's, not DynamoDB's, which tracks. */
static bool is_gateway_endpoint(const struct policy *policy, const struct policy_route *route)
{
    const struct policy_list *list = LIST_FIND(&policy->lists, route->list);
    return list && (!list->name || !strstr(list->name, ".dynamodb"));
}

static bool route_tracks(const struct policy *policy, const struct policy_route *route)
{
    if (!route || !route->target)
        return false;
    if (strcmp(route->target_kind, "NatGatewayId") == 0 ||
        strcmp(route->target_kind, "EgressOnlyInternetGatewayId") == 0)
        return true;
    return strncmp(route->target, "vpce-", 5) == 0 && !is_gateway_endpoint(policy, route);
}

static bool remote_tracks(const struct policy *policy, const struct policy_interface *interface,
                          const struct address *remote)
{
    for (size_t i = 0; i < policy->trackers.count; i++) {
        const struct policy_interface *other = policy->trackers.items[i];
        if (other->vpc == interface->vpc && policy_interface_owns(other, remote))
            return true;
    }
    return false;
}

static void find_route(const struct policy_interface *interface, const uint8_t *remote, uint8_t family,
                       const struct policy_table **ret_table, const struct policy_route **ret_route)
{
    const struct policy_table *table = interface->subnet ? interface->subnet->table : NULL;
    *ret_table = table;
    *ret_route = NULL;
    if (!table || table->item.doubt)
        return;
    const uint64_t *any = rule_set_row(&table->set, AXIS_SELECTOR, 0);
    const uint64_t *there =
        rule_set_row(&table->set, family == 6 ? AXIS_IPV6 : AXIS_IPV4, address_key(remote, family));
    uint32_t found = rule_set_first(&table->set, any, there);
    if (found != RULE_NONE)
        *ret_route = &table->routes.items[found];
}

const struct policy_route *policy_route_to(const struct policy_interface *interface,
                                           const uint8_t address[static 16], uint8_t family)
{
    const struct policy_table *table;
    const struct policy_route *route;
    find_route(interface, address, family, &table, &route);
    return route;
}

/* AWS's condition for leaving a flow untracked: open to all, and open to all the other way (api.md 4.3). */
static bool is_tracked(const struct policy *policy, const struct policy_interface *interface,
                       const struct policy_packet *packet, uint32_t rule)
{
    const struct group_set *set = interface->groups;
    if (!has_ports(packet->protocol) || rule >= set->direction[packet->egress].open)
        return true;
    if (!set->direction[!packet->egress].all_ports[packet->family == 6][packet->protocol == PROTOCOL_UDP])
        return true;
    struct address remote = {.family = packet->family};
    memcpy(remote.bytes, remote_of(packet), sizeof remote.bytes);
    const struct policy_table *table;
    const struct policy_route *route;
    find_route(interface, remote.bytes, packet->family, &table, &route);
    return interface->always_tracked || route_tracks(policy, route) ||
           remote_tracks(policy, interface, &remote);
}

/* Of the groups; fills in what is said of the rule. */
static struct control consult_groups(const struct policy *policy, const struct policy_interface *interface,
                                     const struct policy_packet *packet, struct connection_view connection,
                                     struct decision *ret)
{
    struct group_context context = {interface->groups, &interface->groups->direction[packet->egress]};
    ret->has_groups = interface->group_ids.count > 0;
    if (!interface->has_groups || (!ret->has_groups && !interface->needs_no_group))
        return (struct control){.answer = ANSWER_UNSURE,
                                .rule = RULE_NONE,
                                .doubt =
                                    "the documents do not say which security groups the interface carries"};
    if (!ret->has_groups)
        return (struct control){.answer = ANSWER_ALLOW, .rule = RULE_NONE};
    if (connection.state == CONNECTION_REPLY) {
        ret->decider = DECIDER_CONNECTION;
        return (struct control){.answer = ANSWER_ALLOW, .rule = RULE_NONE};
    }
    struct control said = consult(&context.rules->set, packet, read_groups, &context);
    if (said.answer == ANSWER_ALLOW) {
        ret->tracked = is_tracked(policy, interface, packet, said.rule);
        ret->group_rule = context.rules->rules[said.rule];
        if (connection.state == CONNECTION_CLOSED && ret->tracked) {
            ret->late = true;
            ret->group_rule = NULL;
            return (struct control){.answer = ANSWER_DENY, .rule = RULE_NONE};
        }
        ret->decider = DECIDER_SECURITY_GROUP;
    } else if (connection.state == CONNECTION_MAYBE && said.answer == ANSWER_DENY) {
        return (struct control){.answer = ANSWER_UNSURE, .rule = RULE_NONE, .doubt = connection.why};
    }
    return said;
}

enum crossing { CROSSING_NO, CROSSING_YES, CROSSING_UNKNOWN };

static bool in_blocks(const struct address_block *blocks, size_t count, const struct address *address)
{
    for (size_t i = 0; i < count; i++)
        if (address_block_contains(&blocks[i], address))
            return true;
    return false;
}

/* Whether the packet enters or leaves the subnet: only then its ACL is asked. */
static enum crossing crosses(const struct policy_interface *interface, const struct policy_packet *packet)
{
    const struct policy_subnet *subnet = interface->subnet;
    const struct policy_vpc *vpc = interface->vpc;
    struct address remote = {.family = packet->family};
    memcpy(remote.bytes, remote_of(packet), sizeof remote.bytes);
    if (subnet && subnet->blocks.count && !subnet->item.doubt)
        return in_blocks(subnet->blocks.items, subnet->blocks.count, &remote) ? CROSSING_NO : CROSSING_YES;
    if (vpc && vpc->blocks.count && !vpc->item.doubt &&
        !in_blocks(vpc->blocks.items, vpc->blocks.count, &remote))
        return CROSSING_YES;
    return CROSSING_UNKNOWN;
}

static struct control consult_acl(const struct policy_interface *interface,
                                  const struct policy_packet *packet, struct decision *ret)
{
    const struct policy_subnet *subnet = interface->subnet;
    enum crossing crossing = crosses(interface, packet);
    struct control unsure = {.answer = ANSWER_UNSURE, .rule = RULE_NONE};
    if (crossing == CROSSING_NO) {
        ret->same_subnet = true;
        return (struct control){.answer = ANSWER_ALLOW, .rule = RULE_NONE};
    }
    if (!subnet || !subnet->acl) {
        unsure.doubt = "the documents do not know the network ACL of the subnet";
        return unsure;
    }
    const struct policy_acl *acl = subnet->acl;
    unsure.doubt = subnet->item.doubt ? subnet->item.doubt : acl->item.doubt;
    if (unsure.doubt)
        return unsure;
    struct control said = consult(&acl->sets[packet->egress], packet, read_acl, acl);
    if (crossing == CROSSING_UNKNOWN) {
        unsure.doubt = "the documents do not tell whether the packet crosses the subnet's border";
        return said.answer == ANSWER_ALLOW ? said : unsure;
    }
    if (said.answer != ANSWER_UNSURE) {
        ret->acl = acl;
        ret->acl_entry = said.rule == RULE_NONE ? NULL : &acl->entries.items[said.rule];
    }
    return said;
}

/* Amazon's own services next to an interface, which no rule stops (api.md 4.6). */
static bool is_unfiltered(const struct policy_interface *interface, const struct policy_packet *packet)
{
    static const uint8_t services[][4] = {
        {169, 254, 169, 254},                       /* instance metadata */
        {169, 254, 169, 253},                       /* resolver */
        {169, 254, 169, 123},                       /* time */
        {169, 254, 169, 250}, {169, 254, 169, 251}, /* Windows licences */
        {169, 254, 170, 2},                         /* ECS task metadata */
    };
    const uint8_t *remote = remote_of(packet);
    uint16_t remote_port = packet->egress ? packet->destination_port : packet->source_port;
    if (packet->family == 6)
        return memcmp(remote, (const uint8_t[]){0xfd, 0, 0x0e, 0xc2}, 4) == 0;
    for (size_t i = 0; i < ARRAY_SIZE(services); i++)
        if (memcmp(remote + 12, services[i], 4) == 0)
            return true;
    const struct policy_vpc *vpc = interface->vpc;
    if (!vpc || vpc->item.doubt || vpc->blocks.count == 0 || remote_port != 53 ||
        !has_ports(packet->protocol))
        return false;
    const struct address *base = &vpc->blocks.items[0].base; /* the resolver is its third address */
    return base->family == 4 && address_key(remote, 4) == address_key(base->bytes, 4) + 2;
}

/* First control, then second: what the first rejects the second never sees. */
static void combine(struct decision *ret, struct control first, enum decider first_is, struct control second,
                    enum decider second_is)
{
    enum decider admitted_by = ret->decider;
    ret->decider = DECIDER_NONE;
    if (first.answer == ANSWER_DENY || (second.answer == ANSWER_DENY && first.answer == ANSWER_ALLOW)) {
        ret->verdict = VERDICT_REJECT;
        ret->decider = first.answer == ANSWER_DENY ? first_is : second_is;
    } else if (second.answer == ANSWER_DENY) {
        ret->verdict = VERDICT_REJECT; /* by one or the other */
        ret->doubt = first.doubt;
    } else if (first.answer == ANSWER_UNSURE || second.answer == ANSWER_UNSURE) {
        ret->doubt = first.answer == ANSWER_UNSURE ? first.doubt : second.doubt;
    } else {
        ret->verdict = VERDICT_ACCEPT;
        ret->decider = admitted_by;
    }
}

static void forget_groups(struct decision *decision)
{
    decision->group_rule = NULL;
    decision->tracked = false;
    decision->late = false;
}

void policy_decide(const struct policy *policy, const struct policy_interface *interface,
                   const struct policy_packet *packet, struct connection_view connection,
                   struct decision *ret)
{
    *ret = (struct decision){.doubt = interface->item.doubt};
    if (packet->egress)
        find_route(interface, packet->destination, packet->family, &ret->table, &ret->route);
    if (ret->doubt)
        return;
    if (is_unfiltered(interface, packet)) {
        ret->verdict = VERDICT_ACCEPT;
        ret->decider = DECIDER_UNFILTERED;
        return;
    }
    struct control groups;
    struct control acl;
    if (packet->egress) {
        groups = consult_groups(policy, interface, packet, connection, ret);
        acl = groups.answer == ANSWER_DENY ? not_asked : consult_acl(interface, packet, ret);
        combine(ret, groups, DECIDER_SECURITY_GROUP, acl, DECIDER_NETWORK_ACL);
        return;
    }
    acl = consult_acl(interface, packet, ret);
    groups =
        acl.answer == ANSWER_DENY ? not_asked : consult_groups(policy, interface, packet, connection, ret);
    combine(ret, acl, DECIDER_NETWORK_ACL, groups, DECIDER_SECURITY_GROUP);
    if (acl.answer == ANSWER_DENY)
        forget_groups(ret);
}

/* Bits of one word of the rules that cover some selector of the packet. */
static uint64_t selector_bits(const struct rule_set *set, const struct policy_packet *packet, size_t word)
{
    uint32_t low;
    uint32_t high;
    selectors(packet, &low, &high);
    uint64_t bits = rule_set_row(set, AXIS_SELECTOR, low)[word];
    for (rule_key next = low;
         low != high && (next = rule_set_next(set, AXIS_SELECTOR, next)) != 0 && next <= high;)
        bits |= rule_set_row(set, AXIS_SELECTOR, next)[word];
    return bits;
}

size_t policy_admitting(const struct policy_interface *interface, const struct policy_packet *packet,
                        const struct policy_rule **ret, size_t max)
{
    const struct group_rules *rules = &interface->groups->direction[packet->egress];
    const uint64_t *addresses =
        rule_set_row(&rules->set, address_axis(packet), address_key(remote_of(packet), packet->family));
    size_t count = 0;
    for (size_t word = 0; word < rules->set.words; word++) {
        uint64_t both = addresses[word] ? addresses[word] & selector_bits(&rules->set, packet, word) : 0;
        for (; both && count < max; both &= both - 1) {
            size_t rule = word * 64 + (size_t)__builtin_ctzll(both);
            if (rule < rules->firm)
                ret[count++] = rules->rules[rule];
        }
    }
    return count;
}

/* Requests and their answers; the rest of ICMP is errors and announcements. */
static const struct {
    uint8_t protocol;
    uint8_t request;
    uint8_t answer;
} icmp_pairs[] = {
    {PROTOCOL_ICMP, 8, 0},       {PROTOCOL_ICMP, 10, 9},      {PROTOCOL_ICMP, 13, 14},
    {PROTOCOL_ICMP, 15, 16},     {PROTOCOL_ICMP, 17, 18},     {PROTOCOL_ICMPV6, 128, 129},
    {PROTOCOL_ICMPV6, 133, 134}, {PROTOCOL_ICMPV6, 135, 136},
};

bool policy_can_reply(const struct policy_packet *packet, uint8_t tcp_flags)
{
    if (packet->protocol == PROTOCOL_TCP)
        return (tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN;
    if (!has_icmp_types(packet->protocol) || packet->partial)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(icmp_pairs); i++)
        if (icmp_pairs[i].protocol == packet->protocol && icmp_pairs[i].answer == packet->icmp >> 8)
            return true;
    return false;
}

bool policy_can_begin(const struct policy_packet *packet)
{
    if (!has_icmp_types(packet->protocol) || packet->partial)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(icmp_pairs); i++)
        if (icmp_pairs[i].protocol == packet->protocol && icmp_pairs[i].request == packet->icmp >> 8)
            return true;
    return false;
}
