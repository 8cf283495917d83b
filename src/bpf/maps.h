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
    __type(value, struct flow_value);
};

/* Two, flipped at each drain: one is written to while the other, quiescent, is read and emptied. */
struct flow_map flows_a SEC(".maps");
struct flow_map flows_b SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, FLOWS_PLACES);
    __type(key, __u32);
    __array(values, struct flow_map);
} active SEC(".maps") = {.values = {&flows_a, &flows_a}};

/* Both by generation, CPU and bucket, slots by way as well. User space sets the sizes, and both constants. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, FLOW_GENERATIONS);
    __type(key, __u32);
    __type(value, __u64);
} flow_tags SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, FLOW_GENERATIONS *FLOW_WAYS);
    __type(key, __u32);
    __type(value, struct flow_slot);
} flow_slots SEC(".maps");

const volatile __u32 flow_buckets = 1; /* per CPU: a power of two */
const volatile __u32 flow_cpus = 1;

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, 8192);
    __type(key, struct account_key);
    __type(value, struct account);
} accounts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, ACCOUNT_SLOTS); /* user space: times the CPUs */
    __type(key, __u32);
    __type(value, struct account_slot);
} account_slots SEC(".maps");

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

/* Wall clock as the programs count with it. */
struct moment {
    __u32 window;
    __u32 second; /* of the window, from 1 */
};

/* Room of one program on one CPU. */
struct scratch {
    struct counted_note {
        __u64 buffer; /* address of the socket buffer last counted in a direction */
        __u64 entry;  /* and of the flow's entry that it was counted in */
    } counted[FLOW_DIRECTIONS];
    __u64 jiffy; /* at which the coarse clock was read last, and what it said */
    struct moment moment;
    __u32 copied;                  /* bytes of `headers` that are filled */
    __u8 headers[PARSE_COPY_ROOM]; /* of a packet that cannot be read in place */
};

/* Hooks run with softirqs off, so that they never interrupt one another; but they interrupt the drop program.
 */
enum scratch_user { SCRATCH_HOOK = 0, SCRATCH_DROP = 1, SCRATCH_USERS = 2 };

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SCRATCH_USERS);
    __type(key, __u32);
    __type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct capture_state *capture_state(void)
{
    __u32 zero = 0;
    return bpf_map_lookup_elem(&state, &zero);
}

static __always_inline struct scratch *scratch(__u32 user)
{
    return bpf_map_lookup_elem(&scratches, &user);
}

static __always_inline struct moment moment_of(__u64 wall_ns)
{
    __u64 window = wall_ns / WINDOW_NS;
    return (struct moment){.window = (__u32)window,
                           .second = (__u32)((wall_ns - window * WINDOW_NS) / NS_PER_SECOND) + 1};
}

/*
 * The kernel's coarse clock is put forward right after its count of ticks, which costs a single load: read
 * once per tick and CPU, it is two ticks behind at most.
 */
static __always_inline struct moment coarse_moment(const struct capture_state *global, struct scratch *room)
{
    __u64 jiffy = bpf_jiffies64();
    if (jiffy != room->jiffy) {
        room->jiffy = jiffy;
        room->moment = moment_of(bpf_ktime_get_coarse_ns() + global->wall_offset_ns);
    }
    return room->moment;
}

/*
 * The account of this CPU. Hooks add to it plainly, as nothing interrupts them that would; the drop program,
 * which they interrupt, adds atomically. NULL is counted.
 */
