/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */

/*
 * Counting, in the kernel: each packet that passes an interface's tc hook adds to its flow as accepted. What
 * is discarded afterwards is put right by drop.bpf.c. Both let every packet go on unchanged.
 */

#include "maps.h"

#include <bpf/bpf_endian.h>

#include "drop.h"

#define TCX_NEXT (-1) /* also TC_ACT_UNSPEC: the next program or filter decides */

/* Parses in place; headers beyond the linear part of the buffer are copied out first. */
static __always_inline enum parse_result parse_buffer(struct __sk_buff *skb, struct scratch *room,
                                                      int ethernet, struct packet *packet)
{
    struct packet_view view = {.data = (const __u8 *)(long)skb->data,
                               .end = (const __u8 *)(long)skb->data_end};
    __u16 ethertype = bpf_ntohs((__u16)skb->protocol);
    enum parse_result result = ethernet ? parse_ethernet(&view, skb->len, packet)
                                        : parse_network(&view, 0, ethertype, skb->len, packet);
    __u32 linear = skb->data_end - skb->data;
    if (!view.cut || linear >= skb->len)
        return result;
    __u32 copied = skb->len < PARSE_COPY_ROOM ? skb->len : PARSE_COPY_ROOM;
    if (copied < 1 || bpf_skb_load_bytes(skb, 0, room->headers, copied) < 0)
        return result;
    return parse_copied(packet, copied, ethernet, ethertype, skb->len);
}

static __always_inline int count_frame(struct __sk_buff *skb, __u8 direction, int ethernet)
{
    struct capture_state *global = capture_state();
    struct scratch *room = scratch();
    if (!global || !room)
        return TCX_NEXT;
    /* The coarse clock is a tick behind at most, and a quarter of the price. */
    struct addition addition = {.wall_ns = bpf_ktime_get_coarse_ns() + global->wall_offset_ns};
    __u32 window = window_of(addition.wall_ns);
    struct account *account = account_of(global, skb->ifindex, window);
    if (!account)
        return TCX_NEXT;
    struct account_side *side = &account->side[direction];
    struct packet packet;
    enum parse_result result = parse_buffer(skb, room, ethernet, &packet);
    side->frames++;
    if (result != PARSE_IP) {
        side->packets++;
        if (result == PARSE_NOT_IP)
            side->not_ip++;
        else
            side->malformed++;
        return TCX_NEXT;
    }
    count_segments(&packet, skb->gso_segs, skb->gso_size, &addition);
    side->packets += (__u64)addition.packets;
    struct flow_key key;
    fill_key(&key, &packet, skb->ifindex, window, direction, REJECT_NONE);
    long error = add_to_flow(global, &key, &addition);
    if (error)
        account_loss(side, error, (__u64)addition.packets);
    else
        room->counted[direction] = (__u64)(long)skb;
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
