/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the kernel programs and user space both know: the key and counts of a flow, and the account of an
 * interface. Fixed-width types only; the assertions at the end are checked by both compilers.
 */

#include <linux/types.h>

/* Raise when any layout below changes: what another version has pinned is taken down, not adopted. */
#define WIRE_VERSION 7
#define WINDOW_SECONDS 60
#define NS_PER_SECOND 1000000000ULL
#define WINDOW_NS (WINDOW_SECONDS * NS_PER_SECOND)

enum flow_direction {
    FLOW_INGRESS = 0,
    FLOW_EGRESS = 1,
    FLOW_DIRECTIONS = 2,
};

/* Which control discarded a packet. 0 is ACCEPT; every other value is a REJECT. Journals hold these numbers.
 */
enum reject_source {
    REJECT_NONE = 0,
    REJECT_NETFILTER = 1,
    REJECT_TC = 2,
    REJECT_XDP = 3,
    REJECT_CGROUP = 4,
    REJECT_RPFILTER = 5,
    REJECT_XFRM = 6,
    REJECT_LSM = 7,
    REJECT_SECURITY_GROUP = 8,
    REJECT_NETWORK_ACL = 9,
    REJECT_UNCERTAIN = 10, /* by one of several: nobody can say which */
    REJECT_SOURCES = 11,
};

/* Direction is tc's: ingress is what the interface receives. Roles (nic, port) are user space's business. */
struct flow_key {
    __u8 source[16]; /* IPv4 as ::ffff:a.b.c.d */
    __u8 destination[16];
    __u32 ifindex;
    __u32 window;      /* WINDOW_SECONDS since the epoch, by wall clock */
    __u16 source_port; /* host order; 0 where there is none */
    __u16 destination_port;
    __u8 protocol;
    __u8 family;    /* 4 or 6 */
    __u8 direction; /* enum flow_direction */
    __u8 reject;    /* enum reject_source */
};

/* What packets add up to. Differences wrap: all counts are in two's complement. */
struct flow_tally {
    __u64 packets;
    __u64 bytes; /* IP total length of the wire packets */
    __u32 fin;   /* packets that carried the flag, for record.md 5.8 */
    __u32 syn;   /* SYN without ACK */
    __u32 rst;
    __u32 syn_ack;
};

/*
 * The seconds of its window in which a flow had accepted packets, in a word that is exchanged whole: the last
 * one, the two before it, and the first. Each is counted from 1; 0 is none.
 */
#define SECONDS_LAST(word) ((word)&0xffU)
#define SECONDS_BEFORE(word) ((word) >> 8 & 0xffffU) /* both */
#define SECONDS_FIRST(word) ((word) >> 24)
#define SECONDS(last, before, first) ((last) | (before) << 8 | (first) << 24)
#define SECONDS_KEPT 3

/*
 * What a kernel map holds of a flow, under a key without a reject source. A packet that is refused after it
 * was counted is added to `rejected` and stays in `total`; what was accepted is the difference. It is
 * negative where the packet was counted in an earlier drain. `rejected` belongs to the source that came
 * first; others have entries of their own, with their source in the key, and take their packets out of this
 * `total`.
 *
 * With each second goes what had been accepted before it. When rejects bring the difference down to that, all
 * packets of the second were refused, and the second before is the last again.
 */
struct flow_value {
    __u32 seconds; /* this and what is counted of most packets share the key's last cache line in the map */
    __u32 reject;  /* enum reject_source; REJECT_NONE: nothing is rejected */
    struct flow_tally total;
    __u32 accepted_before[SECONDS_KEPT]; /* packets, modulo 2^32: the last second's first */
    __u32 discard_reason; /* the kernel's number, of the last packet that was accepted and discarded */
    struct flow_tally rejected;
    __u32 reject_reason;
    __u8 reject_first; /* seconds, as above */
    __u8 reject_last;
    __u16 unused;
};

/*
 * Where flows are looked for first, by a hash that is cheap and without locks: each CPU has slots for so
 * many, in buckets of four. A flow takes a free slot when its first packet comes and keeps it until the
 * drain; one that finds its bucket taken by others goes to the hash map. Tags, which are parts of the hash,
 * tell without a look at the slots that a flow has none: they fit a CPU's first cache. What a flow has in
 * several places, as its packets came by several CPUs, adds up.
 */
struct flow_slot {
    struct flow_key key; /* taken by its CPU's hooks, freed by user space */
    struct flow_value value;
    __u64 unused[6]; /* up to whole cache lines, of which hooks touch two */
};

#define FLOW_WAYS 4
#define FLOW_BUCKETS_MAX 1024 /* per CPU */

/* Of a bucket, the first way lowest; 0: it and all behind it are free. */
#define FLOW_TAG(tags, way) ((__u16)((tags) >> 16 * (way)))

