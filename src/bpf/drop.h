/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Putting right what was counted as accepted: the tracepoint kfree_skb sees every packet that the kernel
 * discards, with the reason. A reason that is a security decision moves the packet from ACCEPT to REJECT on
 * the interface it came in by, and adds it as REJECT to the interface it was bound for. Every other reason
 * leaves it ACCEPT and goes to the account. Part of flow.bpf.c.
 */

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "kernel_types.h"
#include "maps.h"

enum {
    DST_NOREF = 1UL,
    DST_FAKE = 0x0010, /* br_netfilter's stand-in: leads to the bridge, not to the port */
    DST_METADATA = 0x0080,
    NFCT_INFO_MASK = 7,
    CT_REPLY_FIRST = 3,   /* IP_CT_IS_REPLY: this and higher are the reply direction */
    CT_STATUS_NAT = 0x30, /* IPS_SRC_NAT | IPS_DST_NAT */
    KERNEL_AF_INET = 2,
    KERNEL_AF_INET6 = 10,
    ROUTE_UNICAST = 1,
    FRAGMENTS_MAX = 64,
};
#define ROUTE6_REJECT 0x00000200U
#define ROUTE6_LOCAL 0x80000000U
#define ROUTE6_ANYCAST 0x00100000U

/* Which drop program of ours is in charge: while one is being replaced, two are attached for a moment. */
const volatile __u32 drop_generation = 0;

struct discard {
    struct sk_buff *skb;
    struct net_device *device; /* may be 0 */
    struct capture_state *global;
    struct scratch *room;
    __u32 reason;
    __u32 reject; /* enum reject_source */
    __u32 ifindex_in;
    __u32 ifindex_out;
    __u32 window;
    struct addition addition;
    struct packet packet;
};

#define REASON_IS(reason, name)                                                                              \
    (bpf_core_enum_value_exists(enum skb_drop_reason, name) &&                                               \
     (reason) == bpf_core_enum_value(enum skb_drop_reason, name))

/* Drops by a socket's filter and by its cgroup's ingress programs share a reason; without a filter of the
 * socket's own it was the cgroup. */
static __always_inline int is_cgroup_ingress(__u32 reason, struct sock *receiver)
{
    if (!REASON_IS(reason, SKB_DROP_REASON_SOCKET_FILTER) || !receiver)
        return 0;
    __u16 family = BPF_CORE_READ(receiver, __sk_common.skc_family);
    return (family == KERNEL_AF_INET || family == KERNEL_AF_INET6) && !BPF_CORE_READ(receiver, sk_filter);
}

static __always_inline __u32 reject_source_of(__u32 reason, struct sock *receiver)
{
    if (REASON_IS(reason, SKB_DROP_REASON_NETFILTER_DROP))
        return REJECT_NETFILTER;
    if (REASON_IS(reason, SKB_DROP_REASON_TC_INGRESS) || REASON_IS(reason, SKB_DROP_REASON_TC_EGRESS))
        return REJECT_TC;
    if (REASON_IS(reason, SKB_DROP_REASON_XDP))
        return REJECT_XDP;
    if (REASON_IS(reason, SKB_DROP_REASON_BPF_CGROUP_EGRESS) || is_cgroup_ingress(reason, receiver))
        return REJECT_CGROUP;
    if (REASON_IS(reason, SKB_DROP_REASON_IP_RPFILTER))
        return REJECT_RPFILTER;
    if (REASON_IS(reason, SKB_DROP_REASON_XFRM_POLICY))
        return REJECT_XFRM;
    if (REASON_IS(reason, SKB_DROP_REASON_SECURITY_HOOK))
        return REJECT_LSM;
    return REJECT_NONE;
}

/*
 * Kernels up to 6.18 give the drops of generic XDP no reason of their own. They are known by where the packet
 * is: it has just arrived at a device with such a program, unrouted, and nothing has gone beyond its IP
 * header.
 */
