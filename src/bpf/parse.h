/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The packet parser: from a frame to the facts that a flow record needs. It compiles for the kernel and for
 * user space, so that capture, replay, unit tests and fuzzing run the same code. Rules: RFC 791, RFC 8200,
 * and record.md 5.3, 5.4 and 5.8.
 */

#include "wire.h"

#ifdef __bpf__
#define PARSE_INLINE static __always_inline
#define PARSE_COPY(to, from, size) __builtin_memcpy(to, from, size)
#define PARSE_ZERO(to, size) __builtin_memset(to, 0, size)
#else
#include <string.h>
#define PARSE_INLINE static inline __attribute__((always_inline))
#define PARSE_COPY(to, from, size) memcpy(to, from, size)
#define PARSE_ZERO(to, size) memset(to, 0, size)
#endif

enum parse_result {
    PARSE_IP,
    PARSE_NOT_IP,
    PARSE_MALFORMED, /* the IP header is cut or contradicts itself */
};

/* The bytes that can be looked at; a capture or a fragmented buffer may hold fewer than the frame has. */
struct packet_view {
    const __u8 *data;
    const __u8 *end;
    __u32 copied; /* kernel: 0 when data and end are packet pointers; else how many of PARSE_COPY_ROOM bytes
                     are filled */
    __u32 cut;    /* set when something beyond the end was asked for */
};

struct packet {
    __u8 source[16]; /* IPv4 as ::ffff:a.b.c.d */
    __u8 destination[16];
    __u16 source_port; /* host order */
    __u16 destination_port;
    __u8 protocol;
    __u8 family;        /* 4 or 6 */
    __u8 tcp_flags;     /* FIN 1, SYN 2, RST 4; ACK 16 only beside SYN (record.md 5.8) */
    __u8 fragment;      /* part of a fragmented datagram */
    __u16 icmp;         /* user space: type << 8 | code; PARSE_ICMP_UNKNOWN where it is cut off or not ICMP */
    __u32 bytes;        /* IP length, headers included, link header and padding not */
    __u32 header_bytes; /* IP and transport header: what every segment of an offloaded packet repeats */
};

/* How far into a frame headers are followed, and how much of one is copied where it cannot be read in place.
 */
#define PARSE_REACH 2048
#define PARSE_COPY_ROOM 512

#define PARSE_ICMP_UNKNOWN 0xffff

enum { VLAN_TAGS_MAX = 4, EXTENSION_HEADERS_MAX = 8 };

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_VLAN = 0x8100,
    ETHERTYPE_QINQ = 0x88a8,
    ETHERTYPE_QINQ_OLD = 0x9100,
};

enum {
    PROTOCOL_HOP_BY_HOP = 0,
    PROTOCOL_ICMP = 1,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_ICMPV6 = 58,
    PROTOCOL_DESTINATION = 60,
    PROTOCOL_SCTP = 132,
};

/* `size` readable bytes at `offset`, or NULL. `size` must be a constant where this is compiled for the
 * kernel. */
PARSE_INLINE const __u8 *packet_at(struct packet_view *view, __u32 offset, __u32 size)
{
#ifdef __bpf__
    if (view->copied) {
        if (offset > PARSE_COPY_ROOM - size || offset + size > view->copied)
            return 0;
        return view->data + offset;
    }
    if (offset <= PARSE_REACH) {
        const __u8 *at = view->data + offset;
        if (at + size <= view->end)
            return at;
    }
#else
    size_t available = (size_t)(view->end - view->data);
    if (offset <= available && size <= available - offset)
        return view->data + offset;
#endif
    view->cut = 1;
    return 0;
}

PARSE_INLINE __u16 parse_u16(const __u8 *at)
{
    return (__u16)(at[0] << 8 | at[1]);
}

#ifndef __bpf__
/* Records hold no ICMP types; policies, which judge by them, are for user space alone. */
PARSE_INLINE void parse_icmp(struct packet_view *view, __u32 offset, __u32 ip_end, struct packet *ret)
{
    const __u8 *type = packet_at(view, offset, 2);
    if (type && offset + 2 <= ip_end)
        ret->icmp = parse_u16(type);
}
#endif

/* Ports and flags; what the datagram's own length or the capture cuts off stays 0. */
PARSE_INLINE void parse_transport(struct packet_view *view, __u32 offset, __u32 ip_end, struct packet *ret)
{
    __u8 protocol = ret->protocol;
#ifndef __bpf__
    if (protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6)
        parse_icmp(view, offset, ip_end, ret);
#endif
    if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP && protocol != PROTOCOL_SCTP)
        return;
    const __u8 *ports = packet_at(view, offset, 4);
    if (!ports || offset + 4 > ip_end)
        return;
    ret->source_port = parse_u16(ports);
    ret->destination_port = parse_u16(ports + 2);
    if (protocol == PROTOCOL_UDP)
        ret->header_bytes += 8;
    if (protocol != PROTOCOL_TCP)
        return;
    const __u8 *tail = packet_at(view, offset + 12, 2);
    if (!tail || offset + 14 > ip_end)
        return;
    ret->header_bytes += (__u32)(tail[0] >> 4) * 4;
    __u8 flags = tail[1];
    ret->tcp_flags = flags & 7;
    if ((flags & 18) == 18)
        ret->tcp_flags |= 16;
}