static __always_inline struct account *account_of(struct capture_state *global, __u32 ifindex, __u32 window)
{
    __u64 holder = (__u64)window << 32 | ifindex;
    __u32 place = bpf_get_smp_processor_id() * ACCOUNT_SLOTS +
                  ifindex % ACCOUNT_SLOT_INTERFACES * ACCOUNT_SLOT_WINDOWS + window % ACCOUNT_SLOT_WINDOWS;
    struct account_slot *slot = bpf_map_lookup_elem(&account_slots, &place);
    if (slot && slot->holder == holder)
        return &slot->account;
    if (slot && !slot->holder && !__sync_val_compare_and_swap(&slot->holder, 0, holder))
        return &slot->account;
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

/* What one packet, or the packets of one super-frame, add to a flow. */
struct addition {
    __u64 packets;
    __u64 bytes;
    __u8 tcp_flags;
};

/* `sign` is 1, or -1 to take back. */
static __always_inline void tally_count(struct flow_tally *tally, const struct addition *addition, __s64 sign)
{
    __u8 flags = addition->tcp_flags;
    __sync_fetch_and_add(&tally->packets, addition->packets * (__u64)sign);
    __sync_fetch_and_add(&tally->bytes, addition->bytes * (__u64)sign);
    if (!flags)
        return;
    if (flags & 1)
        __sync_fetch_and_add(&tally->fin, (__u32)sign);
    if (flags & 4)
        __sync_fetch_and_add(&tally->rst, (__u32)sign);
    if ((flags & 18) == 2)
        __sync_fetch_and_add(&tally->syn, (__u32)sign);
    if ((flags & 18) == 18)
        __sync_fetch_and_add(&tally->syn_ack, (__u32)sign);
}

/* As tally_count, where nobody adds at the same time. */
static __always_inline void tally_count_alone(struct flow_tally *tally, const struct addition *addition)
{
    __u8 flags = addition->tcp_flags;
    tally->packets += addition->packets;
    tally->bytes += addition->bytes;
    if (!flags)
        return;
    tally->fin += flags & 1;
    tally->rst += flags >> 2 & 1;
    tally->syn += (flags & 18) == 2;
    tally->syn_ack += (flags & 18) == 18;
}

static __always_inline __u64 accepted_packets(const struct flow_value *value)
{
    return value->total.packets - value->rejected.packets;
}

/* Before the packet is counted. Mostly a single comparison: a flow's second changes once per second. */
static __always_inline void note_second(struct flow_value *value, __u32 second)
{
    __u32 seen = value->seconds;
    if (second <= SECONDS_LAST(seen))
        return;
    __u32 first = SECONDS_FIRST(seen) ? SECONDS_FIRST(seen) : second;
    __u32 accepted = (__u32)accepted_packets(value);
    if (__sync_val_compare_and_swap(&value->seconds, seen, SECONDS(second, seen & 0xffffU, first)) != seen)
        return; /* another CPU has noted it */
    value->accepted_before[2] = value->accepted_before[1];
    value->accepted_before[1] = value->accepted_before[0];
    value->accepted_before[0] = accepted;
}

/*
 * After a counted packet was rejected: seconds of which nothing accepted is left are forgotten. False when
 * that cannot be told, so that the last second may be one of rejects.
 */
static __always_inline int forget_seconds(struct flow_value *value)
{
    for (int i = 0; i < SECONDS_KEPT; i++) {
        __u32 seen = value->seconds;
        __s64 accepted = (__s64)accepted_packets(value);
        if (accepted <= 0) {
            __sync_val_compare_and_swap(&value->seconds, seen, 0);
            return !accepted;
        }
        if ((__s32)((__u32)accepted - value->accepted_before[0]) > 0)
            return 1;
        __u32 before = SECONDS_BEFORE(seen);
        if (!before)
            return 0;
        __sync_val_compare_and_swap(&value->seconds, seen, SECONDS(before, 0, SECONDS_FIRST(seen)));
        value->accepted_before[0] = value->accepted_before[1];
        value->accepted_before[1] = value->accepted_before[2];
        value->accepted_before[2] = 0;
    }
    return 1;
}

/* Who chooses addresses and ports so that they meet only sends his own flows to the hash map. */
static __always_inline __u64 slot_hash(const struct flow_key *key)
{
    const __u64 *words = (const __u64 *)key;
    return words[0] * 0x9e3779b97f4a7c15ULL + words[1] * 0xc2b2ae3d27d4eb4fULL +
           words[2] * 0x165667b19e3779f9ULL + words[3] * 0xd6e8feb86659fd93ULL +
           words[4] * 0xa0761d6478bd642fULL + words[5] * 0xe7037ed1a0b428dbULL;
}

static __always_inline int is_same_key(const struct flow_key *a, const struct flow_key *b)
{
    const __u64 *left = (const __u64 *)a;
    const __u64 *right = (const __u64 *)b;
    return !((left[5] ^ right[5]) | (left[4] ^ right[4]) | (left[3] ^ right[3]) | (left[2] ^ right[2]) |
             (left[1] ^ right[1]) | (left[0] ^ right[0]));
}

/* The flow's bucket of a CPU, and its tag there. */
struct bucket {
    __u64 *tags;
    __u32 index;
    __u16 tag;
};

static __always_inline struct bucket bucket_of(const struct capture_state *global, __u32 place, __u32 cpu,
                                               const struct flow_key *key)
{
    __u64 hash = slot_hash(key);
    __u32 generation = global->slots[place & 1] & 1;
    struct bucket bucket = {.tag = (__u16)(hash >> 48 | 1)};
    bucket.index = (generation * flow_cpus + cpu) * flow_buckets + ((__u32)(hash >> 32) & (flow_buckets - 1));
    bucket.tags = bpf_map_lookup_elem(&flow_tags, &bucket.index);
    return bucket;
}

static __always_inline struct flow_slot *slot_at(const struct bucket *bucket, __u32 way)
{
    __u32 at = bucket->index * FLOW_WAYS + way;
    return bpf_map_lookup_elem(&flow_slots, &at);
}

/* The flow's slot of this CPU, or of that one; NULL when it has none. */
static __always_inline struct flow_value *find_slot(const struct capture_state *global, __u32 place,
                                                    __u32 cpu, const struct flow_key *key)
{
    struct bucket bucket = bucket_of(global, place, cpu, key);
    __u64 tags = bucket.tags ? *bucket.tags : 0;
    for (__u32 way = 0; way < FLOW_WAYS; way++) {
        if (FLOW_TAG(tags, way) != bucket.tag)
            continue;
        struct flow_slot *slot = slot_at(&bucket, way);
        if (slot && is_same_key(&slot->key, key))
            return &slot->value;
    }
    return 0;
}

/* For hooks alone, which nothing interrupts that takes slots: a free one is taken. */
static __always_inline struct flow_value *take_slot(struct capture_state *global, const struct flow_key *key)
{
    struct bucket bucket = bucket_of(global, FLOWS_ACTIVE, bpf_get_smp_processor_id(), key);
    if (!bucket.tags)
        return 0;
    __u64 tags = *bucket.tags;
    for (__u32 way = 0; way < FLOW_WAYS; way++) {
        __u16 tag = FLOW_TAG(tags, way);
        if (tag && tag != bucket.tag)
            continue;
        struct flow_slot *slot = slot_at(&bucket, way);
        if (!slot)
            return 0;
        if (tag && is_same_key(&slot->key, key))
            return &slot->value;
        if (tag)
            continue;
        slot->key = *key;
        *bucket.tags = tags | (__u64)bucket.tag << 16 * way;
        __sync_fetch_and_add(&global->slots_taken, 1);
        return &slot->value;
    }
    return 0;
}

static __always_inline void *flows_at(__u32 place)
{
    return bpf_map_lookup_elem(&active, &place);
}

/* The flow's entry, made if need be; NULL and a negative errno when there is none: -E2BIG when the map is
 * full. */
static __always_inline struct flow_value *flow_entry(struct capture_state *global, void *flows,
                                                     const struct flow_key *key, long *ret_error)
{
    static const struct flow_value empty;
    struct flow_value *value = bpf_map_lookup_elem(flows, key);
    if (value)
        return value;
    *ret_error = bpf_map_update_elem(flows, key, &empty, BPF_NOEXIST);
    if (!*ret_error)
        note_insertion(global);
    else if (*ret_error != -EEXIST)
        return 0;
    value = bpf_map_lookup_elem(flows, key);
    if (!value)
        *ret_error = -1;
    return value;
}

static __always_inline void fill_key(struct flow_key *key, const struct packet *packet, __u32 ifindex,
                                     __u32 window, __u8 direction)
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
    key->reject = REJECT_NONE;
}

