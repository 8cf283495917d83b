/* SPDX-License-Identifier: Apache-2.0 */
#include "nftrace/mark.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

enum {
    MESSAGE_ROOM = 16384,   /* the largest message: a chain with its devices */
    DEVICES_OF_CHAIN = 200, /* the kernel takes 256 */
    BURST = 5,
};

struct writer {
    const struct mark_options *options;
    struct mnl_nlmsg_batch *batch;
    uint32_t sequence;
    uint32_t messages; /* that are acknowledged */
    bool full;
};

static struct nlmsghdr *begin(struct writer *writer, uint16_t type, uint16_t flags, uint8_t family)
{
    struct nlmsghdr *message = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(writer->batch));
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | flags;
    message->nlmsg_seq = writer->sequence++;
    struct nfgenmsg *head = mnl_nlmsg_put_extra_header(message, sizeof *head);
    *head = (struct nfgenmsg){.nfgen_family = family, .version = NFNETLINK_V0};
    return message;
}

static void end(struct writer *writer)
{
    if (!mnl_nlmsg_batch_next(writer->batch))
        writer->full = true;
}

static void put_frame(struct writer *writer, uint16_t type)
{
    struct nlmsghdr *message = begin(writer, type, 0, AF_UNSPEC);
    ((struct nfgenmsg *)mnl_nlmsg_get_payload(message))->res_id = htons(NFNL_SUBSYS_NFTABLES);
    end(writer);
}

static struct nlmsghdr *begin_table_message(struct writer *writer, int type, uint16_t flags)
{
    writer->messages++;
    return begin(writer, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags | NLM_F_CREATE | NLM_F_ACK,
                 NFPROTO_INET);
}

static void put_u32(struct nlmsghdr *message, uint16_t type, uint32_t number)
{
    mnl_attr_put_u32(message, type, htonl(number));
}

static void put_u64(struct nlmsghdr *message, uint16_t type, uint64_t number)
{
    mnl_attr_put_u64(message, type, htobe64(number));
}

static void put_table(struct writer *writer)
{
    struct nlmsghdr *message = begin_table_message(writer, NFT_MSG_NEWTABLE, NLM_F_EXCL);
    mnl_attr_put_strz(message, NFTA_TABLE_NAME, writer->options->table);
    put_u32(message, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
    end(writer);
}

/* A base chain at the lowest priority: of several there, the kernel calls the one that came last first. */
static void put_chain(struct writer *writer, const char *name, uint32_t hook, const char *const *devices,
                      size_t device_count)
{
    struct nlmsghdr *message = begin_table_message(writer, NFT_MSG_NEWCHAIN, NLM_F_EXCL);
    mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, writer->options->table);
    mnl_attr_put_strz(message, NFTA_CHAIN_NAME, name);
    mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, "filter");
    put_u32(message, NFTA_CHAIN_POLICY, NF_ACCEPT);
    struct nlattr *nest = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);
    put_u32(message, NFTA_HOOK_HOOKNUM, hook);
    put_u32(message, NFTA_HOOK_PRIORITY, (uint32_t)INT_MIN);
    if (device_count) {
        struct nlattr *list = mnl_attr_nest_start(message, NFTA_HOOK_DEVS);
        for (size_t i = 0; i < device_count; i++)
            mnl_attr_put_strz(message, NFTA_DEVICE_NAME, devices[i]);
        mnl_attr_nest_end(message, list);
    }
    mnl_attr_nest_end(message, nest);
    end(writer);
}

/* Expressions, as `nft --debug netlink` shows them. */
struct expression {
    struct nlmsghdr *message;
    struct nlattr *element;
    struct nlattr *data;
};

static struct expression begin_expression(struct nlmsghdr *message, const char *name)
{
    struct expression expression = {.message = message};
    expression.element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
    mnl_attr_put_strz(message, NFTA_EXPR_NAME, name);
    expression.data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
    return expression;
}

static void end_expression(const struct expression *expression)
{
    mnl_attr_nest_end(expression->message, expression->data);
    mnl_attr_nest_end(expression->message, expression->element);
}

static void put_value(struct nlmsghdr *message, uint16_t type, const void *value, size_t len)
{
    struct nlattr *nest = mnl_attr_nest_start(message, type);
    mnl_attr_put(message, NFTA_DATA_VALUE, len, value);
    mnl_attr_nest_end(message, nest);
}

static void put_meta(struct nlmsghdr *message, uint32_t key, uint16_t register_attribute)
{
    struct expression expression = begin_expression(message, "meta");
    put_u32(message, NFTA_META_KEY, key);
    put_u32(message, register_attribute, NFT_REG_1);
    end_expression(&expression);
}

static void put_payload(struct nlmsghdr *message, uint32_t base, uint32_t offset, uint32_t len)
{
    struct expression expression = begin_expression(message, "payload");
    put_u32(message, NFTA_PAYLOAD_DREG, NFT_REG_1);
    put_u32(message, NFTA_PAYLOAD_BASE, base);
    put_u32(message, NFTA_PAYLOAD_OFFSET, offset);
    put_u32(message, NFTA_PAYLOAD_LEN, len);
    end_expression(&expression);
}

static void put_mask(struct nlmsghdr *message, const uint8_t *mask, uint32_t len)
{
    static const uint8_t none[16];
    struct expression expression = begin_expression(message, "bitwise");
    put_u32(message, NFTA_BITWISE_SREG, NFT_REG_1);
    put_u32(message, NFTA_BITWISE_DREG, NFT_REG_1);
    put_u32(message, NFTA_BITWISE_LEN, len);
    put_value(message, NFTA_BITWISE_MASK, mask, len);
    put_value(message, NFTA_BITWISE_XOR, none, len);
    end_expression(&expression);
}

