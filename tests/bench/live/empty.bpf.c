/* SPDX-License-Identifier: Apache-2.0 */

/* The floor: a tcx program that does nothing. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int empty(struct __sk_buff *skb)
{
    (void)skb;
    return -1; /* the next program decides */
}

char LICENSE[] SEC("license") = "GPL";
