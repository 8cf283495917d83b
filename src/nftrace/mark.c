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

static struct expression begin_expression(struct nlmsghdr *message, uint16_t type, const char *name)
{
    struct expression expression = {.message = message};
    expression.element = mnl_attr_nest_start(message, type);
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

static void put_meta(struct nlmsghdr *message, uint32_t key, uint32_t into)
{
    struct expression expression = begin_expression(message, NFTA_LIST_ELEM, "meta");
    put_u32(message, NFTA_META_KEY, key);
    put_u32(message, NFTA_META_DREG, into);
    end_expression(&expression);
}

static void put_payload(struct nlmsghdr *message, uint32_t base, uint32_t offset, uint32_t len, uint32_t into)
{
    struct expression expression = begin_expression(message, NFTA_LIST_ELEM, "payload");
    put_u32(message, NFTA_PAYLOAD_DREG, into);
    put_u32(message, NFTA_PAYLOAD_BASE, base);
    put_u32(message, NFTA_PAYLOAD_OFFSET, offset);
    put_u32(message, NFTA_PAYLOAD_LEN, len);
    end_expression(&expression);
}

static void put_mask(struct nlmsghdr *message, const uint8_t *mask, uint32_t len)
{
    static const uint8_t none[16];
    struct expression expression = begin_expression(message, NFTA_LIST_ELEM, "bitwise");
    put_u32(message, NFTA_BITWISE_SREG, NFT_REG_1);
    put_u32(message, NFTA_BITWISE_DREG, NFT_REG_1);
    put_u32(message, NFTA_BITWISE_LEN, len);
    put_value(message, NFTA_BITWISE_MASK, mask, len);
    put_value(message, NFTA_BITWISE_XOR, none, len);
    end_expression(&expression);
}

static void put_equals(struct nlmsghdr *message, const void *value, size_t len)
{
    struct expression expression = begin_expression(message, NFTA_LIST_ELEM, "cmp");
    put_u32(message, NFTA_CMP_SREG, NFT_REG_1);
    put_u32(message, NFTA_CMP_OP, NFT_CMP_EQ);
    put_value(message, NFTA_CMP_DATA, value, len);
    end_expression(&expression);
}

static void put_limit(struct nlmsghdr *message, uint16_t type, uint32_t packets_per_s, uint32_t burst)
{
    struct expression expression = begin_expression(message, type, "limit");
    put_u64(message, NFTA_LIMIT_RATE, packets_per_s);
    put_u64(message, NFTA_LIMIT_UNIT, 1);
    put_u32(message, NFTA_LIMIT_BURST, burst);
    put_u32(message, NFTA_LIMIT_TYPE, NFT_LIMIT_PKTS);
    end_expression(&expression);
}

static void put_trace(struct nlmsghdr *message)
{
    const uint8_t on = 1;
    struct expression expression = begin_expression(message, NFTA_LIST_ELEM, "immediate");
    put_u32(message, NFTA_IMMEDIATE_DREG, NFT_REG_1);
    put_value(message, NFTA_IMMEDIATE_DATA, &on, sizeof on);
    end_expression(&expression);
    expression = begin_expression(message, NFTA_LIST_ELEM, "meta");
    put_u32(message, NFTA_META_KEY, NFT_META_NFTRACE);
    put_u32(message, NFTA_META_SREG, NFT_REG_1);
    end_expression(&expression);
}

static void put_address(struct nlmsghdr *message, bool six, bool destination, uint32_t into)
{
    uint32_t offset = six ? (destination ? 24 : 8) : (destination ? 16 : 12);
    put_payload(message, NFT_PAYLOAD_NETWORK_HEADER, offset, six ? 16 : 4, into);
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
    put_address(message, six, destination, NFT_REG_1);
    if (block->prefix < len * 8)
        put_mask(message, mask, len);
    put_equals(message, block->base.bytes + 16 - len, len);
}

static void put_port(struct nlmsghdr *message, int port, uint32_t offset)
{
    uint16_t wire = htons((uint16_t)port);
    if (port < 0)
        return;
    put_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, offset, sizeof wire, NFT_REG_1);
    put_equals(message, &wire, sizeof wire);
}

