/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/reason.h"

/* What tells the rules apart that reject packets of one interface. */
struct judge_rule {
    const struct policy_rule *entry; /* of an ACL; NULL for its default and for groups */
    enum decider decider;
    bool egress;
    bool late;
    uint8_t family; /* of an ACL's default */
    char *name;     /* owned */
};

static bool is_rule(const struct judge_rule *rule, const struct policy_packet *packet,
                    const struct decision *decision)
{
    return rule->entry == decision->acl_entry && rule->decider == decision->decider &&
           rule->egress == packet->egress && rule->late == decision->late && rule->family == packet->family;
}

static char *name_rule(const struct judge *judge, const struct policy_packet *packet,
                       const struct decision *decision)
{
    AUTO_BUF struct buf name = BUF_INIT(4096);
    reason_print_reject_rule(&name, judge->interface, packet, decision);
    return strdup(buf_string(&name));
}

/* The number of the rule that rejected the packet; 0 when there is no place for one more. */
static uint16_t number_of(struct judge *judge, const struct policy_packet *packet,
                          const struct decision *decision)
{
    for (size_t i = 0; i < judge->rules.count; i++)
        if (is_rule(&judge->rules.items[i], packet, decision))
            return (uint16_t)(i + 1);
    char *name = judge->rules.count < UINT16_MAX ? name_rule(judge, packet, decision) : NULL;
    if (!name)
        return 0;
    struct judge_rule *rule = LIST_ADD(&judge->rules);
    if (!rule) {
        free(name);
        return 0;
    }
    *rule = (struct judge_rule){.entry = decision->acl_entry,
                                .decider = decision->decider,
                                .egress = packet->egress,
                                .late = decision->late,
                                .family = packet->family,
                                .name = name};
    return (uint16_t)judge->rules.count;
}

static uint8_t reject_source(const struct decision *decision)
{
    switch (decision->decider) {
    case DECIDER_SECURITY_GROUP:
        return REJECT_SECURITY_GROUP;
    case DECIDER_NETWORK_ACL:
        return REJECT_NETWORK_ACL;
    default:
        return REJECT_UNCERTAIN;
    }
}

static bool is_partial(const struct packet *packet)
{
    bool ports = packet->protocol == PROTOCOL_TCP || packet->protocol == PROTOCOL_UDP;
    bool types = packet->protocol == PROTOCOL_ICMP || packet->protocol == PROTOCOL_ICMPV6;
    return (ports && packet->source_port == 0 && packet->destination_port == 0) ||
           (types && packet->icmp == PARSE_ICMP_UNKNOWN);
}

static uint8_t judge_packet(void *context, const struct packet *packet, bool egress, uint64_t second,
                            uint16_t *ret_rule)
{
    struct judge *judge = context;
    const struct policy_packet judged = {.source = packet->source,
                                         .destination = packet->destination,
                                         .source_port = packet->source_port,
                                         .destination_port = packet->destination_port,
                                         .icmp = packet->icmp,
                                         .family = packet->family,
                                         .protocol = packet->protocol,
                                         .egress = egress,
                                         .partial = is_partial(packet)};
    struct decision decision;
    policy_track(judge->policy, judge->interface, &judged, packet->tcp_flags, second, &judge->tracker,
                 &decision);
    if (decision.verdict == VERDICT_UNKNOWN) {
        judge->why = judge->uncertain++ ? judge->why : decision.doubt;
        return REJECT_NONE;
    }
    if (decision.verdict == VERDICT_ACCEPT)
        return REJECT_NONE;
    *ret_rule = number_of(judge, &judged, &decision);
    return reject_source(&decision);
}

/* Where documents decide, the place of a drop's reason holds the number of the rule. */
static const char *rule_name(void *context, const struct flow *flow, uint64_t window)
{
    const struct judge *judge = context;
    uint16_t rule = flow->drop_reason;
    (void)window;
    return rule && rule <= judge->rules.count ? judge->rules.items[rule - 1].name : NULL;
}

int judge_init(struct judge *judge, struct policy *policy, const char *interface_id, struct fault *fault)
{
    struct policy_interface *interface = policy_interface(policy, interface_id);
    *judge = (struct judge){.policy = policy,
                            .interface = interface,
                            .tracker = {.table = {.max_count = CONNECTIONS_MAX_DEFAULT}}};
    if (!interface)
        return fault_set(fault, -EINVAL, "the documents do not know interface %s", interface_id);
    if (interface->addresses.count == 0)
        return fault_set(fault, -EINVAL, "the documents name no address of interface %s", interface_id);
    judge->replay = (struct replay_judge){.judge = judge_packet, .rule_name = rule_name, .context = judge};
    return policy_prepare(policy, interface, fault);
}

void judge_done(struct judge *judge)
{
    for (size_t i = 0; i < judge->rules.count; i++)
        free(judge->rules.items[i].name);
    free(judge->rules.items);
    connections_done(&judge->tracker.table);
}

static void fill_in(char *to, size_t size, const char *text)
{
    if (!to[0] && text)
        (void)snprintf(to, size, "%s", text);
}

int judge_describe(const struct judge *judge, struct interface *to)
{
    const struct policy_interface *from = judge->interface;
    struct interface_identity *identity = &to->identity;
    fill_in(identity->account_id, sizeof identity->account_id, from->account_id);
    fill_in(identity->vpc_id, sizeof identity->vpc_id, from->vpc_id);
    fill_in(identity->subnet_id, sizeof identity->subnet_id, from->subnet_id);
    fill_in(identity->instance_id, sizeof identity->instance_id, from->instance_id);
    fill_in(identity->az_id, sizeof identity->az_id,
            from->az_id || !from->subnet ? from->az_id : from->subnet->az_id);
    bool own = to->address_count == 0;
    for (size_t i = 0; own && i < from->addresses.count; i++)
        if (interface_add_address(to, &from->addresses.items[i]) < 0)
            return -ENOMEM;
    return 0;
}