static __always_inline int is_generic_xdp(struct sk_buff *skb, __u32 reason, struct dst_entry *route)
{
    if (!REASON_IS(reason, SKB_DROP_REASON_NOT_SPECIFIED) || route)
        return 0;
    struct net_device *device = BPF_CORE_READ(skb, dev);
    if (!device || !BPF_CORE_READ(device, xdp_prog))
        return 0;
    __u32 data = (__u32)(BPF_CORE_READ(skb, data) - BPF_CORE_READ(skb, head));
    return BPF_CORE_READ(skb, skb_iif) == BPF_CORE_READ(device, ifindex) &&
           data == BPF_CORE_READ(skb, network_header);
}

static __always_inline struct dst_entry *route_of(struct sk_buff *skb)
{
    struct dst_entry *route = (struct dst_entry *)(BPF_CORE_READ(skb, _skb_refdst) & ~DST_NOREF);
    if (!route || (BPF_CORE_READ(route, flags) & (DST_METADATA | DST_FAKE)))
        return 0;
    return route;
}

/* True when the route of an arriving packet ends at this host, or nowhere: then its device is loopback. */
static __always_inline int route_is_local_input(struct dst_entry *route, struct discard *discard)
{
    __u16 family = BPF_CORE_READ(route, ops, family);
    if (BPF_CORE_READ(route, xfrm))
        return 0;
    if (family == KERNEL_AF_INET) {
        struct rtable *ipv4 = (struct rtable *)route;
        return BPF_CORE_READ(ipv4, rt_is_input) && BPF_CORE_READ(ipv4, rt_type) != ROUTE_UNICAST;
    }
    if (family == KERNEL_AF_INET6) {
        struct rt6_info *ipv6 = (struct rt6_info *)route;
        int to_group = discard->packet.destination[0] == 0xff && discard->ifindex_in;
        return to_group ||
               (BPF_CORE_READ(ipv6, rt6i_flags) & (ROUTE6_LOCAL | ROUTE6_ANYCAST | ROUTE6_REJECT));
    }
    return 1;
}

/*
 * The namespace is taken from the route or the socket first: a packet queued to a socket has its device
 * pointer overwritten.
 */
static __always_inline __u32 namespace_of(struct sk_buff *skb, struct dst_entry *route, struct sock *receiver)
{
    struct net_device *device = route ? BPF_CORE_READ(route, dev) : 0;
    if (device)
        return BPF_CORE_READ(device, nd_net.net, ns.inum);
    if (receiver)
        return BPF_CORE_READ(receiver, __sk_common.skc_net.net, ns.inum);
    device = BPF_CORE_READ(skb, dev);
    return device ? BPF_CORE_READ(device, nd_net.net, ns.inum) : 0;
}

/* Reads the headers of a discarded packet; 0 when there is no IP packet in it. */
static __always_inline int read_packet(struct discard *discard)
{
    struct sk_buff *skb = discard->skb;
    unsigned char *head = BPF_CORE_READ(skb, head);
    __u32 network = BPF_CORE_READ(skb, network_header);
    __u32 tail = BPF_CORE_READ(skb, tail);
    if (!head || tail <= network)
        return 0;
    __u32 copied = tail - network;
    if (copied > PARSE_COPY_ROOM)
        copied = PARSE_COPY_ROOM;
    if (bpf_probe_read_kernel(discard->room->headers, copied, head + network) < 0)
        return 0;
    __u32 data = (__u32)(BPF_CORE_READ(skb, data) - head);
    __u32 length = BPF_CORE_READ(skb, len) + data - network;
    __u16 ethertype = bpf_ntohs(BPF_CORE_READ(skb, protocol));
    return parse_copied(&discard->packet, copied, 0, ethertype, length) == PARSE_IP;
}

static __always_inline struct skb_shared_info *shared_info(struct sk_buff *skb)
{
    return (struct skb_shared_info *)(BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, end));
}

