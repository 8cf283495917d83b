/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/aws_form.h"

#include <string.h>

#include "bpf/parse.h"
#include "record/json.h"

static void print_string(struct buf *buf, const char *before, const char *text)
{
    buf_text(buf, before);
    json_write_string(buf, text, strlen(text));
}

/* Protocol and ports; of ICMP the type and the code; -1 is all. */
static void print_selectors(struct buf *buf, const struct policy_rule *rule)
{
    unsigned protocol = rule->low >> 16;
    unsigned low = rule->low & UINT16_MAX;
    unsigned high = rule->high & UINT16_MAX;
    bool is_all = rule->low == 0 && rule->high == SELECTOR_MAX;
    bool is_icmp = protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6;
    if (is_all || (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP && !is_icmp)) {
        buf_printf(buf, "\"IpProtocol\":\"%d\",\"FromPort\":-1,\"ToPort\":-1", is_all ? -1 : (int)protocol);
        return;
    }
    print_string(buf, "\"IpProtocol\":",
                 protocol == PROTOCOL_TCP    ? "tcp"
                 : protocol == PROTOCOL_UDP  ? "udp"
                 : protocol == PROTOCOL_ICMP ? "icmp"
                                             : "icmpv6");
    if (!is_icmp)
        buf_printf(buf, ",\"FromPort\":%u,\"ToPort\":%u", low, high);
    else if (low == 0 && high == UINT16_MAX)
        buf_text(buf, ",\"FromPort\":-1,\"ToPort\":-1");
    else
        buf_printf(buf, ",\"FromPort\":%u,\"ToPort\":%d", low >> 8,
                   low == high ? (int)(low & UINT8_MAX) : -1);
}

static void print_block(struct buf *buf, const struct address_block *block)
{
    char text[ADDRESS_TEXT_MAX];
    buf_char(buf, '"');
    buf_append(buf, text, address_format(text, block->base.bytes, block->base.family));
    buf_printf(buf, "/%u\"", block->prefix);
}

static const char *reference_of(const struct policy_rule *rule)
{
    return rule->reference ? rule->reference : "";
}

void aws_form_print_flat(struct buf *buf, const struct policy_rule *rule)
{
    print_string(buf, "{\"GroupId\":", rule->group->item.id);
    buf_printf(buf, ",\"IsEgress\":%s,", rule->egress ? "true" : "false");
    if (rule->id) {
        print_string(buf, "\"SecurityGroupRuleId\":", rule->id);
        buf_char(buf, ',');
    }
    print_selectors(buf, rule);
    if (rule->source == SOURCE_BLOCK) {
        buf_text(buf, rule->block.base.family == 4 ? ",\"CidrIpv4\":" : ",\"CidrIpv6\":");
        print_block(buf, &rule->block);
    } else if (rule->source == SOURCE_PREFIX_LIST) {
        print_string(buf, ",\"PrefixListId\":", reference_of(rule));
    } else {
        print_string(buf, ",\"ReferencedGroupInfo\":{\"GroupId\":", reference_of(rule));
        buf_char(buf, '}');
    }
    buf_char(buf, '}');
}

/* As --ip-permissions takes it. */
static void print_permission(struct buf *buf, const struct policy_rule *rule)
{
    buf_text(buf, "[{");
    print_selectors(buf, rule);
    if (rule->source == SOURCE_BLOCK) {
        buf_text(buf, rule->block.base.family == 4 ? ",\"IpRanges\":[{\"CidrIp\":"
                                                   : ",\"Ipv6Ranges\":[{\"CidrIpv6\":");
        print_block(buf, &rule->block);
    } else if (rule->source == SOURCE_PREFIX_LIST) {
        print_string(buf, ",\"PrefixListIds\":[{\"PrefixListId\":", reference_of(rule));
    } else {
        print_string(buf, ",\"UserIdGroupPairs\":[{\"GroupId\":", reference_of(rule));
    }
    buf_text(buf, "}]}]");
}

/* As one word of a shell, whatever the documents hold. */
static void print_quoted(struct buf *buf, const char *text)
{
    buf_char(buf, '\'');
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            buf_text(buf, "'\\'");
        buf_char(buf, *c);
    }
    buf_char(buf, '\'');
}

static void print_command(struct buf *buf, const char *verb, const struct policy_rule *rule)
{
    buf_printf(buf, "aws ec2 %s-security-group-%s --group-id ", verb, rule->egress ? "egress" : "ingress");
    print_quoted(buf, rule->group->item.id);
}

void aws_form_print_authorize(struct buf *buf, const struct policy_rule *rule)
{
    AUTO_BUF struct buf permission = BUF_INIT(65536);
    print_permission(&permission, rule);
    print_command(buf, "authorize", rule);
    buf_text(buf, " --ip-permissions ");
    print_quoted(buf, buf_string(&permission));
}

void aws_form_print_revoke(struct buf *buf, const struct policy_rule *rule)
{
    AUTO_BUF struct buf permission = BUF_INIT(65536);
    print_command(buf, "revoke", rule);
    if (rule->id) {
        buf_text(buf, " --security-group-rule-ids ");
        print_quoted(buf, rule->id);
        return;
    }
    print_permission(&permission, rule);
    buf_text(buf, " --ip-permissions ");
    print_quoted(buf, buf_string(&permission));
}
