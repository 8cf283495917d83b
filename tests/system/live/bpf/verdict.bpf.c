/* SPDX-License-Identifier: Apache-2.0 */

/* Foreign programs on every hook: each discards UDP to DROP_PORT and lets the rest pass, counting what it
 * saw. */

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define DROP_PORT 4343
#define TC_NEXT (-1)
#define TC_DROP 2

struct counts {
    __u64 passed;
    __u64 dropped;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct counts);
} verdicts SEC(".maps");

static __always_inline bool count(bool drop)
{
    __u32 zero = 0;
    struct counts *counts = bpf_map_lookup_elem(&verdicts, &zero);
    if (counts)
        __sync_fetch_and_add(drop ? &counts->dropped : &counts->passed, 1);
    return drop;
}

/* `ip` points at an IP header; neither options nor extension headers occur in the traffic this is for. */
static __always_inline bool is_unwanted(const __u8 *ip, const __u8 *end)
{
    if (ip + 48 > end) {
        if (ip + 28 > end || ip[0] >> 4 != 4)
            return false;
        return ip[9] == 17 && (ip[22] << 8 | ip[23]) == DROP_PORT;
    }
    if (ip[0] >> 4 == 4)
        return ip[9] == 17 && (ip[22] << 8 | ip[23]) == DROP_PORT;
    return ip[6] == 17 && (ip[42] << 8 | ip[43]) == DROP_PORT;
}

static __always_inline bool skb_is_unwanted(struct __sk_buff *skb, __u32 offset)
{
    __u8 ip[48] = {};
    if (skb->len < offset + 28)
        return false;
    if (bpf_skb_load_bytes(skb, offset, ip, sizeof ip) && bpf_skb_load_bytes(skb, offset, ip, 28))
        return false;
    return is_unwanted(ip, ip + sizeof ip);
}

SEC("tc")
int foreign_tc(struct __sk_buff *skb)
{
    return count(skb_is_unwanted(skb, 14)) ? TC_DROP : TC_NEXT;
}

SEC("xdp")
int foreign_xdp(struct xdp_md *context)
{
    const __u8 *frame = (void *)(long)context->data, *end = (void *)(long)context->data_end;
    return count(is_unwanted(frame + 14, end)) ? XDP_DROP : XDP_PASS;
}

SEC("cgroup_skb/egress")
int foreign_egress(struct __sk_buff *skb)
{
    return count(skb_is_unwanted(skb, 0)) ? 0 : 1;
}

SEC("cgroup_skb/ingress")
int foreign_ingress(struct __sk_buff *skb)
{
    return count(skb_is_unwanted(skb, 0)) ? 0 : 1;
}

char LICENSE[] SEC("license") = "GPL";
