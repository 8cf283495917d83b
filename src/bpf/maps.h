/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The maps, and the few ways in which the programs write to them. Kernel side only. */

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "parse.h"
#include "wire.h"

#define EEXIST 17
#define E2BIG 7

/* Never BPF_F_NO_PREALLOC: a new flow would cost microseconds. User space sets the real sizes before the
 * load. */
struct flow_map {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct flow_key);
    __type(value, struct flow_counts);
};

/* Two, flipped at each drain: one is written to while the other, quiescent, is read and emptied. */
struct flow_map flows_a SEC(".maps");
struct flow_map flows_b SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 1);
    __type(key, __u32);
    __array(values, struct flow_map);
} active SEC(".maps") = {.values = {&flows_a}};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, 8192);
    __type(key, struct account_key);
    __type(value, struct account);
} accounts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8192);
    __type(key, struct discard_key);
    __type(value, __u64);
} discards SEC(".maps");

/* ifindex to enum captured_interface, or-ed: the interfaces that the hooks are attached to. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32);
    __type(value, __u32);
} captured SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct capture_state);
} state SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} wake SEC(".maps");

/* The packet last counted on this CPU in each direction, and room for headers that cannot be read in place.
 */
struct scratch {
    __u64 counted[FLOW_DIRECTIONS]; /* address of the socket buffer */
    __u8 headers[PARSE_COPY_ROOM];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct capture_state *capture_state(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&state, &zero);
}

static __always_inline struct scratch *scratch(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&scratches, &zero);
}

static __always_inline __u32 window_of(__u64 wall_ns)
{
    return (__u32)(wall_ns / (WINDOW_SECONDS * 1000000000ULL));
}

static __always_inline struct account *account_of(struct capture_state *global, __u32 ifindex, __u32 window)
{
    struct account_key key = {.ifindex = ifindex, .window = window};
    struct account *account = bpf_map_lookup_elem(&accounts, &key);
    if (account)
        return account;
    static const struct account empty;
    bpf_map_update_elem(&accounts, &key, &empty, BPF_NOEXIST);
    account = bpf_map_lookup_elem(&accounts, &key);
    if (!account)
        __sync_fetch_and_add(&global->unaccounted, 1);
    return account;
}

/* Wakes user space once when the active map has taken `wake_at` new flows. */
static __always_inline void note_insertion(struct capture_state *global)
{
    __u64 inserted = __sync_fetch_and_add(&global->inserted, 1) + 1;
    if (inserted == global->wake_at)
        bpf_ringbuf_output(&wake, &inserted, sizeof inserted, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void add_flags(struct flow_counts *counts, __u8 tcp_flags, __s32 sign)
{
    if (tcp_flags & 1)
        __sync_fetch_and_add(&counts->fin, sign);
    if (tcp_flags & 4)
        __sync_fetch_and_add(&counts->rst, sign);
    if ((tcp_flags & 18) == 2)
        __sync_fetch_and_add(&counts->syn, sign);
    if ((tcp_flags & 18) == 18)
        __sync_fetch_and_add(&counts->syn_ack, sign);
}

/* What one packet, or the packets of one super-frame, add to a flow. */
struct addition {
    __u64 wall_ns;
    __s64 packets; /* negative: taken back */
    __s64 bytes;
    __u32 drop_reason;
    __u32 discarded;
    __u8 tcp_flags;
};

static __always_inline void add_to_counts(struct flow_counts *counts, const struct addition *addition)
{
    __sync_fetch_and_add(&counts->packets, addition->packets);
    __sync_fetch_and_add(&counts->bytes, addition->bytes);
    if (addition->packets > 0 && addition->wall_ns > counts->last_ns)
        counts->last_ns = addition->wall_ns;
    if (addition->tcp_flags)
        add_flags(counts, addition->tcp_flags, addition->packets > 0 ? 1 : -1);
    if (addition->drop_reason)
        counts->drop_reason = addition->drop_reason;
    if (addition->discarded)
        __sync_fetch_and_add(&counts->discarded, addition->discarded);
}

/* 0, or a negative errno: -E2BIG when the map is full. */
static __always_inline long add_to_flow(struct capture_state *global, const struct flow_key *key,
                                        const struct addition *addition)
{
    __u32 zero = 0;
    void *flows = bpf_map_lookup_elem(&active, &zero);
    if (!flows)
        return -1;
    struct flow_counts *counts = bpf_map_lookup_elem(flows, key);
    if (!counts) {
        struct flow_counts first = {.first_ns = addition->wall_ns, .last_ns = addition->wall_ns};
        add_to_counts(&first, addition);
        long error = bpf_map_update_elem(flows, key, &first, BPF_NOEXIST);
        if (!error) {
            note_insertion(global);
            return 0;
        }
        if (error != -EEXIST)
            return error;
        counts = bpf_map_lookup_elem(flows, key);
        if (!counts)
            return -1;
    }
    add_to_counts(counts, addition);
    return 0;
}

static __always_inline void fill_key(struct flow_key *key, const struct packet *packet, __u32 ifindex,
                                     __u32 window, __u8 direction, __u8 reject)
{
    __builtin_memcpy(key->source, packet->source, 16);
    __builtin_memcpy(key->destination, packet->destination, 16);
    key->ifindex = ifindex;
    key->window = window;
    key->source_port = packet->source_port;
    key->destination_port = packet->destination_port;
    key->protocol = packet->protocol;
    key->family = packet->family;
    key->direction = direction;
    key->reject = reject;
}

static __always_inline void account_loss(struct account_side *side, long error, __u64 packets)
{
    if (error == -E2BIG)
        side->lost_full += packets;
    else
        side->lost_busy += packets;
}

/*
 * Parses the headers copied to the scratch room; `ethernet` tells whether they begin with a link header, else
 * `ethertype` names the layer. A global function, so that the verifier goes through it once and not per
 * caller. Returns enum parse_result.
 */
__noinline int parse_copied(struct packet *ret, __u32 copied, __u32 ethernet, __u32 ethertype,
                            __u32 frame_len)
{
    struct scratch *room = scratch();
    if (!ret || !room)
        return PARSE_NOT_IP;
    struct packet_view view = {.data = room->headers, .copied = copied};
    if (!copied || copied > PARSE_COPY_ROOM)
        return PARSE_NOT_IP;
    if (!ethernet)
        return parse_network(&view, 0, (__u16)ethertype, frame_len, ret);
    return parse_ethernet(&view, frame_len, ret);
}

/* An offloaded super-frame as the packets that go over the wire, each with its own headers. */
static __always_inline void count_segments(const struct packet *packet, __u32 gso_segments, __u32 gso_size,
                                           struct addition *addition)
{
    __u64 segments = gso_segments;
    if (gso_size && !segments &&
        packet->bytes > packet->header_bytes) /* from a guest: only the size is known */
        segments = (packet->bytes - packet->header_bytes + gso_size - 1) / gso_size;
    if (!gso_size || segments < 1)
        segments = 1;
    addition->packets = (__s64)segments;
    addition->bytes = (__s64)(packet->bytes + (segments - 1) * packet->header_bytes);
    addition->tcp_flags = packet->tcp_flags;
}