/* The connection's tuples, where a NAT means that the packet looks different before and behind this host. */
static __always_inline struct nf_conn *nat_connection(struct discard *discard, __u32 *ret_direction)
{
    if (!bpf_core_type_exists(struct nf_conn))
        return 0;
    struct sk_buff *skb = discard->skb;
    unsigned long tracked = BPF_CORE_READ(skb, _nfct);
    struct nf_conn *connection = (struct nf_conn *)(tracked & ~(unsigned long)NFCT_INFO_MASK);
    __u32 info = tracked & NFCT_INFO_MASK;
    if (!connection || !(BPF_CORE_READ(connection, status) & CT_STATUS_NAT))
        return 0;
    /* An ICMP error belongs to a connection of another protocol: its own tuple is not to be had. */
    if (BPF_CORE_READ(connection, tuplehash[0].tuple.dst.protonum) != discard->packet.protocol)
        return 0;
    *ret_direction = info >= CT_REPLY_FIRST;
    return connection;
}

static __always_inline void set_address(__u8 *to, const __u32 from[4], __u8 family)
{
    if (family == 4)
        __builtin_memcpy(to + 12, from, 4);
    else
        __builtin_memcpy(to, from, 16);
}

/* One of the connection's two tuples; the index of a relocated member must be a constant. */
static __always_inline struct nf_conntrack_tuple *tuple_of(struct nf_conn *connection, __u32 direction)
{
    return direction ? &connection->tuplehash[1].tuple : &connection->tuplehash[0].tuple;
}

/* Rewrites the packet's tuple; with `inverse`, source and destination change places. */
static __always_inline void use_tuple(struct packet *packet, struct nf_conntrack_tuple *tuple, int inverse)
{
    __u32 source[4];
    __u32 destination[4];
    BPF_CORE_READ_INTO(&source, tuple, src.u3.all);
    BPF_CORE_READ_INTO(&destination, tuple, dst.u3.all);
    __u16 source_port = bpf_ntohs(BPF_CORE_READ(tuple, src.u.all));
    __u16 destination_port = bpf_ntohs(BPF_CORE_READ(tuple, dst.u.all));
    set_address(inverse ? packet->destination : packet->source, source, packet->family);
    set_address(inverse ? packet->source : packet->destination, destination, packet->family);
    if (!packet->source_port && !packet->destination_port)
        return;
    packet->source_port = inverse ? destination_port : source_port;
    packet->destination_port = inverse ? source_port : destination_port;
}

/* Adds a rejected packet to a flow; `counted` takes it out of ACCEPT, where the hook has put it. */
static __noinline void reject(struct discard *discard, const struct packet *packet, __u32 ifindex,
                              __u8 direction, int counted)
{
    if (!bpf_map_lookup_elem(&captured, &ifindex))
        return;
    struct account *account = account_of(discard->global, ifindex, discard->window);
    if (!account)
        return;
    struct flow_key key;
    fill_key(&key, packet, ifindex, discard->window, direction, discard->reject);
    struct account_side *side = &account->side[direction & 1];
    struct addition addition = discard->addition;
    if (!counted) {
        side->packets += (__u64)addition.packets;
        side->added += (__u64)addition.packets;
    }
    long error = add_to_flow(discard->global, &key, &addition);
    if (error && !counted)
        account_loss(side, error, (__u64)addition.packets);
    if (error && counted)
        __sync_fetch_and_add(&discard->global->moves_lost, addition.packets);
    if (error || !counted)
        return;
    key.reject = REJECT_NONE;
    addition.packets = -addition.packets;
    addition.bytes = -addition.bytes;
    addition.drop_reason = 0;
    if (add_to_flow(discard->global, &key, &addition) == 0)
        return;
    /* No place for the correction: undo the reject, so that the packet is counted once. */
    key.reject = discard->reject;
    (void)add_to_flow(discard->global, &key, &addition);
    __sync_fetch_and_sub(&discard->global->moves_lost, addition.packets);
}

