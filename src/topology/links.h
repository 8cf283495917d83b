/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The links of this network namespace and their addresses, by rtnetlink: dumped, then followed. Never sysfs,
 * which may show another namespace (contract.md 22). One thread. When the kernel's queue overflows,
 * everything is dumped afresh and the differences are told as the events they would have been.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/fault.h"
#include "base/macro.h"

#define LINK_MAC_MAX 32 /* MAX_ADDR_LEN of the kernel */
#define LINK_KIND_MAX 24

/* The kernel's own counters, IFLA_STATS64. */
struct link_counters {
    uint64_t rx_packets;
    uint64_t rx_bytes;
    uint64_t rx_errors;
    uint64_t rx_dropped;
    uint64_t tx_packets;
    uint64_t tx_bytes;
    uint64_t tx_errors;
    uint64_t tx_dropped;
};

struct link_address {
    struct address address;
    uint8_t prefix;
    uint8_t scope;    /* RT_SCOPE_UNIVERSE, _SITE, _LINK, _HOST */
    bool secondary;   /* an IPv4 secondary, or a temporary IPv6 address */
    uint32_t created; /* 1/100 s since boot; orders addresses of equal rank */
};

struct link {
    uint32_t ifindex;
    char name[IF_NAMESIZE];
    uint16_t type; /* ARPHRD_… */
    uint8_t mac[LINK_MAC_MAX];
    uint8_t mac_len;
    uint32_t flags;           /* IFF_UP, IFF_LOOPBACK, … */
    char kind[LINK_KIND_MAX]; /* "veth", "vlan", "bridge", …; "" for hardware */
    uint32_t lower;  /* IFLA_LINK: what a VLAN or tunnel stands on, a veth's peer; 0 in another namespace */
    uint32_t master; /* ifindex of the bridge or bond it belongs to, or 0 */
    struct link_counters counters; /* of the last message; links_counters() reads fresh ones */

    /* Global before link-local, primary before secondary, older before newer. Owned. */
    struct link_address *addresses;
    unsigned address_count;
};

enum link_event {
    LINK_ADDED,
    LINK_CHANGED, /* name, flags, MAC, master, …; not for counters alone */
    LINK_ADDRESSES_CHANGED,
    LINK_REMOVED, /* gone, or moved to another namespace; `link` is its last state */
};

/* `link` is borrowed for the call. The listener must not call links_process or links_close. */
typedef void link_listener(void *context, enum link_event event, const struct link *link);

struct links;

/* Dumps at once: one LINK_ADDED per link, with its addresses, before it returns. */
int links_open(struct links **ret, link_listener *listener, void *context, struct fault *fault) MUST_USE;
void links_close(struct links *links);

/* Readable when there is something to process; for epoll, level-triggered. */
int links_fd(const struct links *links);

/* Takes in all that waits, without blocking. An error means that rtnetlink itself failed, not an overflow. */
int links_process(struct links *links, struct fault *fault) MUST_USE;

/* How often the kernel's queue overflowed. */
uint64_t links_overflows(const struct links *links);

/* Known links; NULL when there is none. Valid until the next links_process. */
const struct link *links_find(const struct links *links, uint32_t ifindex);
const struct link *links_next(const struct links *links, size_t *position); /* start with 0 */

/* Asks the kernel now. -ENODEV when the link is gone. */
int links_counters(uint32_t ifindex, struct link_counters *ret) MUST_USE;
