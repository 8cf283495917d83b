/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One message of the kernel on a traced packet: which chain and rule it came to, and what these said. */

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

enum nftrace_verdict {
    NFTRACE_GOES_ON, /* to the next rule, another chain, or back */
    NFTRACE_ACCEPT,  /* by this base chain; others may follow */
    NFTRACE_DROP,    /* also a reject */
    NFTRACE_TAKE,    /* stolen for another path, or queued for a program of user space to decide */
};

/* A packet as it is at that place: address translation may have changed it on the way. */
struct nftrace_packet {
    struct address source;
    struct address destination;
    uint16_t source_port; /* 0 where there is none */
    uint16_t destination_port;
    uint16_t length; /* of the IP packet; 0 for a jumbo */
    uint8_t protocol;
};

struct nftrace_event {
    const char *table; /* borrowed from the message */
    const char *chain;
    uint64_t handle;     /* of the rule; 0 for a policy, or the end of a chain */
    uint32_t id;         /* of the packet: the same at every hook, used again for later packets */
    uint32_t arrived_on; /* interfaces, 0 for none */
    uint32_t leaves_by;
    uint8_t family;  /* NFPROTO_… of the table */
    uint8_t verdict; /* enum nftrace_verdict */
    bool policy;     /* the verdict is the chain's policy */
    bool has_packet; /* the first message of each chain has it */
    struct nftrace_packet packet;
};

/* False for what is no such message. `message` comes from the kernel and is whole. */
bool nftrace_event_read(const struct nlmsghdr *message, struct nftrace_event *ret);
