/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The interfaces being recorded: from a link that the configuration covers to an index that flows carry. An
 * entry stays after its link has gone until every window with its packets is delivered.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/live.h"
#include "flow/interface.h"
#include "flow/ledger.h"
#include "flow/windows.h"
#include "topology/identity.h"
#include "topology/links.h"

#define REGISTRY_MAX UINT16_MAX

struct registered {
    bool used;
    bool attached;
    bool due;              /* to be attached when its turn comes */
    bool gone;             /* the link is no more */
    uint32_t gone_window;  /* WINDOW_SECONDS since the epoch, when it went */
    uint32_t since_window; /* 0: it was never attached, and no journal knows it */
    uint32_t ifindex;
    char device[IF_NAMESIZE];
    char error[256]; /* why it is not attached; "" when it is */
    uint32_t lower;  /* ifindex of what the link stands on, and receives through */
    uint32_t master; /* ifindex of the link that receives what this one does */
    const struct topology_rule *rule;
    struct interface interface;
    uint64_t last_packet_ns;                 /* wall clock, of the packets drained so far; 0: none yet */
    struct link_counters baseline;           /* the kernel's own counters just before capture began */
    struct link_counters hooked;             /* just after */
    struct link_counters latest;             /* and when a window was last closed */
    uint64_t frames[FLOW_DIRECTIONS];        /* frames at the hooks since capture began */
    uint64_t packets[FLOW_DIRECTIONS];       /* and wire packets */
    uint64_t frames_before[FLOW_DIRECTIONS]; /* frames just before `latest` was read, open windows included */
    uint64_t packets_after[FLOW_DIRECTIONS]; /* wire packets just after */
    struct ledger_side settled[FLOW_DIRECTIONS]; /* sums over windows that the ledger has forgotten */
    uint64_t settled_lost_long;                  /* and of packets lost to the ten-minute records alone */
};

struct registry {
    struct registered **entries; /* owned, each allocated alone: pointers into them stay */
    uint32_t count;              /* entries that were ever used; indexes are below */
    uint32_t last;               /* index of the last one looked up: drains come in runs */
};

void registry_done(struct registry *registry);

/* Entry of the living link with this ifindex, or of the one that had it last; its index in *ret_index. */
struct registered *registry_find(struct registry *registry, uint32_t ifindex, uint16_t *ret_index);

struct registered *registry_at(const struct registry *registry, uint16_t index);

/* A free entry, cleared and marked used; NULL when there is no room. */
struct registered *registry_add(struct registry *registry, uint32_t ifindex);

/* The entry at that index, cleared and marked used, from a journal; those below it that were not used stay
 * so. NULL when there is no memory. */
struct registered *registry_put(struct registry *registry, uint16_t index, uint32_t ifindex);

/* Frees entries that went before `window`. */
void registry_forget(struct registry *registry, uint32_t window);

/* Takes from the link which others it hands its packets to, or gets them from. */
void registry_set_neighbours(struct registered *entry, const struct link *link);

/* Pairs of interfaces of which one receives through the other, in windows_interfaces' order; to be freed. How
 * many. */
size_t registry_stacks(struct registry *registry, struct stacked **ret);

/* Whether a used entry has that interface id; for topology's identity_source. */
bool registry_has_id(void *registry, const char *interface_id);