struct fragment_walk {
    struct discard *discard;
    struct sk_buff *fragment;
    struct packet later;
    __u32 ifindex;
    __u32 direction;
    __u32 counted;
};

static long reject_next_fragment(__u32 index, struct fragment_walk *walk)
{
    if (!walk->fragment)
        return 1;
    struct discard *discard = walk->discard;
    struct sk_buff *fragment = walk->fragment;
    __u32 length = BPF_CORE_READ(fragment, len);
    discard->addition.packets = 1;
    discard->addition.bytes = length + (walk->later.family == 4 ? 20 : 48);
    discard->addition.tcp_flags = 0;
    reject(discard, &walk->later, walk->ifindex, walk->direction, walk->counted);
    discard->packet.bytes -= length;
    walk->fragment = BPF_CORE_READ(fragment, next);
    return 0;
}

/*
 * Connection tracking puts fragments together before anything can drop them, but the hook has counted them
 * one by one: the first with its ports, the others without. Each is rejected as it came.
 */
static __always_inline void reject_datagram(struct discard *discard, __u32 ifindex, __u8 direction,
                                            int counted)
{
    struct skb_shared_info *shared = shared_info(discard->skb);
    struct sk_buff *fragment = BPF_CORE_READ(shared, frag_list);
    if (!fragment || BPF_CORE_READ(shared, gso_size)) {
        reject(discard, &discard->packet, ifindex, direction, counted);
        return;
    }
    struct addition whole = discard->addition;
    __u32 bytes = discard->packet.bytes;
    struct fragment_walk walk = {.discard = discard,
                                 .fragment = fragment,
                                 .later = discard->packet,
                                 .ifindex = ifindex,
                                 .direction = direction,
                                 .counted = counted};
    walk.later.source_port = walk.later.destination_port = 0;
    bpf_loop(FRAGMENTS_MAX, reject_next_fragment, &walk, 0);
    discard->addition = whole;
    /* Defragmentation has taken the fragment header of IPv6 away. */
    discard->addition.bytes = discard->packet.bytes + (discard->packet.family == 6 ? 8 : 0);
    reject(discard, &discard->packet, ifindex, direction, counted);
    discard->addition = whole;
    discard->packet.bytes = bytes;
}

/* Where the packet was bound for, when it had come so far: the route's device, or the one it was handed to.
 */
static __always_inline __u32 outgoing_ifindex(struct discard *discard, struct dst_entry *route)
{
    if (route && route_is_local_input(route, discard))
        return 0;
    if (route && BPF_CORE_READ(route, dev))
        return BPF_CORE_READ(route, dev, ifindex);
    struct net_device *device = discard->device;
    __u32 ifindex = device ? BPF_CORE_READ(device, ifindex) : 0;
    if (ifindex == discard->ifindex_in)
        return 0;
    __u32 *flags = bpf_map_lookup_elem(&captured, &ifindex);
    return flags && (*flags & CAPTURED_BRIDGE) && discard->ifindex_in ? 0 : ifindex;
}

/* Drops in tc and XDP happen at one interface's hook: whether ours has counted the packet, its own note
 * tells. */
static __always_inline int reject_at_hook(struct discard *discard)
{
    struct net_device *device = discard->device;
    __u32 ifindex = device ? BPF_CORE_READ(device, ifindex) : 0;
    __u64 address = (__u64)(long)discard->skb;
    if (discard->reject == REJECT_XDP) {
        reject(discard, &discard->packet, ifindex, FLOW_INGRESS, 0);
        return 1;
    }
    if (REASON_IS(discard->reason, SKB_DROP_REASON_TC_INGRESS)) {
        reject(discard, &discard->packet, ifindex, FLOW_INGRESS,
               discard->room->counted[FLOW_INGRESS] == address);
        return 1;
    }
    if (REASON_IS(discard->reason, SKB_DROP_REASON_TC_EGRESS)) {
        reject(discard, &discard->packet, ifindex, FLOW_EGRESS,
               discard->room->counted[FLOW_EGRESS] == address);
        discard->ifindex_out = 0;
    }
    return 0;
}