static struct nlmsghdr *begin_rule(struct writer *writer, const char *chain, bool six,
                                   struct nlattr **ret_list)
{
    struct nlmsghdr *message = begin_table_message(writer, NFT_MSG_NEWRULE, NLM_F_APPEND);
    const uint8_t family = six ? NFPROTO_IPV6 : NFPROTO_IPV4;
    mnl_attr_put_strz(message, NFTA_RULE_TABLE, writer->options->table);
    mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain);
    *ret_list = mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS);
    put_meta(message, NFT_META_NFPROTO, NFT_REG_1);
    put_equals(message, &family, sizeof family);
    return message;
}

static void end_rule(struct writer *writer, struct nlmsghdr *message, struct nlattr *list)
{
    put_trace(message);
    mnl_attr_nest_end(message, list);
    end(writer);
}

/* Of a tuple that leaves something open. */
static void put_rule(struct writer *writer, const char *chain, const struct nftrace_tuple *tuple)
{
    struct nlattr *list;
    struct nlmsghdr *message = begin_rule(writer, chain, tuple->source.base.family == 6, &list);
    const uint8_t protocol = (uint8_t)tuple->protocol;
    put_block(message, &tuple->source, false);
    put_block(message, &tuple->destination, true);
    if (tuple->protocol >= 0) {
        put_meta(message, NFT_META_L4PROTO, NFT_REG_1);
        put_equals(message, &protocol, sizeof protocol);
    }
    put_port(message, tuple->source_port, 0);
    put_port(message, tuple->destination_port, 2);
    put_limit(message, NFTA_LIST_ELEM, tuple->packets_per_s, BURST);
    end_rule(writer, message, list);
}

/*
 * Tuples that leave nothing open are elements of a set, which costs a packet the same for one as for many.
 * Members of a key take whole registers of 4 bytes. Each element has its own limit, which a packet meets once
 * at ingress and once at prerouting.
 */
struct shape {
    const char *set;
    bool six;
    bool ports;
};

static const struct shape shapes[] = {
    {"ports4", false, true}, {"ports6", true, true}, {"plain4", false, false}, {"plain6", true, false}};

enum { HOOKS_MET = 2, KEY_MAX = 16 + 16 + 3 * 4 };

static bool has_shape(const struct nftrace_tuple *tuple, const struct shape *shape)
{
    bool six = tuple->source.base.family == 6;
    uint8_t full = six ? 128 : 32;
    return six == shape->six && tuple->source.prefix == full && tuple->destination.prefix == full &&
           tuple->protocol >= 0 && (tuple->source_port >= 0) == shape->ports &&
           (tuple->destination_port >= 0) == shape->ports;
}

/* Whether the tuple is an element of a set. */
static bool is_exact(const struct nftrace_tuple *tuple)
{
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
        if (has_shape(tuple, &shapes[i]))
            return true;
    return false;
}

static bool is_needed(const struct writer *writer, const struct shape *shape)
{
    for (size_t i = 0; i < writer->options->tuple_count; i++)
        if (has_shape(&writer->options->tuples[i], shape))
            return true;
    return false;
}

static uint32_t key_size(const struct shape *shape)
{
    return (shape->six ? 32 : 8) + (shape->ports ? 12 : 4);
}

/* By nft's numbers of types, so that it can list the set. */
static uint32_t key_type(const struct shape *shape)
{
    enum { BITS = 6, IPV4 = 7, IPV6 = 8, PROTOCOL = 12, SERVICE = 13 };
    uint32_t address = shape->six ? IPV6 : IPV4;
    uint32_t type = (address << BITS | address) << BITS | PROTOCOL;
    return shape->ports ? (type << BITS | SERVICE) << BITS | SERVICE : type;
}

static void put_set(struct writer *writer, const struct shape *shape)
{
    struct nlmsghdr *message = begin_table_message(writer, NFT_MSG_NEWSET, NLM_F_EXCL);
    mnl_attr_put_strz(message, NFTA_SET_TABLE, writer->options->table);
    mnl_attr_put_strz(message, NFTA_SET_NAME, shape->set);
    put_u32(message, NFTA_SET_ID, (uint32_t)(shape - shapes) + 1);
    put_u32(message, NFTA_SET_KEY_TYPE, key_type(shape));
    put_u32(message, NFTA_SET_KEY_LEN, key_size(shape));
    end(writer);
}

