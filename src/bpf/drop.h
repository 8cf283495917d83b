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
    PACKET_HOST = 0,
    IPV6_TARGET = 24, /* of the target's address in the header */
    FRAGMENTS_MAX = 64,
};
#define ROUTE6_REJECT 0x00000200U
#define ROUTE6_LOCAL 0x80000000U
#define ROUTE6_ANYCAST 0x00100000U

/* Which drop program of ours is in charge: while one is being replaced, two are attached for a moment. */
const volatile __u32 drop_generation = 0;

/*
 * What is known of the packet in hand. In a map, as the stack would not hold it and global functions get at
 * it there: those the verifier goes through once, and not per caller. The kernel never lets the program
 * interrupt itself.
 */
struct discard {
    __u32 reason;
    __u32 reject; /* enum reject_source */
    __u32 ifindex_in;
    __u32 ifindex_out;
    struct moment moment;
    struct addition addition;
    struct packet packet;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct discard);
} discard_room SEC(".maps");

static __always_inline struct discard *discard_in_hand(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&discard_room, &zero);
}

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
    struct net_device *device = skb->dev;
    if (!device || !device->xdp_prog)
        return 0;
    __u32 data = (__u32)(skb->data - skb->head);
    return skb->skb_iif == device->ifindex && data == skb->network_header;
}

static __always_inline struct skb_shared_info *shared_info(struct sk_buff *skb)
{
    return (struct skb_shared_info *)(skb->head + skb->end);
}

/* Where ip6_forward discards from and where others do, as far as seen: an address each, as names cost more.
 */
static __u64 forward_location;
static __u64 other_location;

static __always_inline int is_in_ip6_forward(__u64 location)
{
    static const char wanted[] = "ip6_forward";
    char name[sizeof wanted + 1] = "";
    if (location == forward_location)
        return 1;
    if (location == other_location)
        return 0;
    BPF_SNPRINTF(name, sizeof name, "%ps", location);
    int same = 1;
    for (__u32 i = 0; i < sizeof wanted - 1; i++)
        same &= name[i] == wanted[i];
    /* Behind the name there may be the module's, or the suffix of a part that the compiler has moved. */
    char next = name[sizeof wanted - 1];
    same &= !next || next == ' ' || next == '.';
    if (same)
        forward_location = location;
    else
        other_location = location;
    return same;
}

/*
 * Kernels up to 6.18 give forwarded IPv6 that an IPsec policy refuses no reason. It is known by elimination:
 * ip6_forward discards without a reason what is not for this host's link address, has a socket, is a merged
 * packet that must not be forwarded, or for a link-local target that this host answers for; and what it finds
 * no memory for to copy, which it need not copy when nobody shares it and it has room for a link header. What
 * else it discards has had a reason since 5.19.
 */
static __always_inline int is_forward_policy(struct sk_buff *skb, __u32 reason, __u64 location,
                                             struct dst_entry *route)
{
    if (!bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_IP_INADDRERRORS) ||
        !REASON_IS(reason, SKB_DROP_REASON_NOT_SPECIFIED) || !route ||
        BPF_CORE_READ(route, ops, family) != KERNEL_AF_INET6)
        return 0;
    __u8 target[2] = {0};
    bpf_probe_read_kernel(target, sizeof target, skb->head + skb->network_header + IPV6_TARGET);
    __u32 room = (__u32)(skb->data - skb->head);
    struct skb_shared_info *shared = shared_info(skb);
    int is_merged = skb->data_len && BPF_CORE_READ(shared, gso_size) && !BPF_CORE_READ(shared, gso_type);
    if (BPF_CORE_READ_BITFIELD(skb, pkt_type) != PACKET_HOST || skb->sk || is_merged ||
        (target[0] == 0xfe && target[1] >> 6 == 2) || BPF_CORE_READ_BITFIELD(skb, cloned) ||
        room < BPF_CORE_READ(route, dev, hard_header_len))
        return 0;
    return is_in_ip6_forward(location);
}

static __always_inline struct dst_entry *route_of(struct sk_buff *skb)
{
    struct dst_entry *route = (struct dst_entry *)(skb->_skb_refdst & ~DST_NOREF);
    if (!route || (BPF_CORE_READ(route, flags) & (DST_METADATA | DST_FAKE)))
        return 0;
    return route;
}