PARSE_INLINE enum parse_result parse_ipv4(struct packet_view *view, __u32 offset, __u32 frame_len,
                                          struct packet *ret)
{
    const __u8 *ip = packet_at(view, offset, 20);
    if (!ip || ip[0] >> 4 != 4)
        return PARSE_MALFORMED;
    __u32 header = (__u32)(ip[0] & 15) * 4;
    __u32 total = parse_u16(ip + 2);
    if (total == 0 && frame_len > offset) /* an offloaded super-frame leaves the length out */
        total = frame_len - offset;
    if (header < 20 || total < header)
        return PARSE_MALFORMED;
    /* Options must be there in full; the last byte of the longest header proves it in one bounded check. */
    if (header > 20 && !packet_at(view, offset + header - 1, 1))
        return PARSE_MALFORMED;
    ret->family = 4;
    ret->source[10] = ret->source[11] = ret->destination[10] = ret->destination[11] = 0xff;
    PARSE_COPY(ret->source + 12, ip + 12, 4);
    PARSE_COPY(ret->destination + 12, ip + 16, 4);
    ret->protocol = ip[9];
    ret->bytes = total;
    ret->header_bytes = header;
    __u16 fragment = parse_u16(ip + 6);
    ret->fragment = (fragment & 0x3fff) != 0;
    if ((fragment & 0x1fff) == 0)
        parse_transport(view, offset + header, offset + total, ret);
    return PARSE_IP;
}

PARSE_INLINE int is_extension_header(__u8 protocol)
{
    return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_ROUTING ||
           protocol == PROTOCOL_DESTINATION || protocol == PROTOCOL_FRAGMENT;
}

/* Follows extension headers; leaves the upper-layer protocol in ret and returns its offset, or 0 when there
 * is no transport header to read: a later fragment, or headers cut off or too many. */
PARSE_INLINE __u32 parse_extension_headers(struct packet_view *view, __u32 offset, struct packet *ret)
{
    for (int i = 0; i < EXTENSION_HEADERS_MAX; i++) {
        __u8 protocol = ret->protocol;
        if (!is_extension_header(protocol))
            return offset;
        const __u8 *header = packet_at(view, offset, 8);
        if (!header)
            return 0;
        ret->protocol = header[0];
        if (protocol == PROTOCOL_FRAGMENT) {
            ret->fragment = 1;
            if (parse_u16(header + 2) >> 3)
                return 0;
            offset += 8;
        } else {
            offset += ((__u32)header[1] + 1) * 8;
        }
    }
    return 0;
}

/* The fixed header; what follows it begins at offset + 40. */
PARSE_INLINE enum parse_result parse_ipv6_header(struct packet_view *view, __u32 offset, __u32 frame_len,
                                                 struct packet *ret)
{
    const __u8 *ip = packet_at(view, offset, 40);
    if (!ip || ip[0] >> 4 != 6)
        return PARSE_MALFORMED;
    __u32 payload = parse_u16(ip + 4);
    ret->bytes = 40 + payload;
    if (payload == 0 && frame_len > offset + 40) /* a super-frame or a jumbogram */
        ret->bytes = frame_len - offset;
    ret->family = 6;
    PARSE_COPY(ret->source, ip + 8, 16);
    PARSE_COPY(ret->destination, ip + 24, 16);
    ret->protocol = ip[6];
    ret->header_bytes = 40;
    return PARSE_IP;
}

PARSE_INLINE enum parse_result parse_ipv6(struct packet_view *view, __u32 offset, __u32 frame_len,
                                          struct packet *ret)
{
    enum parse_result result = parse_ipv6_header(view, offset, frame_len, ret);
    if (result != PARSE_IP)
        return result;
    __u32 transport = parse_extension_headers(view, offset + 40, ret);
    if (!transport)
        return PARSE_IP;
    ret->header_bytes = transport - offset;
    parse_transport(view, transport, offset + ret->bytes, ret);
    return PARSE_IP;
}

/* Goes over VLAN tags to the layer in them; 0 when they are cut off. */
PARSE_INLINE int parse_tags(struct packet_view *view, __u32 *offset, __u16 *ethertype)
{
    for (int tags = 0; tags < VLAN_TAGS_MAX; tags++) {
        if (*ethertype != ETHERTYPE_VLAN && *ethertype != ETHERTYPE_QINQ && *ethertype != ETHERTYPE_QINQ_OLD)
            break;
        const __u8 *tag = packet_at(view, *offset, 4);
        if (!tag)
            return 0;
        *ethertype = parse_u16(tag + 2);
        *offset += 4;
    }
    return 1;
}

/* `ret` must be zeroed. */
PARSE_INLINE enum parse_result parse_ip(struct packet_view *view, __u32 offset, __u16 ethertype,
                                        __u32 frame_len, struct packet *ret)
{
    if (ethertype == ETHERTYPE_IPV4)
        return parse_ipv4(view, offset, frame_len, ret);
    if (ethertype == ETHERTYPE_IPV6)
        return parse_ipv6(view, offset, frame_len, ret);
    return PARSE_NOT_IP;
}

/*
 * Parses from the layer that `ethertype` names, at `offset`: VLAN tags, then IP. `frame_len` is the frame's
 * own length from view->data on, whatever part of it is there.
 */
PARSE_INLINE enum parse_result parse_network(struct packet_view *view, __u32 offset, __u16 ethertype,
                                             __u32 frame_len, struct packet *ret)
{
    PARSE_ZERO(ret, sizeof *ret);
    ret->icmp = PARSE_ICMP_UNKNOWN;
    if (!parse_tags(view, &offset, &ethertype))
        return PARSE_NOT_IP;
    return parse_ip(view, offset, ethertype, frame_len, ret);
}

PARSE_INLINE enum parse_result parse_ethernet(struct packet_view *view, __u32 frame_len, struct packet *ret)
{
    const __u8 *header = packet_at(view, 0, 14);
    if (!header)
        return PARSE_NOT_IP;
    return parse_network(view, 14, parse_u16(header + 12), frame_len, ret);
}