static __always_inline void reject_packet(struct discard *discard)
{
    if (reject_at_hook(discard))
        return;
    __u32 direction = 0;
    struct nf_conn *connection = nat_connection(discard, &direction);
    struct packet as_is = discard->packet;
    if (discard->ifindex_in) {
        if (connection)
            use_tuple(&discard->packet, tuple_of(connection, direction), 0);
        reject_datagram(discard, discard->ifindex_in, FLOW_INGRESS, 1);
    }
    discard->packet = as_is;
    if (discard->ifindex_out) {
        if (connection)
            use_tuple(&discard->packet, tuple_of(connection, !direction), 1);
        reject_datagram(discard, discard->ifindex_out, FLOW_EGRESS, 0);
    }
}

/* The packet stays ACCEPT; the account and the flow say that, and why, it went no further. */
static __always_inline void note_discard(struct discard *discard)
{
    __u8 direction = discard->ifindex_out ? FLOW_EGRESS : FLOW_INGRESS;
    __u32 ifindex = discard->ifindex_out ? discard->ifindex_out : discard->ifindex_in;
    if (!bpf_map_lookup_elem(&captured, &ifindex))
        return;
    struct account *account = account_of(discard->global, ifindex, discard->window);
    if (!account)
        return;
    __u64 packets = (__u64)discard->addition.packets;
    account->side[direction].discarded += packets;
    struct discard_key reason = {
        .ifindex = ifindex, .window = discard->window, .reason = discard->reason, .direction = direction};
    __u64 *count = bpf_map_lookup_elem(&discards, &reason);
    if (count)
        __sync_fetch_and_add(count, packets);
    else
        bpf_map_update_elem(&discards, &reason, &packets, BPF_NOEXIST);
    struct flow_key key;
    fill_key(&key, &discard->packet, ifindex, discard->window, direction, REJECT_NONE);
    struct addition note = {
        .wall_ns = discard->addition.wall_ns, .drop_reason = discard->reason, .discarded = (__u32)packets};
    (void)add_to_flow(discard->global, &key, &note); /* full: the account has it all the same */
}

SEC("tp_btf/kfree_skb")
int discarded(__u64 *arguments)
{
    struct sk_buff *skb = (struct sk_buff *)arguments[0];
    struct sock *receiver = 0;
    if (bpf_core_field_exists(struct trace_event_raw_kfree_skb, rx_sk))
        receiver = (struct sock *)arguments[3];
    struct discard discard = {
        .skb = skb, .reason = (__u32)arguments[2], .global = capture_state(), .room = scratch()};
    if (!discard.global || !discard.room || discard.global->drop_program != drop_generation)
        return 0;
    struct dst_entry *route = route_of(skb);
    if (namespace_of(skb, route, receiver) != discard.global->netns)
        return 0;
    discard.reject = reject_source_of(discard.reason, receiver);
    if (is_generic_xdp(skb, discard.reason, route))
        discard.reject = REJECT_XDP;
    discard.ifindex_in = (__u32)BPF_CORE_READ(skb, skb_iif);
    /* A packet at a socket has its device pointer overwritten; only decisions made before that need it. */
    if (discard.reject || !discard.ifindex_in)
        discard.device = BPF_CORE_READ(skb, dev);
    if (!read_packet(&discard))
        return 0;
    discard.addition.wall_ns = bpf_ktime_get_ns() + discard.global->wall_offset_ns;
    discard.addition.drop_reason = discard.reason;
    discard.window = window_of(discard.addition.wall_ns);
    struct skb_shared_info *shared = shared_info(skb);
    count_segments(&discard.packet, BPF_CORE_READ(shared, gso_segs), BPF_CORE_READ(shared, gso_size),
                   &discard.addition);
    discard.ifindex_out = outgoing_ifindex(&discard, route);
    if (discard.reject)
        reject_packet(&discard);
    else
        note_discard(&discard);
    return 0;
}