/*
 * Places of the flow maps. FLOWS_ACTIVE is written to. FLOWS_BEFORE is the same map, but while a flip goes
 * on: then it is the other, until all packets that were counted in it have gone their way.
 */
enum flow_place { FLOWS_ACTIVE = 0, FLOWS_BEFORE = 1, FLOWS_PLACES = 2 };

/* There are two of everything, one for each flow map. */
#define FLOW_GENERATIONS 2

/* What one drain says of one flow and verdict: signed differences, as above. */
struct flow_counts {
    __u64 packets;
    __u64 bytes;
    __u64 first_ns; /* wall clock; UINT64_MAX and 0 when no packet was added */
    __u64 last_ns;
    __u32 fin;
    __u32 syn;
    __u32 rst;
    __u32 syn_ack;
    __u64 drop_reason;
};

struct flow_delta {
    struct flow_key key;
    struct flow_counts counts;
};

struct account_key {
    __u32 ifindex;
    __u32 window;
};

/* The kernel's own account of one interface and window, per direction; per CPU. */
struct account {
    struct account_side {
        __u64 frames;    /* frames at the hook; an offloaded super-frame is one */
        __u64 packets;   /* wire packets at the hook: IP packets, and one per non-IP or malformed frame */
        __u64 not_ip;    /* frames that are no IP */
        __u64 malformed; /* IP header cut or inconsistent */
        __u64 added;     /* rejected packets that never reached the hook, added by the drop program */
        __u64 lost_full; /* wire packets with no place in the flow map */
        __u64 lost_busy; /* wire packets whose map update failed for another reason */
        __u64 discarded; /* accepted, then discarded by the kernel for no security reason */
    } side[FLOW_DIRECTIONS];
};

/*
 * Where accounts are looked for first, without a hash: each CPU has a slot for each of so many interfaces and
 * windows. One whose slot is taken, by another with the same remainders or one of long ago, goes to the hash
 * map.
 */
#define ACCOUNT_SLOT_INTERFACES 64
#define ACCOUNT_SLOT_WINDOWS 4
#define ACCOUNT_SLOTS (ACCOUNT_SLOT_INTERFACES * ACCOUNT_SLOT_WINDOWS) /* per CPU */

struct account_slot {
    __u64 holder; /* window << 32 | ifindex; 0: free. Taken by its CPU, freed by user space. */
    struct account account;
};

/* What the drop program must know of an interface that is captured. */
enum captured_interface {
    CAPTURED = 1,
    CAPTURED_BRIDGE = 2, /* a bridge: packets handed up to it have not left through it */
    CAPTURED_CLSACT = 4, /* by filters of clsact */
};

/* Why the kernel discarded packets that were accepted: counted per reason for the ledger. */
struct discard_key {
    __u32 ifindex;
    __u32 window;
    __u32 reason; /* the kernel's number */
    __u32 direction;
};

/* Byte offsets in the running kernel's struct nf_conn and, from `source` on, in its struct
 * nf_conntrack_tuple. */
struct conntrack_layout {
    __u32 known; /* the rest holds; set last */
    __u32 status;
    __u32 tuples; /* of the array of both directions, and the size of its elements */
    __u32 tuple_size;
    __u32 tuple; /* in an element */
    __u32 source;
    __u32 source_port;
    __u32 destination;
    __u32 destination_port;
    __u32 protocol;
};

/* One slot of global state, pinned, so that a restarted daemon goes on where the last one was. */
struct capture_state {
    __u64 wall_offset_ns;      /* wall clock less the kernel's monotonic clock */
    __u64 inserted;            /* flows added to the active map since its flip */
    __u64 slots_taken;         /* likewise, in slots */
    __u64 wake_at;             /* `inserted` at which user space is woken to drain early */
    __u64 unaccounted;         /* packets with no place in the account map */
    __u64 moves_lost;          /* rejects whose bookkeeping failed: they stay ACCEPT */
    __u64 times_unsure;        /* rejects after which the times of what was accepted may include them */
    __u32 netns;               /* inode number of the network namespace captured */
    __u32 drop_program;        /* generation of the drop program in charge; others stand aside */
    __u32 slots[FLOWS_PLACES]; /* enum flow_place to the generation of slots */
    __u32 stopped; /* hooks count nothing any more; the kernel takes them away when it finds time */
    struct conntrack_layout conntrack;
};

_Static_assert(sizeof(struct flow_key) == 48, "flow_key has no padding");
_Static_assert(sizeof(struct flow_value) == 96, "flow_value has no padding");
_Static_assert(sizeof(struct flow_slot) == 192, "a slot is whole cache lines");
_Static_assert(sizeof(struct flow_delta) == 104, "flow_delta has no padding");
_Static_assert(sizeof(struct account) == 128, "account has no padding");
