/* SPDX-License-Identifier: Apache-2.0 */
#include "nftrace/event.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "bpf/parse.h"

enum { IPV4_HEADER = 20, IPV6_HEADER = 40, VERDICT_MASK = 0xff };

struct attributes {
    const struct nlattr *of[NFTA_TRACE_MAX + 1];
};

/* Attributes that a later kernel adds are passed over. */
static int collect(const struct nlattr *attribute, void *context)
{
    struct attributes *found = context;
    if (mnl_attr_type_valid(attribute, NFTA_TRACE_MAX) > 0)
        found->of[mnl_attr_get_type(attribute)] = attribute;
    return MNL_CB_OK;
}

static bool read_name(const struct nlattr *attribute, const char **ret)
{
    if (!attribute || mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0)
        return false;
    *ret = mnl_attr_get_str(attribute);
    return true;
}

static uint32_t read_u32(const struct nlattr *attribute)
{
    return attribute && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0 ? ntohl(mnl_attr_get_u32(attribute))
                                                                        : 0;
}

static enum nftrace_verdict verdict_of(uint32_t code)
{
    if ((int32_t)code < 0)
        return NFTRACE_GOES_ON;
    switch (code & VERDICT_MASK) {
    case NF_ACCEPT:
        return NFTRACE_ACCEPT;
    case NF_DROP:
        return NFTRACE_DROP;
    case NF_STOLEN:
    case NF_QUEUE:
        return NFTRACE_TAKE;
    default:
        return NFTRACE_GOES_ON;
    }
}

static int find_verdict(const struct nlattr *attribute, void *context)
{
    if (mnl_attr_get_type(attribute) == NFTA_VERDICT_CODE)
        *(uint32_t *)context = read_u32(attribute);
    return MNL_CB_OK;
}

static bool read_verdict(const struct attributes *found, struct nftrace_event *event)
{
    uint32_t code = (uint32_t)NFT_CONTINUE;
    switch (read_u32(found->of[NFTA_TRACE_TYPE])) {
    case NFT_TRACETYPE_POLICY:
        event->policy = true;
        event->verdict = verdict_of(read_u32(found->of[NFTA_TRACE_POLICY]));
        return found->of[NFTA_TRACE_POLICY] != NULL;
    case NFT_TRACETYPE_RULE:
        if (!found->of[NFTA_TRACE_VERDICT] ||
            mnl_attr_validate(found->of[NFTA_TRACE_VERDICT], MNL_TYPE_NESTED) < 0)
            return false;
        if (mnl_attr_parse_nested(found->of[NFTA_TRACE_VERDICT], find_verdict, &code) < 0)
            return false;
        event->verdict = verdict_of(code);
        return true;
    case NFT_TRACETYPE_RETURN:
        event->verdict = NFTRACE_GOES_ON;
        return true;
    default:
        return false;
    }
}

static void read_ipv4(const uint8_t *header, struct nftrace_packet *packet)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    packet->source.family = packet->destination.family = 4;
    memcpy(packet->source.bytes, mapped, sizeof mapped);
    memcpy(packet->destination.bytes, mapped, sizeof mapped);
    memcpy(packet->source.bytes + sizeof mapped, header + 12, 4);
    memcpy(packet->destination.bytes + sizeof mapped, header + 16, 4);
    packet->protocol = header[9];
    packet->length = parse_u16(header + 2);
}

static void read_ipv6(const uint8_t *header, struct nftrace_packet *packet)
{
    unsigned payload = parse_u16(header + 4);
    packet->source.family = packet->destination.family = 6;
    memcpy(packet->source.bytes, header + 8, 16);
    memcpy(packet->destination.bytes, header + 24, 16);
    packet->protocol = header[6];
    packet->length = (uint16_t)(payload && payload + IPV6_HEADER <= UINT16_MAX ? payload + IPV6_HEADER : 0);
}

static bool has_ports(uint8_t protocol)
{
    return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP;
}

/*
 * The kernel hands out the first 40 bytes of the network header, and 20 of the transport header behind it.
 * What follows IPv6 extension headers is not told: such a packet has the protocol of the first of them.
 */
static bool read_packet(const struct attributes *found, struct nftrace_packet *ret)
{
    const struct nlattr *network = found->of[NFTA_TRACE_NETWORK_HEADER];
    const struct nlattr *transport = found->of[NFTA_TRACE_TRANSPORT_HEADER];
    size_t len = network ? mnl_attr_get_payload_len(network) : 0;
    if (len < IPV4_HEADER)
        return false;
    const uint8_t *header = mnl_attr_get_payload(network);
    *ret = (struct nftrace_packet){0};
    if (header[0] >> 4 == 4)
        read_ipv4(header, ret);
    else if (header[0] >> 4 == 6 && len >= IPV6_HEADER)
        read_ipv6(header, ret);
    else
        return false;
    if (transport && mnl_attr_get_payload_len(transport) >= 4 && has_ports(ret->protocol)) {
        ret->source_port = parse_u16(mnl_attr_get_payload(transport));
        ret->destination_port = parse_u16((const uint8_t *)mnl_attr_get_payload(transport) + 2);
    }
    return true;
}

bool nftrace_event_read(const struct nlmsghdr *message, struct nftrace_event *ret)
{
    struct attributes found = {0};
    if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_TRACE) ||
        mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg) ||
        mnl_attr_parse(message, sizeof(struct nfgenmsg), collect, &found) < 0)
        return false;
    const struct nfgenmsg *head = mnl_nlmsg_get_payload(message);
    struct nftrace_event event = {
        .id = read_u32(found.of[NFTA_TRACE_ID]),
        .family = head->nfgen_family,
        .arrived_on = read_u32(found.of[NFTA_TRACE_IIF]),
        .leaves_by = read_u32(found.of[NFTA_TRACE_OIF]),
    };
    const struct nlattr *handle = found.of[NFTA_TRACE_RULE_HANDLE];
    if (handle && mnl_attr_validate(handle, MNL_TYPE_U64) == 0)
        event.handle = be64toh(mnl_attr_get_u64(handle));
    if (!read_name(found.of[NFTA_TRACE_TABLE], &event.table) ||
        !read_name(found.of[NFTA_TRACE_CHAIN], &event.chain) || !read_verdict(&found, &event))
        return false;
    event.has_packet = read_packet(&found, &event.packet);
    *ret = event;
    return true;
}
