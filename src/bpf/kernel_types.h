/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The members of kernel structures that the drop program reads, and no others: their offsets are put right by
 * CO-RE when the program is loaded (kernel 5.17 and later).
 */

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
    unsigned int inum;
};

struct net {
    struct ns_common ns;
};

typedef struct {
    struct net *net;
} possible_net_t;

struct net_device {
    int ifindex;
    unsigned short hard_header_len;
    possible_net_t nd_net;
    struct bpf_prog *xdp_prog; /* the generic one */
};

struct dst_ops {
    unsigned short family;
};

struct dst_entry {
    struct net_device *dev;
    struct dst_ops *ops;
    struct xfrm_state *xfrm;
    unsigned short flags;
};

struct rtable {
    struct dst_entry dst;
    __u16 rt_type;
    __u8 rt_is_input;
};

struct rt6_info {
    struct dst_entry dst;
    __u32 rt6i_flags;
};

struct sock_common {
    unsigned short skc_family;
    possible_net_t skc_net;
};

struct sk_filter;

struct sock {
    struct sock_common __sk_common;
    struct sk_filter *sk_filter;
};

struct sk_buff {
    struct sk_buff *next;
    struct net_device *dev;
    unsigned long _skb_refdst;
    unsigned long _nfct;
    struct sock *sk;
    unsigned int len;
    unsigned int data_len;
    __u8 cloned : 1;
    __u8 pkt_type : 3;
    int skb_iif;
    __be16 protocol;
    __u16 network_header;
    unsigned int tail; /* sk_buff_data_t: an offset from head on 64-bit kernels */
    unsigned int end;
    unsigned char *head;
    unsigned char *data;
};

struct skb_shared_info {
    unsigned short gso_size;
    unsigned short gso_segs;
    struct sk_buff *frag_list;
    unsigned int gso_type;
};

/* Present since 6.11; tells whether the tracepoint passes the receiving socket. */
struct trace_event_raw_kfree_skb {
    void *rx_sk;
};

#pragma clang attribute pop

/* Only the names matter: the values are those of the running kernel. */
enum skb_drop_reason {
    SKB_DROP_REASON_SOCKET_FILTER,
    SKB_DROP_REASON_NETFILTER_DROP,
    SKB_DROP_REASON_IP_RPFILTER,
    SKB_DROP_REASON_IP_INADDRERRORS,
    SKB_DROP_REASON_XFRM_POLICY,
    SKB_DROP_REASON_BPF_CGROUP_EGRESS,
    SKB_DROP_REASON_TC_EGRESS,
    SKB_DROP_REASON_TC_INGRESS,
    SKB_DROP_REASON_SECURITY_HOOK,
    SKB_DROP_REASON_XDP,
    SKB_DROP_REASON_NOT_SPECIFIED,
};
