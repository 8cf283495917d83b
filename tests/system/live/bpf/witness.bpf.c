/* SPDX-License-Identifier: Apache-2.0 */

/* Counts what the kernel discards by network namespace and reason: an account that owes nothing to the
 * daemon. */

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct ns_common {
    unsigned int inum;
} __attribute__((preserve_access_index));

struct net {
    struct ns_common ns;
} __attribute__((preserve_access_index));

struct net_pointer {
    struct net *net;
} __attribute__((preserve_access_index));

struct net_device {
    struct net_pointer nd_net;
} __attribute__((preserve_access_index));

struct sk_buff {
    struct net_device *dev;
    unsigned long _skb_refdst;
} __attribute__((preserve_access_index));

struct dst_entry {
    struct net_device *dev;
} __attribute__((preserve_access_index));

struct discard {
    unsigned int netns;
    unsigned int reason;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct discard);
    __type(value, unsigned long long);
} discards SEC(".maps");

SEC("tp_btf/kfree_skb")
int BPF_PROG(witness_discard, struct sk_buff *skb, void *location, unsigned int reason)
{
    struct net_device *device = skb->dev;
    struct discard key = {.reason = reason};

    if (!device) {
        struct dst_entry *route = (void *)(skb->_skb_refdst & ~7UL);
        device = route ? BPF_CORE_READ(route, dev) : 0;
    }
    if (device)
        key.netns = BPF_CORE_READ(device, nd_net.net, ns.inum);
    unsigned long long one = 1, *count = bpf_map_lookup_elem(&discards, &key);
    if (count)
        __sync_fetch_and_add(count, 1);
    else
        bpf_map_update_elem(&discards, &key, &one, BPF_ANY);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