static void put_element(struct nlmsghdr *message, const struct shape *shape,
                        const struct nftrace_tuple *tuple)
{
    uint8_t key[KEY_MAX] = {0};
    uint32_t len = shape->six ? 16 : 4;
    uint16_t ports[] = {htons((uint16_t)tuple->source_port), htons((uint16_t)tuple->destination_port)};
    memcpy(key, tuple->source.base.bytes + 16 - len, len);
    memcpy(key + len, tuple->destination.base.bytes + 16 - len, len);
    key[2 * len] = (uint8_t)tuple->protocol;
    for (uint32_t i = 0; shape->ports && i < ARRAY_SIZE(ports); i++)
        memcpy(key + 2 * len + 4 + 4 * i, &ports[i], sizeof ports[i]);
    struct nlattr *element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
    put_value(message, NFTA_SET_ELEM_KEY, key, key_size(shape));
    put_limit(message, NFTA_SET_ELEM_EXPR, HOOKS_MET * tuple->packets_per_s, HOOKS_MET * BURST);
    mnl_attr_nest_end(message, element);
}

static void put_elements(struct writer *writer, const struct shape *shape)
{
    struct nlmsghdr *message = begin_table_message(writer, NFT_MSG_NEWSETELEM, 0);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, writer->options->table);
    mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, shape->set);
    put_u32(message, NFTA_SET_ELEM_LIST_SET_ID, (uint32_t)(shape - shapes) + 1);
    struct nlattr *list = mnl_attr_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
    for (size_t i = 0; i < writer->options->tuple_count; i++)
        if (has_shape(&writer->options->tuples[i], shape))
            put_element(message, shape, &writer->options->tuples[i]);
    mnl_attr_nest_end(message, list);
    end(writer);
}

static void put_lookup(struct nlmsghdr *message, const struct shape *shape)
{
    struct expression expression = begin_expression(message, NFTA_LIST_ELEM, "lookup");
    mnl_attr_put_strz(message, NFTA_LOOKUP_SET, shape->set);
    put_u32(message, NFTA_LOOKUP_SET_ID, (uint32_t)(shape - shapes) + 1);
    put_u32(message, NFTA_LOOKUP_SREG, NFT_REG32_00);
    end_expression(&expression);
}

static void put_set_rule(struct writer *writer, const char *chain, const struct shape *shape)
{
    struct nlattr *list;
    struct nlmsghdr *message = begin_rule(writer, chain, shape->six, &list);
    uint32_t width = shape->six ? 4 : 1; /* registers of an address */
    uint32_t next = NFT_REG32_00 + 2 * width;
    put_address(message, shape->six, false, NFT_REG32_00);
    put_address(message, shape->six, true, NFT_REG32_00 + width);
    put_meta(message, NFT_META_L4PROTO, next);
    if (shape->ports) {
        put_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, next + 1);
        put_payload(message, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, next + 2);
    }
    put_lookup(message, shape);
    end_rule(writer, message, list);
}

static void put_sets(struct writer *writer)
{
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        if (!is_needed(writer, &shapes[i]))
            continue;
        put_set(writer, &shapes[i]);
        put_elements(writer, &shapes[i]);
    }
}

static void put_marking_chain(struct writer *writer, const char *name, uint32_t hook,
                              const char *const *devices, size_t device_count)
{
    put_chain(writer, name, hook, devices, device_count);
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
        if (is_needed(writer, &shapes[i]))
            put_set_rule(writer, name, &shapes[i]);
    for (size_t i = 0; i < writer->options->tuple_count; i++)
        if (!is_exact(&writer->options->tuples[i]))
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
    if (size <= MESSAGE_ROOM || options->tuple_count > NFTRACE_TUPLES_MAX)
        return -ENOSPC;
    struct writer writer = {.options = options, .sequence = first_sequence - 1};
    writer.batch = mnl_nlmsg_batch_start(to, size - MESSAGE_ROOM);
    if (!writer.batch)
        return -ENOMEM;
    put_frame(&writer, NFNL_MSG_BATCH_BEGIN);
    put_table(&writer);
    put_sets(&writer);
    put_ingress_chains(&writer);
    put_marking_chain(&writer, "prerouting", NF_INET_PRE_ROUTING, NULL, 0);
    put_marking_chain(&writer, "output", NF_INET_LOCAL_OUT, NULL, 0);
    put_frame(&writer, NFNL_MSG_BATCH_END);
    int len = writer.full ? -ENOSPC : (int)mnl_nlmsg_batch_size(writer.batch);
    *ret_messages = writer.messages;
    mnl_nlmsg_batch_stop(writer.batch);
    return len;
}
