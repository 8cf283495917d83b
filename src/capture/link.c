/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/link.h"

#include <stddef.h>

#include "base/macro.h"

enum { ETHERNET_HEADER = 14, FAMILY_HEADER = 4, COOKED_HEADER = 16, COOKED_V2_HEADER = 20 };

/* Rows with a kind are read; the others are the names of what people most often have besides. */
static const struct link_row {
    uint32_t type;
    enum link_kind kind;
    const char *name;
} link_rows[] = {
    {0, LINK_FAMILY, "BSD loopback"},
    {1, LINK_ETHERNET, "Ethernet"},
    {9, LINK_UNSUPPORTED, "PPP"},
    {10, LINK_UNSUPPORTED, "FDDI"},
    {12, LINK_IP, "raw IP"},
    {14, LINK_IP, "raw IP"},
    {50, LINK_UNSUPPORTED, "PPP over serial"},
    {51, LINK_UNSUPPORTED, "PPPoE"},
    {101, LINK_IP, "raw IP"},
    {104, LINK_UNSUPPORTED, "Cisco HDLC"},
    {105, LINK_UNSUPPORTED, "IEEE 802.11"},
    {108, LINK_FAMILY, "OpenBSD loopback"},
    {113, LINK_COOKED, "Linux cooked"},
    {119, LINK_UNSUPPORTED, "IEEE 802.11 with Prism header"},
    {127, LINK_UNSUPPORTED, "IEEE 802.11 with radiotap header"},
    {147, LINK_UNSUPPORTED, "user 0"},
    {187, LINK_UNSUPPORTED, "Bluetooth HCI H4"},
    {189, LINK_UNSUPPORTED, "Linux USB"},
    {192, LINK_UNSUPPORTED, "PPI"},
    {201, LINK_UNSUPPORTED, "Bluetooth HCI H4 with pseudo-header"},
    {220, LINK_UNSUPPORTED, "Linux USB, memory-mapped"},
    {227, LINK_UNSUPPORTED, "CAN"},
    {228, LINK_IPV4, "raw IPv4"},
    {229, LINK_IPV6, "raw IPv6"},
    {239, LINK_UNSUPPORTED, "Linux netfilter log"},
    {249, LINK_UNSUPPORTED, "USBPcap"},
    {253, LINK_UNSUPPORTED, "Linux netlink"},
    {276, LINK_COOKED_V2, "Linux cooked v2"},
};

static const struct link_row *link_find(uint32_t link_type)
{
    for (size_t i = 0; i < ARRAY_SIZE(link_rows); i++)
        if (link_rows[i].type == link_type)
            return &link_rows[i];
    return NULL;
}

enum link_kind link_kind_of(uint32_t link_type)
{
    const struct link_row *row = link_find(link_type);
    return row ? row->kind : LINK_UNSUPPORTED;
}

const char *link_name(uint32_t link_type)
{
    const struct link_row *row = link_find(link_type);
    return row ? row->name : "unknown";
}

/* What the two bytes at `offset` say; 0, which is no IP, when they are not there. */
static uint16_t ethertype_at(struct packet_view *view, uint32_t offset)
{
    const uint8_t *at = packet_at(view, offset, 2);
    return at ? parse_u16(at) : 0;
}

/* A family is written in the byte order of the machine that captured, and IPv6 has another number on each
 * system. */
static uint16_t ethertype_of_family(struct packet_view *view)
{
    const uint8_t *at = packet_at(view, 0, FAMILY_HEADER);
    if (!at)
        return 0;
    uint32_t big_endian = (uint32_t)parse_u16(at) << 16 | parse_u16(at + 2);
    uint32_t family = big_endian > 0xffff ? __builtin_bswap32(big_endian) : big_endian;
    switch (family) {
    case 2:
        return ETHERTYPE_IPV4;
    case 10: /* Linux */
    case 24: /* NetBSD, OpenBSD */
    case 28: /* FreeBSD */
    case 30: /* macOS */
        return ETHERTYPE_IPV6;
    default:
        return 0;
    }
}

static uint16_t ethertype_of_version(struct packet_view *view)
{
    const uint8_t *at = packet_at(view, 0, 1);
    return at && at[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
}

enum parse_result link_parse(enum link_kind kind, struct packet_view *view, uint32_t frame_len,
                             struct packet *ret)
{
    uint32_t offset = 0;
    uint16_t ethertype = 0;
    switch (kind) {
    case LINK_ETHERNET:
        offset = ETHERNET_HEADER;
        ethertype = ethertype_at(view, 12);
        break;
    case LINK_IP:
        ethertype = ethertype_of_version(view);
        break;
    case LINK_IPV4:
        ethertype = ETHERTYPE_IPV4;
        break;
    case LINK_IPV6:
        ethertype = ETHERTYPE_IPV6;
        break;
    case LINK_FAMILY:
        offset = FAMILY_HEADER;
        ethertype = ethertype_of_family(view);
        break;
    case LINK_COOKED:
        offset = COOKED_HEADER;
        ethertype = ethertype_at(view, 14);
        break;
    case LINK_COOKED_V2:
        offset = COOKED_V2_HEADER;
        ethertype = ethertype_at(view, 0);
        break;
    case LINK_UNSUPPORTED:
        return PARSE_NOT_IP;
    }
    return parse_network(view, offset, ethertype, frame_len, ret);
}
