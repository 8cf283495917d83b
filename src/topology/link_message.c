/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/link_message.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

static void read_text(const struct nlattr *attribute, char *to, size_t size)
{
    size_t len = strnlen(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute));
    if (len >= size)
        len = size - 1;
    memcpy(to, mnl_attr_get_payload(attribute), len);
    to[len] = '\0';
}

static bool read_u32(const struct nlattr *attribute, uint32_t *to)
{
    if (mnl_attr_get_payload_len(attribute) < sizeof *to)
        return false;
    *to = mnl_attr_get_u32(attribute);
    return true;
}

/* Kernels append to this struct over time, so an older or newer length is no error. */
void counters_read(const struct nlattr *attribute, struct link_counters *ret)
{
    struct rtnl_link_stats64 stats = {0};
    size_t len = mnl_attr_get_payload_len(attribute);
    memcpy(&stats, mnl_attr_get_payload(attribute), len < sizeof stats ? len : sizeof stats);
    *ret = (struct link_counters){
        .rx_packets = stats.rx_packets,
        .rx_bytes = stats.rx_bytes,
        .rx_errors = stats.rx_errors,
        .rx_dropped = stats.rx_dropped,
        .tx_packets = stats.tx_packets,
        .tx_bytes = stats.tx_bytes,
        .tx_errors = stats.tx_errors,
        .tx_dropped = stats.tx_dropped,
    };
}

static void read_kind(const struct nlattr *nest, struct link *link)
{
    const struct nlattr *attribute;
    mnl_attr_for_each_nested(attribute, nest)
    {
        if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
            read_text(attribute, link->kind, sizeof link->kind);
    }
}

static void read_mac(const struct nlattr *attribute, struct link *link)
{
    size_t len = mnl_attr_get_payload_len(attribute);
    link->mac_len = (uint8_t)(len < sizeof link->mac ? len : sizeof link->mac);
    memcpy(link->mac, mnl_attr_get_payload(attribute), link->mac_len);
}

static void read_link_attribute(const struct nlattr *attribute, struct link *link)
{
    switch (mnl_attr_get_type(attribute)) {
    case IFLA_IFNAME:
        read_text(attribute, link->name, sizeof link->name);
        break;
    case IFLA_ADDRESS:
        read_mac(attribute, link);
        break;
    case IFLA_LINK:
        (void)read_u32(attribute, &link->lower);
        break;
    case IFLA_MASTER:
        (void)read_u32(attribute, &link->master);
        break;
    case IFLA_STATS64:
        counters_read(attribute, &link->counters);
        break;
    case IFLA_LINKINFO:
        read_kind(attribute, link);
        break;
    default:
        break;
    }
}

bool link_read(const struct nlmsghdr *message, struct link *ret)
{
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct ifinfomsg))
        return false;
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    if (info->ifi_family != AF_UNSPEC || info->ifi_index <= 0)
        return false;
    *ret =
        (struct link){.ifindex = (uint32_t)info->ifi_index, .type = info->ifi_type, .flags = info->ifi_flags};
    bool elsewhere = false;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof *info)
    {
        if (mnl_attr_get_type(attribute) == IFLA_WIRELESS)
            return false;
        elsewhere |= mnl_attr_get_type(attribute) == IFLA_LINK_NETNSID;
        read_link_attribute(attribute, ret);
    }
    if (elsewhere || ret->lower == ret->ifindex)
        ret->lower = 0;
    return true;
}

static void set_address(struct address *to, uint8_t family, const void *bytes)
{
    *to = (struct address){.family = family};
    if (family == 6) {
        memcpy(to->bytes, bytes, 16);
        return;
    }
    to->bytes[10] = to->bytes[11] = 0xff;
    memcpy(to->bytes + 12, bytes, 4);
}

static void read_address_attribute(const struct nlattr *attribute, uint8_t family,
                                   struct address_message *ret)
{
    const void *bytes = mnl_attr_get_payload(attribute);
    size_t len = mnl_attr_get_payload_len(attribute);
    bool fits = len == (family == 6 ? 16U : 4U);
    struct ifa_cacheinfo info;
    switch (mnl_attr_get_type(attribute)) {
    case IFA_LOCAL: /* with a peer, IFA_ADDRESS is the peer's */
        if (fits)
            set_address(&ret->address.address, family, bytes);
        break;
    case IFA_ADDRESS:
        if (fits && !ret->address.address.family)
            set_address(&ret->address.address, family, bytes);
        break;
    case IFA_FLAGS:
        (void)read_u32(attribute, &ret->flags);
        break;
    case IFA_CACHEINFO:
        if (len < sizeof info)
            break;
        memcpy(&info, bytes, sizeof info);
        ret->address.created = info.cstamp;
        break;
    default:
        break;
    }
}

bool address_read(const struct nlmsghdr *message, struct address_message *ret)
{
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct ifaddrmsg))
        return false;
    const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
    if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
        return false;
    *ret = (struct address_message){
        .ifindex = info->ifa_index,
        .flags = info->ifa_flags,
        .address = {.prefix = info->ifa_prefixlen, .scope = info->ifa_scope},
    };
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof *info)
    {
        read_address_attribute(attribute, info->ifa_family == AF_INET6 ? 6 : 4, ret);
    }
    ret->address.secondary = ret->flags & IFA_F_SECONDARY; /* the same bit as IFA_F_TEMPORARY */
    return ret->address.address.family != 0;
}