/* True when the route of an arriving packet ends at this host, or nowhere: then its device is loopback. */
static __always_inline int route_is_local_input(struct dst_entry *route, const struct discard *discard)
{
    __u16 family = BPF_CORE_READ(route, ops, family);
    if (bpf_core_field_exists(route->xfrm) && BPF_CORE_READ(route, xfrm))
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
    device = skb->dev;
    return device ? device->nd_net.net->ns.inum : 0;
}

/* Reads the headers of a discarded packet; 0 when there is no IP packet in it. */
static __always_inline int read_packet(struct discard *discard, struct sk_buff *skb, struct scratch *room)
{
    unsigned char *head = skb->head;
    __u32 network = skb->network_header;
    __u32 tail = skb->tail;
    if (!head || tail <= network)
        return 0;
    __u32 copied = tail - network;
    if (copied > PARSE_COPY_ROOM)
        copied = PARSE_COPY_ROOM;
    if (bpf_probe_read_kernel(room->headers, copied, head + network) < 0)
        return 0;
    __u32 data = (__u32)(skb->data - head);
    __u32 length = skb->len + data - network;
    __u16 ethertype = bpf_ntohs(skb->protocol);
    room->copied = copied;
    return parse_copied(&discard->packet, SCRATCH_DROP, ethertype, length) == PARSE_IP;
}

static __always_inline __u32 read_u32(__u64 address)
{
    __u32 value = 0;
    bpf_probe_read_kernel(&value, sizeof value, (const void *)(long)address);
    return value;
}

/* One of the connection's two tuples: its address, as of the connection. */
static __always_inline __u64 tuple_of(const struct conntrack_layout *layout, __u64 connection,
                                      __u32 direction)
{
    return connection + layout->tuples + (__u64)(direction & 1) * layout->tuple_size + layout->tuple;
}