static __always_inline void account_loss(struct account_side *side, long error, __u64 packets)
{
    if (error == -E2BIG)
        __sync_fetch_and_add(&side->lost_full, packets);
    else
        __sync_fetch_and_add(&side->lost_busy, packets);
}

/*
 * Parsing of the headers copied to the scratch room. Global functions, which the verifier goes through once
 * each: neither per caller nor per number of tags. Both return enum parse_result.
 */
__noinline int parse_copied_ip(struct packet *ret, __u32 user, __u32 offset, __u32 ethertype, __u32 frame_len)
{
    struct scratch *room = scratch(user);
    if (!ret || !room || offset > PARSE_COPY_ROOM)
        return PARSE_NOT_IP;
    struct packet_view view = {.data = room->headers, .copied = room->copied};
    return parse_ip(&view, offset, (__u16)ethertype, frame_len, ret);
}

#define LINK_HEADER                                                                                          \
    0x10000U /* in place of an ethertype: the bytes begin with a link header, which tells it */

__noinline int parse_copied(struct packet *ret, __u32 user, __u32 ethertype, __u32 frame_len)
{
    struct scratch *room = scratch(user);
    if (!ret || !room || !room->copied)
        return PARSE_NOT_IP;
    PARSE_ZERO(ret, sizeof *ret);
    struct packet_view view = {.data = room->headers, .copied = room->copied};
    __u32 offset = 0;
    __u16 inner = (__u16)ethertype;
    if (ethertype == LINK_HEADER) {
        const __u8 *header = packet_at(&view, 0, 14);
        if (!header)
            return PARSE_NOT_IP;
        inner = parse_u16(header + 12);
        offset = 14;
    }
    if (!parse_tags(&view, &offset, &inner))
        return PARSE_NOT_IP;
    return parse_copied_ip(ret, user, offset, inner, frame_len);
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
    addition->packets = segments;
    addition->bytes = packet->bytes + (segments - 1) * packet->header_bytes;
    addition->tcp_flags = packet->tcp_flags;
}