static void put_equals(struct nlmsghdr *message, const void *value, size_t len)
{
    struct expression expression = begin_expression(message, "cmp");
    put_u32(message, NFTA_CMP_SREG, NFT_REG_1);
    put_u32(message, NFTA_CMP_OP, NFT_CMP_EQ);
    put_value(message, NFTA_CMP_DATA, value, len);
    end_expression(&expression);
}

static void put_limit(struct nlmsghdr *message, uint32_t packets_per_s)
{
    struct expression expression = begin_expression(message, "limit");
    put_u64(message, NFTA_LIMIT_RATE, packets_per_s);
    put_u64(message, NFTA_LIMIT_UNIT, 1);
    put_u32(message, NFTA_LIMIT_BURST, BURST);
    put_u32(message, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
    end_expression(&expression);
}

static void put_trace(struct nlmsghdr *message)
{
    const uint8_t on = 1;
    struct expression expression = begin_expression(message, "immediate");
    put_u32(message, NFTA_IMMEDIATE_DREG, NFT_REG_1);
    put_value(message, NFTA_IMMEDIATE_DATA, &on, sizeof on);
    end_expression(&expression);
    put_meta(message, NFT_META_NFTRACE, NFTA_META_SREG);
}

static void put_block(struct nlmsghdr *message, const struct address_block *block, bool destination)
{
    bool six = block->base.family == 6;
    uint32_t len = six ? 16 : 4;
    uint8_t mask[16] = {0};
    if (block->prefix == 0)
        return;
    for (unsigned bit = 0; bit < block->prefix; bit++)
        mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    put_payload(message, NFT_PAYLOAD_NETWORK_HEADER, six ? (destination ? 24 : 8) : (destination ? 16 : 12),
                len);
    if (block->prefix < len * 8)
        put_mask(message, mask, len);
    put_equals(message, block->base.bytes + 16 - len, len);
}

static void put_port(struct nlmsghdr *message, int port, uint32_t offset)
{
    uint16_t wire = htons((uint16_t)port);
    if (port < 0)
        return;
    put_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, offset, sizeof wire);
    put_equals(message, &wire, sizeof wire);
}

static void put_rule(struct writer *writer, const char *chain, const struct nftrace_tuple *tuple)
{
    struct nlmsghdr *message = begin_table_message(writer, NFT_MSG_NEWRULE, NLM_F_APPEND);
    const uint8_t family = tuple->source.base.family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
    const uint8_t protocol = (uint8_t)tuple->protocol;
    mnl_attr_put_strz(message, NFTA_RULE_TABLE, writer->options->table);
    mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain);
    struct nlattr *list = mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS);
    put_meta(message, NFT_META_NFPROTO, NFTA_META_DREG);
    put_equals(message, &family, sizeof family);
    put_block(message, &tuple->source, false);
    put_block(message, &tuple->destination, true);
    if (tuple->protocol >= 0) {
        put_meta(message, NFT_META_L4PROTO, NFTA_META_DREG);
        put_equals(message, &protocol, sizeof protocol);
    }
    put_port(message, tuple->source_port, 0);
    put_port(message, tuple->destination_port, 2);
    put_limit(message, writer->options->packets_per_s);
    put_trace(message);
    mnl_attr_nest_end(message, list);
    end(writer);
}

static void put_marking_chain(struct writer *writer, const char *name, uint32_t hook,
                              const char *const *devices, size_t device_count)
{
    put_chain(writer, name, hook, devices, device_count);
    for (size_t i = 0; i < writer->options->tuple_count; i++)
        put_rule(writer, name, &writer->options->tuples[i]);
}

static void put_ingress_chains(struct writer *writer)
{
    const struct mark_options *options = writer->options;
    for (size_t first = 0; first < options->device_count && !writer->full; first += DEVICES_OF_CHAIN) {
        size_t left = options->device_count - first;
        char name[32];
        (void)snprintf(name, sizeof name, "ingress%zu", first / DEVICES_OF_CHAIN);
        put_marking_chain(writer, name, NF_INET_INGRESS, options->devices + first,
                          left < DEVICES_OF_CHAIN ? left : DEVICES_OF_CHAIN);
    }
}

int mark_write(const struct mark_options *options, char *to, size_t size, uint32_t first_sequence,
               uint32_t *ret_messages)
{
    if (size <= MESSAGE_ROOM)
        return -ENOSPC;
    struct writer writer = {.options = options, .sequence = first_sequence - 1};
    writer.batch = mnl_nlmsg_batch_start(to, size - MESSAGE_ROOM);
    if (!writer.batch)
        return -ENOMEM;
    put_frame(&writer, NFNL_MSG_BATCH_BEGIN);
    put_table(&writer);
    put_ingress_chains(&writer);
    put_marking_chain(&writer, "prerouting", NF_INET_PRE_ROUTING, NULL, 0);
    put_marking_chain(&writer, "output", NF_INET_LOCAL_OUT, NULL, 0);
    put_frame(&writer, NFNL_MSG_BATCH_END);
    int len = writer.full ? -ENOSPC : (int)mnl_nlmsg_batch_size(writer.batch);
    *ret_messages = writer.messages;
    mnl_nlmsg_batch_stop(writer.batch);
    return len;
}
