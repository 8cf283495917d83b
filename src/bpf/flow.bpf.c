/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */

/*
 * Counting, in the kernel: each packet that passes an interface's tc hook adds to its flow as accepted. What
 * is discarded afterwards is put right by drop.h. Both let every packet go on unchanged.
 */

#include "maps.h"

#include <bpf/bpf_endian.h>

#include "drop.h"

#define TCX_NEXT (-1) /* also TC_ACT_UNSPEC: the next program or filter decides */

/*
 * Most frames need no loop: IP without a tag and without extension headers, its headers in the linear part.
 * True when it was such a one.
 */
static __always_inline int parse_plain(struct __sk_buff *skb, int ethernet, struct packet *ret)
{
    struct packet_view view = {.data = (const __u8 *)(long)skb->data,
                               .end = (const __u8 *)(long)skb->data_end};
    const __u32 offset = ethernet ? 14 : 0;
    __u16 ethertype = bpf_ntohs((__u16)skb->protocol);
    if (ethernet) {
        const __u8 *header = packet_at(&view, 0, offset);
        ethertype = header ? parse_u16(header + 12) : 0;
    }
    PARSE_ZERO(ret, sizeof *ret);
    if (ethertype == ETHERTYPE_IPV4)
        return parse_ipv4(&view, offset, skb->len, ret) == PARSE_IP && !view.cut;
    if (ethertype != ETHERTYPE_IPV6 || parse_ipv6_header(&view, offset, skb->len, ret) != PARSE_IP ||
        is_extension_header(ret->protocol))
        return 0;
    parse_transport(&view, offset + 40, offset + ret->bytes, ret);
    return !view.cut;
}

static __always_inline int parse_frame(struct __sk_buff *skb, struct scratch *room, int ethernet,
                                       struct packet *ret)
{
    if (parse_plain(skb, ethernet, ret))
        return PARSE_IP;
    __u32 copied = skb->len < PARSE_COPY_ROOM ? skb->len : PARSE_COPY_ROOM;
    if (copied < 1 || bpf_skb_load_bytes(skb, 0, room->headers, copied) < 0)
        return PARSE_NOT_IP;
    room->copied = copied;
    __u32 ethertype = ethernet ? LINK_HEADER : bpf_ntohs((__u16)skb->protocol);
    return parse_copied(ret, SCRATCH_HOOK, ethertype, skb->len);
}

/* The entry; NULL and a negative errno when there is no place for it. */
static __always_inline struct flow_value *
count_packet(struct capture_state *global, struct __sk_buff *skb, const struct packet *packet,
             const struct addition *addition, const struct moment *moment, __u8 direction, long *ret_error)
{
    struct flow_key key;
    fill_key(&key, packet, skb->ifindex, moment->window, direction);
    struct flow_value *slot = take_slot(global, &key);
    if (slot) {
        note_second(slot, moment->second);
        tally_count_alone(&slot->total, addition);
        return slot;
    }
    void *flows = flows_at(FLOWS_ACTIVE);
    struct flow_value *value = flows ? flow_entry(global, flows, &key, ret_error) : 0;
    if (!value)
        return 0;
    note_second(value, moment->second);
    tally_count(&value->total, addition, 1);
    return value;
}

static __always_inline int count_frame(struct __sk_buff *skb, __u8 direction, int ethernet)
{
    struct capture_state *global = capture_state();
    struct scratch *room = scratch(SCRATCH_HOOK);
    if (!global || !room || global->stopped)
        return TCX_NEXT;
    struct moment moment = coarse_moment(global, room);
    struct account *account = account_of(global, skb->ifindex, moment.window);
    if (!account)
        return TCX_NEXT;
    struct account_side *side = &account->side[direction];
    struct packet packet;
    int result = parse_frame(skb, room, ethernet, &packet);
    side->frames++;
    if (result != PARSE_IP) {
        side->packets++;
        if (result == PARSE_NOT_IP)
            side->not_ip++;
        else
            side->malformed++;
        return TCX_NEXT;
    }
    struct addition addition;
    count_segments(&packet, skb->gso_segs, skb->gso_size, &addition);
    side->packets += addition.packets;
    long error = -1;
    struct flow_value *entry = count_packet(global, skb, &packet, &addition, &moment, direction, &error);
    room->counted[direction].buffer = (__u64)(long)skb;
    room->counted[direction].entry = (__u64)(long)entry;
    if (!entry)
        account_loss(side, error, addition.packets);
    return TCX_NEXT;
}

SEC("tc")
int ingress_ethernet(struct __sk_buff *skb)
{
    return count_frame(skb, FLOW_INGRESS, 1);
}

SEC("tc")
int egress_ethernet(struct __sk_buff *skb)
{
    return count_frame(skb, FLOW_EGRESS, 1);
}

/* For devices without a link header (tun, WireGuard, IP tunnels). */
SEC("tc")
int ingress_ip(struct __sk_buff *skb)
{
    return count_frame(skb, FLOW_INGRESS, 0);
}

SEC("tc")
int egress_ip(struct __sk_buff *skb)
{
    return count_frame(skb, FLOW_EGRESS, 0);
}

char dual_license[] SEC("license") = "Dual BSD/GPL";