/* The packet's connection, where a NAT means that it looks different before and behind this host; or 0. */
static __always_inline __u64 nat_connection(const struct conntrack_layout *layout,
                                            const struct discard *discard, struct sk_buff *skb,
                                            __u32 *ret_direction)
{
    unsigned long tracked = bpf_core_field_exists(skb->_nfct) ? skb->_nfct : 0;
    __u64 connection = tracked & ~(unsigned long)NFCT_INFO_MASK;
    __u32 info = tracked & NFCT_INFO_MASK;
    if (!layout->known || !connection || !(read_u32(connection + layout->status) & CT_STATUS_NAT))
        return 0;
    /* An ICMP error belongs to a connection of another protocol: its own tuple is not to be had. */
    __u32 protocol = read_u32(tuple_of(layout, connection, 0) + layout->protocol) & 0xff;
    if (protocol != discard->packet.protocol)
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

/* Rewrites the packet's tuple; with `inverse`, source and destination change places. */
static __always_inline void use_tuple(struct packet *packet, const struct conntrack_layout *layout,
                                      __u64 tuple, int inverse)
{
    __u32 source[4] = {0};
    __u32 destination[4] = {0};
    bpf_probe_read_kernel(source, sizeof source, (const void *)(long)(tuple + layout->source));
    bpf_probe_read_kernel(destination, sizeof destination, (const void *)(long)(tuple + layout->destination));
    __u16 source_port = bpf_ntohs((__u16)read_u32(tuple + layout->source_port));
    __u16 destination_port = bpf_ntohs((__u16)read_u32(tuple + layout->destination_port));
    set_address(inverse ? packet->destination : packet->source, source, packet->family);
    set_address(inverse ? packet->source : packet->destination, destination, packet->family);
    if (!packet->source_port && !packet->destination_port)
        return;
    packet->source_port = inverse ? destination_port : source_port;
    packet->destination_port = inverse ? source_port : destination_port;
}

/* Where the packet in hand belongs. */
struct place {
    void *flows; /* the map of its generation */
    struct flow_value *value;
    __u32 second;
    __u32 is_foreign; /* a slot of another CPU, whose hooks add to its total without locks */
};

static __always_inline int has_accepted(const struct flow_value *value, __u64 packets)
{
    return value && (__s64)(accepted_packets(value) - packets) >= 0;
}

/*
 * The entry in which the hook has counted the packet. It may be in the generation before, when the maps were
 * flipped since, or in the window before; whether it is, the number of accepted packets tells, as it does not
 * matter which of a flow's packets is which. NULL in value when there is none.
 */
static __always_inline struct place counted_place(const struct capture_state *global, struct flow_key *key,
                                                  const struct discard *discard)
{
    struct place place = {0};
    __u64 packets = discard->addition.packets;
    for (int i = 0; i < 2 * FLOWS_PLACES; i++) {
        int is_before = i >= FLOWS_PLACES;
        key->window = discard->moment.window - is_before;
        place.second = is_before ? WINDOW_SECONDS : discard->moment.second;
        place.flows = flows_at(i % FLOWS_PLACES);
        place.value = find_slot(global, i % FLOWS_PLACES, bpf_get_smp_processor_id(), key);
        if (has_accepted(place.value, packets))
            return place;
        place.value = place.flows ? bpf_map_lookup_elem(place.flows, key) : 0;
        if (has_accepted(place.value, packets))
            return place;
    }
    place.value = 0;
    return place;
}

struct slot_search {
    struct flow_key *key;
    __u64 packets;
    __u32 found; /* CPU and place, from 1 */
};

static long search_next_slot(__u32 index, struct slot_search *search)
{
    struct capture_state *global = capture_state();
    if (!global)
        return 1;
    struct flow_value *value = find_slot(global, index % FLOWS_PLACES, index / FLOWS_PLACES, search->key);
    if (!has_accepted(value, search->packets))
        return 0;
    search->found = index + 1;
    return 1;
}

/* Counted by one CPU and refused by another: what waited in between, or went to a processor of its own. */
static __always_inline void find_foreign_slot(const struct capture_state *global, struct flow_key *key,
                                              const struct discard *discard, struct place *ret)
{
    key->window = discard->moment.window;
    struct slot_search search = {.key = key, .packets = discard->addition.packets};
    bpf_loop(flow_cpus * FLOWS_PLACES, search_next_slot, &search, 0);
    if (!search.found)
        return;
    __u32 index = search.found - 1;
    ret->second = discard->moment.second;
    ret->is_foreign = 1;
    ret->flows = flows_at(index % FLOWS_PLACES);
    ret->value = find_slot(global, index % FLOWS_PLACES, index / FLOWS_PLACES, key);
}

/* The entry of the packet's own moment, made if need be. 0 or a negative errno. */
static __always_inline long open_place(struct capture_state *global, struct flow_key *key,
                                       const struct discard *discard, struct place *ret)
{
    long error = -1;
    key->window = discard->moment.window;
    ret->second = discard->moment.second;
    ret->flows = flows_at(FLOWS_ACTIVE);
    ret->value = find_slot(global, FLOWS_ACTIVE, bpf_get_smp_processor_id(), key);
    if (!ret->value && ret->flows)
        ret->value = flow_entry(global, ret->flows, key, &error);
    return ret->value ? 0 : error;
}

/* The entry's rejected half belongs to the source that comes first. */
static __always_inline int claim_rejected(struct flow_value *value, __u32 source)
{
    if (value->reject == REJECT_NONE)
        __sync_val_compare_and_swap(&value->reject, REJECT_NONE, source);
    return value->reject == source;
}

static __always_inline void note_rejected(struct flow_value *value, const struct discard *discard,
                                          __u32 second)
{
    tally_count(&value->rejected, &discard->addition, 1);
    value->reject_reason = discard->reason;
    if (second > value->reject_last)
        value->reject_last = (__u8)second;
    if (!value->reject_first)
        value->reject_first = (__u8)second;
}

/* Out of the total of an entry whose rejected half belongs to another source. 0 or a negative errno. */
static __always_inline long take_back(struct capture_state *global, const struct place *place,
                                      struct flow_key *key, const struct discard *discard)
{
    struct flow_value *value = place->value;
    if (place->is_foreign) {
        long error = 0;
        key->reject = REJECT_NONE;
        value = place->flows ? flow_entry(global, place->flows, key, &error) : 0;
        if (!value)
            return error;
    }
    tally_count(&value->total, &discard->addition, -1);
    return 0;
}

/* `counted`: the packet is in the total already. 0 or a negative errno. */
static __always_inline long add_rejected(struct capture_state *global, const struct place *place,
                                         struct flow_key *key, const struct discard *discard, __u32 counted)
{
    const struct addition *addition = &discard->addition;
    struct flow_value *value = place->value;
    struct flow_value *to = value;
    int own = claim_rejected(value, discard->reject);
    if (!own) {
        long error = 0;
        key->reject = (__u8)discard->reject;
        to = place->flows ? flow_entry(global, place->flows, key, &error) : 0;
        if (!to)
            return error;
        error = counted ? take_back(global, place, key, discard) : 0;
        if (error)
            return error;
        to->reject = discard->reject;
    }
    note_rejected(to, discard, place->second);
    if (!own || !counted)
        tally_count(&to->total, addition, 1);
    if (counted && !forget_seconds(value))
        __sync_fetch_and_add(&global->times_unsure, addition->packets);
    return 0;
}

/* Whether the hook has counted the packet in hand. */
enum counted {
    NOT_COUNTED = 0,
    COUNTED = 1,
    COUNTED_IF_NOTED = 2, /* one whose buffer lay there was counted: this one if it was in its flow */
};

static __always_inline int is_noted(const struct flow_value *value, __u32 direction)
{
    const struct scratch *hook = scratch(SCRATCH_HOOK);
    return hook && value && hook->counted[direction & 1].entry == (__u64)(long)value;
}

/* Rejects the packet in hand; `counted` (enum counted) takes it out of ACCEPT, where the hook has put it. */
__noinline int reject(__u32 ifindex, __u32 direction, __u32 counted)
{
    struct capture_state *global = capture_state();
    struct discard *discard = discard_in_hand();
    if (!global || !discard)
        return 0;
    __u64 packets = discard->addition.packets;
    struct flow_key key;
    struct place place = {0};
    fill_key(&key, &discard->packet, ifindex, discard->moment.window, direction & 1);
    if (counted)
        place = counted_place(global, &key, discard);
    if (counted == COUNTED_IF_NOTED && !is_noted(place.value, direction)) {
        counted = NOT_COUNTED;
        place.value = 0;
    }
    if (counted && !place.value)
        find_foreign_slot(global, &key, discard, &place);
    if (!place.value && !bpf_map_lookup_elem(&captured, &ifindex))
        return 0;
    struct account *account = 0;
    if (!counted) {
        account = account_of(global, ifindex, discard->moment.window);
        if (!account)
            return 0;
        __sync_fetch_and_add(&account->side[direction & 1].packets, packets);
        __sync_fetch_and_add(&account->side[direction & 1].added, packets);
    }
    long error = place.value ? 0 : open_place(global, &key, discard, &place);
    if (place.value)
        error = add_rejected(global, &place, &key, discard, counted);
    if (error && account)
        account_loss(&account->side[direction & 1], error, packets);
    else if (error)
        __sync_fetch_and_add(&global->moves_lost, packets);
    return 0;
}

struct fragment_walk {
    struct sk_buff *fragment;
    __u32 ifindex;
    __u32 direction;
    __u32 counted;
    __u32 header; /* bytes of a later fragment in front of its data */
    __u32 bytes;  /* of all of them, without */
};

static long reject_next_fragment(__u32 index, struct fragment_walk *walk)
{
    struct discard *discard = discard_in_hand();
    if (!walk->fragment || !discard)
        return 1;
    struct sk_buff *fragment = walk->fragment;
    __u32 length = BPF_CORE_READ(fragment, len);
    discard->addition.packets = 1;
    discard->addition.bytes = length + walk->header;
    discard->addition.tcp_flags = 0;
    reject(walk->ifindex, walk->direction, walk->counted);
    walk->bytes += length;
    walk->fragment = BPF_CORE_READ(fragment, next);
    return 0;
}

/*
 * Connection tracking puts fragments together before anything can drop them, but the hook has counted them
 * one by one: the first with its ports, the others without. Each is rejected as it came.
 */
static __always_inline void reject_fragments(struct discard *discard, struct sk_buff *fragment, __u32 ifindex,
                                             __u32 direction, __u32 counted)
{
    struct addition whole = discard->addition;
    __u16 source_port = discard->packet.source_port;
    __u16 destination_port = discard->packet.destination_port;
    int is_ipv4 = discard->packet.family == 4;
    struct fragment_walk walk = {.fragment = fragment,
                                 .ifindex = ifindex,
                                 .direction = direction,
                                 .counted = counted,
                                 .header = is_ipv4 ? 20 : 48};
    discard->packet.source_port = discard->packet.destination_port = 0;
    bpf_loop(FRAGMENTS_MAX, reject_next_fragment, &walk, 0);
    discard->packet.source_port = source_port;
    discard->packet.destination_port = destination_port;
    discard->addition = whole;
    /* Defragmentation has taken the fragment header of IPv6 away. */
    discard->addition.bytes = discard->packet.bytes - walk.bytes + (is_ipv4 ? 0 : 8);
    reject(ifindex, direction, counted);
    discard->addition = whole;
}

static __always_inline void reject_datagram(struct discard *discard, struct sk_buff *skb, __u32 ifindex,
                                            __u32 direction, __u32 counted)
{
    struct sk_buff *fragment = 0;
    if (skb->data_len) { /* some of it is elsewhere */
        struct skb_shared_info *shared = shared_info(skb);
        if (!BPF_CORE_READ(shared, gso_size))
            fragment = BPF_CORE_READ(shared, frag_list);
    }
    if (fragment)
        reject_fragments(discard, fragment, ifindex, direction, counted);
    else
        reject(ifindex, direction, counted);
}

/* Where the packet was bound for, when it had come so far: the route's device, or the one it was handed to.
 */
static __always_inline __u32 outgoing_ifindex(const struct discard *discard, struct dst_entry *route,
                                              __u32 device)
{
    if (route && route_is_local_input(route, discard))
        return 0;
    if (route && BPF_CORE_READ(route, dev))
        return (__u32)BPF_CORE_READ(route, dev, ifindex);
    if (!device || device == discard->ifindex_in)
        return 0;
    __u32 *flags = bpf_map_lookup_elem(&captured, &device);
    return flags && (*flags & CAPTURED_BRIDGE) && discard->ifindex_in ? 0 : device;
}

/* As far as the hook's note tells. Among clsact's filters ours is the last one on the way out: it has seen
 * nothing that is refused there. */
static __always_inline __u32 counted_by_hook(struct sk_buff *skb, __u32 device, __u32 direction)
{
    const struct scratch *hook = scratch(SCRATCH_HOOK);
    if (!hook || hook->counted[direction & 1].buffer != (__u64)(long)skb)
        return NOT_COUNTED;
    const __u32 *flags = bpf_map_lookup_elem(&captured, &device);
    return direction == FLOW_EGRESS && flags && *flags & CAPTURED_CLSACT ? NOT_COUNTED : COUNTED_IF_NOTED;
}

/* Drops in tc and XDP happen at one interface's hook. True when that was all. */
static __always_inline int reject_at_hook(struct discard *discard, struct sk_buff *skb, __u32 device)
{
    if (discard->reject == REJECT_XDP) {
        reject(device, FLOW_INGRESS, NOT_COUNTED);
        return 1;
    }
    if (discard->reject != REJECT_TC)
        return 0;
    int is_ingress = REASON_IS(discard->reason, SKB_DROP_REASON_TC_INGRESS);
    __u32 direction = is_ingress ? FLOW_INGRESS : FLOW_EGRESS;
    reject(device, direction, counted_by_hook(skb, device, direction));
    if (!is_ingress)
        discard->ifindex_out = 0;
    return is_ingress;
}

static __always_inline void reject_packet(const struct conntrack_layout *layout, struct discard *discard,
                                          struct sk_buff *skb, __u32 device)
{
    if (reject_at_hook(discard, skb, device))
        return;
    __u32 direction = 0;
    __u64 connection = nat_connection(layout, discard, skb, &direction);
    struct packet as_is;
    if (connection)
        as_is = discard->packet;
    if (discard->ifindex_in) {
        if (connection)
            use_tuple(&discard->packet, layout, tuple_of(layout, connection, direction), 0);
        reject_datagram(discard, skb, discard->ifindex_in, FLOW_INGRESS, COUNTED);
    }
    if (!discard->ifindex_out)
        return;
    if (connection) {
        discard->packet = as_is;
        use_tuple(&discard->packet, layout, tuple_of(layout, connection, !direction), 1);
    }
    reject_datagram(discard, skb, discard->ifindex_out, FLOW_EGRESS, NOT_COUNTED);
}

/* The packet stays ACCEPT; the account and the flow say that, and why, it went no further. */
__noinline int note_discard(__u32 ifindex, __u32 direction)
{
    struct capture_state *global = capture_state();
    struct discard *discard = discard_in_hand();
    void *flows = flows_at(FLOWS_ACTIVE);
    if (!global || !discard || !flows || !bpf_map_lookup_elem(&captured, &ifindex))
        return 0;
    struct account *account = account_of(global, ifindex, discard->moment.window);
    if (!account)
        return 0;
    __u64 packets = discard->addition.packets;
    __sync_fetch_and_add(&account->side[direction & 1].discarded, packets);
    struct discard_key reason = {.ifindex = ifindex,
                                 .window = discard->moment.window,
                                 .reason = discard->reason,
                                 .direction = direction & 1};
    __u64 *count = bpf_map_lookup_elem(&discards, &reason);
    if (count)
        __sync_fetch_and_add(count, packets);
    else
        bpf_map_update_elem(&discards, &reason, &packets, BPF_NOEXIST);
    struct flow_key key;
    long error;
    fill_key(&key, &discard->packet, ifindex, discard->moment.window, direction & 1);
    struct flow_value *value = find_slot(global, FLOWS_ACTIVE, bpf_get_smp_processor_id(), &key);
    if (!value)
        value = flow_entry(global, flows, &key, &error);
    if (value) /* if there is no place: the account has it all the same */
        value->discard_reason = discard->reason;
    return 0;
}

/* The coarse clock is not to be had here, but the hook has mostly read it in this tick. */
static __always_inline struct moment discard_moment(const struct capture_state *global)
{
    const struct scratch *hook = scratch(SCRATCH_HOOK);
    if (hook && hook->jiffy == bpf_jiffies64())
        return hook->moment;
    return moment_of(bpf_ktime_get_ns() + global->wall_offset_ns);
}

SEC("tp_btf/kfree_skb")
int discarded(__u64 *arguments)
{
    struct sk_buff *skb = (struct sk_buff *)arguments[0];
    struct sock *receiver = 0;
    if (bpf_core_field_exists(struct trace_event_raw_kfree_skb, rx_sk))
        receiver = (struct sock *)arguments[3];
    struct capture_state *global = capture_state();
    struct scratch *room = scratch(SCRATCH_DROP);
    struct discard *discard = discard_in_hand();
    if (!global || !room || !discard || global->drop_program != drop_generation)
        return 0;
    struct dst_entry *route = route_of(skb);
    if (namespace_of(skb, route, receiver) != global->netns)
        return 0;
    discard->reason = (__u32)arguments[2];
    discard->reject = reject_source_of(discard->reason, receiver);
    if (is_generic_xdp(skb, discard->reason, route))
        discard->reject = REJECT_XDP;
    if (is_forward_policy(skb, discard->reason, arguments[1], route))
        discard->reject = REJECT_XFRM;
    discard->ifindex_in = (__u32)skb->skb_iif;
    /* A packet at a socket has its device pointer overwritten; only decisions made before that need it. */
    __u32 device = 0;
    if ((discard->reject || !discard->ifindex_in) && skb->dev)
        device = (__u32)skb->dev->ifindex;
    if (!read_packet(discard, skb, room))
        return 0;
    discard->moment = discard_moment(global);
    struct skb_shared_info *shared = shared_info(skb);
    __u32 gso_size = BPF_CORE_READ(shared, gso_size);
    count_segments(&discard->packet, gso_size ? BPF_CORE_READ(shared, gso_segs) : 0, gso_size,
                   &discard->addition);
    discard->ifindex_out = outgoing_ifindex(discard, route, device);
    if (discard->reject)
        reject_packet(&global->conntrack, discard, skb, device);
    else if (discard->ifindex_out)
        note_discard(discard->ifindex_out, FLOW_EGRESS);
    else
        note_discard(discard->ifindex_in, FLOW_INGRESS);
    return 0;
}
