/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Marked packets on their way through the rules: from the events of many to what became of each. A packet's
 * end is known at a verdict that ends it; one that was let through just falls silent.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "nftrace/event.h"

enum {
    NFTRACE_NAME_MAX = 256,
    NFTRACE_ARRIVALS_MAX = 4, /* a VLAN on a bond that is a bridge's port: each of them is one */
    FOLLOW_PACKETS = 64,      /* under way at a time */
};

enum nftrace_fate {
    NFTRACE_DROPPED,
    NFTRACE_PASSED, /* every chain that it came to let it through */
    NFTRACE_AWAY,   /* a rule took it out of here, or a program holds it: what becomes of it is not told */
};

/* A packet's end. Pointers hold until the listener returns. */
struct nftrace_end {
    enum nftrace_fate fate;
    struct nftrace_packet marked;            /* as it came */
    struct nftrace_packet last;              /* as it was where it was dropped */
    uint32_t arrivals[NFTRACE_ARRIVALS_MAX]; /* interfaces; none for a packet of this host */
    size_t arrival_count;
    uint32_t leaves_by; /* where it was dropped; 0 when not known there */
    const char *passed; /* what let it through, "ip raw/PREROUTING policy; inet t/c handle 3" */

    /* Of what dropped it; NULL and 0 for the other fates. */
    const char *table;
    const char *chain;
    uint64_t handle; /* 0: the chain's policy */
    uint8_t family;  /* NFPROTO_… */
};

typedef void nftrace_listener(void *context, const struct nftrace_end *end);

struct followed {
    bool used;
    bool away; /* by the last rule it came to */
    uint32_t id;
    uint64_t last_ns;
    struct nftrace_packet marked;
    struct nftrace_packet now;
    uint32_t arrivals[NFTRACE_ARRIVALS_MAX];
    uint32_t arrival_count;
    uint32_t leaves_by;
    char entries[NFTRACE_ARRIVALS_MAX + 1][24]; /* our chains that it came through, "ingress0 of 3" */
    size_t entry_count;
    struct buf passed;
};

struct follow {
    const char *table; /* ours, where packets begin */
    nftrace_listener *listener;
    void *context;
    struct followed packets[FOLLOW_PACKETS];
    uint64_t begun;
    uint64_t not_followed; /* FOLLOW_PACKETS were under way */
};

void follow_init(struct follow *follow, const char *table, nftrace_listener *listener, void *context);
void follow_done(struct follow *follow);
void follow_event(struct follow *follow, const struct nftrace_event *event, uint64_t now_ns);

/* Packets that were silent since before `since_ns` have passed. */
void follow_settle(struct follow *follow, uint64_t since_ns);

/* Events were lost: of the packets under way nothing can be said. Returns how many those are. */
size_t follow_forget(struct follow *follow);

/* "inet", as nft names a family. */
const char *nftrace_family_name(uint8_t family);
