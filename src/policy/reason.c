/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/reason.h"

#include "bpf/parse.h"

static void print_protocol(struct buf *buf, unsigned protocol)
{
    static const struct {
        unsigned number;
        const char *name;
    } names[] = {{PROTOCOL_TCP, "tcp"},
                 {PROTOCOL_UDP, "udp"},
                 {PROTOCOL_ICMP, "icmp"},
                 {PROTOCOL_ICMPV6, "icmpv6"},
                 {PROTOCOL_SCTP, "sctp"}};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].number == protocol) {
            buf_text(buf, names[i].name);
            return;
        }
    }
    buf_printf(buf, "protocol %u", protocol);
}

static void print_selectors(struct buf *buf, const struct policy_rule *rule)
{
    unsigned protocol = rule->low >> 16;
    unsigned from = rule->low & UINT16_MAX;
    unsigned to = rule->high & UINT16_MAX;
    if (rule->low == 0 && rule->high == SELECTOR_MAX) {
        buf_text(buf, "all traffic");
        return;
    }
    print_protocol(buf, protocol);
    if (from == 0 && to == UINT16_MAX)
        return;
    if (protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6) {
        buf_printf(buf, " type %u", from >> 8);
        if (from == to)
            buf_printf(buf, " code %u", from & UINT8_MAX);
    } else if (from == to) {
        buf_printf(buf, " %u", from);
    } else {
        buf_printf(buf, " %u-%u", from, to);
    }
}

void reason_print_rule(struct buf *buf, const struct policy_rule *rule)
{
    char address[ADDRESS_TEXT_MAX];
    print_selectors(buf, rule);
    buf_text(buf, rule->egress ? " to " : " from ");
    if (rule->source != SOURCE_BLOCK) {
        buf_text(buf, rule->reference ? rule->reference : "?");
        return;
    }
    buf_append(buf, address, address_format(address, rule->block.base.bytes, rule->block.base.family));
    buf_printf(buf, "/%u", rule->block.prefix);
}

static void print_group_ids(struct buf *buf, const struct policy_interface *interface, const char *between)
{
    for (size_t i = 0; i < interface->group_ids.count; i++) {
        buf_text(buf, i ? between : "");
        buf_text(buf, interface->group_ids.items[i]);
    }
}

int reason_acl_number(const struct policy_packet *packet, const struct decision *decision)
{
    return decision->acl_entry ? decision->acl_entry->number : ACL_DEFAULT_DENY(packet->family);
}

static const char *direction_of(const struct policy_packet *packet)
{
    return packet->egress ? "egress" : "ingress";
}

static void print_acl(struct buf *buf, const struct policy_packet *packet, const struct decision *decision)
{
    const struct policy_rule *entry = decision->acl_entry;
    if (decision->same_subnet) {
        buf_text(buf, "The other end is in the same subnet: no network ACL is crossed. ");
        return;
    }
    if (!decision->acl)
        return;
    int number = reason_acl_number(packet, decision);
    buf_printf(buf, "Network ACL %s %s it by %s entry ", decision->acl->item.id,
               entry && !entry->deny ? "allows" : "denies", direction_of(packet));
    buf_u64(buf, (uint64_t)number);
    if (!entry || number >= ACL_DEFAULT_DENY(4)) {
        buf_text(buf, ", the default: no entry before it matches. ");
        return;
    }
    buf_text(buf, " (");
    reason_print_rule(buf, entry);
    buf_text(buf, "). ");
}

static void print_groups(struct buf *buf, const struct policy_interface *interface,
                         const struct policy_packet *packet, const struct decision *decision)
{
    const struct policy_rule *rule = decision->group_rule;
    if (rule) {
        buf_printf(buf, "Security group %s admits it by ", rule->group->item.id);
        buf_text(buf, rule->id ? rule->id : "its rule");
        buf_text(buf, " (");
        reason_print_rule(buf, rule);
        buf_text(buf, "). ");
    } else if (decision->late) {
        buf_text(buf, "It comes after the end of its connection. ");
    } else if (decision->decider == DECIDER_SECURITY_GROUP && decision->verdict == VERDICT_REJECT) {
        buf_printf(buf, "No %s rule of ", direction_of(packet));
        print_group_ids(buf, interface, ", ");
        buf_text(buf, " admits it. ");
    }
}

static void print_route(struct buf *buf, const struct decision *decision)
{
    char address[ADDRESS_TEXT_MAX];
    const struct policy_route *route = decision->route;
    if (!decision->table || decision->verdict == VERDICT_REJECT)
        return;
    if (decision->table->item.doubt) {
        buf_printf(buf, "The route is not known: %s. ", decision->table->item.doubt);
        return;
    }
    if (!route) {
        buf_printf(buf, "Route table %s has no route there. ", decision->table->item.id);
        return;
    }
    buf_printf(buf, "Route table %s: ", decision->table->item.id);
    buf_append(buf, address,
               address_format(address, route->destination.base.bytes, route->destination.base.family));
    buf_printf(buf, "/%u goes to %s%s. ", route->destination.prefix,
               route->target ? route->target : "nowhere",
               route->blackhole ? ", which is gone (blackhole)" : "");
}

void reason_print(struct buf *buf, const struct policy_interface *interface,
                  const struct policy_packet *packet, const struct decision *decision)
{
    size_t before = buf->len;
    if (decision->decider == DECIDER_UNFILTERED)
        buf_text(buf, "No rule filters traffic with this service of Amazon's. ");
    if (!packet->egress)
        print_acl(buf, packet, decision);
    if (decision->decider == DECIDER_CONNECTION ||
        (packet->egress && decision->decider == DECIDER_NETWORK_ACL && !decision->group_rule &&
         decision->has_groups))
        buf_text(buf, "It answers a tracked connection, which the security groups let pass. ");
    print_groups(buf, interface, packet, decision);
    if (packet->egress)
        print_acl(buf, packet, decision);
    if (decision->doubt && decision->verdict == VERDICT_REJECT)
        buf_printf(buf, "Which control rejects it cannot be told, because %s. ", decision->doubt);
    else if (decision->doubt)
        buf_printf(buf, "Cannot tell, because %s. ", decision->doubt);
    print_route(buf, decision);
    if (!buf->failed && buf->len > before)
        buf->len--; /* the last space */
}

void reason_print_reject_rule(struct buf *buf, const struct policy_interface *interface,
                              const struct policy_packet *packet, const struct decision *decision)
{
    if (decision->decider == DECIDER_NETWORK_ACL && decision->acl) {
        buf_printf(buf, "%s:%s:", decision->acl->item.id, direction_of(packet));
        buf_u64(buf, (uint64_t)reason_acl_number(packet, decision));
    } else if (decision->decider == DECIDER_SECURITY_GROUP) {
        print_group_ids(buf, interface, ",");
        buf_printf(buf, ":%s:%s", direction_of(packet), decision->late ? "late" : "no-match");
    }
}
