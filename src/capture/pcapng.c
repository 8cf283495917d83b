/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/pcapng.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "capture/link.h"

/* Sizes with the type and both lengths of a block, without options. */
enum {
    BLOCK_MIN = 12,
    SECTION_MIN = 28,
    INTERFACE_MIN = 20,
    PACKET_MIN = 32,
    SIMPLE_PACKET_MIN = 16,
    BLOCK_TAIL = 4,
};

enum {
    BLOCK_INTERFACE = 1,
    BLOCK_OBSOLETE_PACKET = 2,
    BLOCK_SIMPLE_PACKET = 3,
    BLOCK_ENHANCED_PACKET = 6,
};

enum { OPTION_END = 0, OPTION_TIME_RESOLUTION = 9, OPTION_TIME_OFFSET = 14 };

#define BYTE_ORDER_MAGIC 0x1a2b3c4dU
#define INTERFACES_MAX 65536
/* Section, interface and packet blocks are held in memory as a whole; others, of any size, are passed over.
 */
#define HELD_BLOCK_MAX (PCAP_CAPTURED_MAX + (1U << 20))

struct block {
    const uint8_t *data; /* from its type on */
    uint32_t type;
    uint32_t size;
    uint64_t offset; /* in the file */
};

void pcapng_done(struct pcapng *pcapng)
{
    free(pcapng->interfaces);
    *pcapng = (struct pcapng){0};
}

static uint16_t get_u16(const struct pcapng *pcapng, const uint8_t *at)
{
    uint16_t number;
    memcpy(&number, at, sizeof number);
    return pcapng->swapped ? __builtin_bswap16(number) : number;
}

static uint32_t get_u32(const struct pcapng *pcapng, const uint8_t *at)
{
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return pcapng->swapped ? __builtin_bswap32(number) : number;
}

static uint64_t get_u64(const struct pcapng *pcapng, const uint8_t *at)
{
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return pcapng->swapped ? __builtin_bswap64(number) : number;
}

static int damaged(const struct stream *stream, uint64_t offset, const char *what, struct fault *fault)
{
    return fault_set(fault, -EBADMSG, "%s: offset %" PRIu64 ": %s: the file is damaged", stream->name, offset,
                     what);
}

/* A section block sets the byte order that its own length is in. */
static int begin_section(struct pcapng *pcapng, struct stream *stream, struct fault *fault)
{
    uint64_t offset = stream_offset(stream);
    if (!stream_need(stream, SECTION_MIN))
        return stream_cut(stream, offset, "a section header", fault);
    uint32_t magic;
    memcpy(&magic, stream_at(stream) + 8, sizeof magic);
    if (magic != BYTE_ORDER_MAGIC && magic != __builtin_bswap32(BYTE_ORDER_MAGIC))
        return damaged(stream, offset, "a section without byte order", fault);
    pcapng->swapped = magic != BYTE_ORDER_MAGIC;
    uint16_t major = get_u16(pcapng, stream_at(stream) + 12);
    if (major != 1)
        return fault_set(fault, -EBADMSG, "%s: offset %" PRIu64 ": pcapng version %u is not supported",
                         stream->name, offset, major);
    pcapng->count = 0;
    return 0;
}

static uint64_t ticks_of(uint8_t resolution)
{
    unsigned exponent = resolution & 0x7f;
    if (resolution & 0x80)
        return exponent < 64 ? 1ULL << exponent : 0;
    if (exponent > 19) /* 10^20 needs more than 64 bits */
        return 0;
    uint64_t ticks = 1;
    for (; exponent > 0; exponent--)
        ticks *= 10;
    return ticks;
}

static void read_interface_options(const struct pcapng *pcapng, const uint8_t *at, const uint8_t *end,
                                   struct pcapng_interface *interface)
{
    while (end - at >= 4) {
        uint16_t code = get_u16(pcapng, at);
        uint16_t len = get_u16(pcapng, at + 2);
        at += 4;
        if (code == OPTION_END || len > end - at)
            return;
        if (code == OPTION_TIME_RESOLUTION && len == 1)
            interface->ticks = ticks_of(*at);
        if (code == OPTION_TIME_OFFSET && len == 8)
            interface->offset = (int64_t)get_u64(pcapng, at);
        size_t padded = (len + 3U) & ~3U;
        at += padded < (size_t)(end - at) ? padded : (size_t)(end - at);
    }
}

static int add_interface(struct pcapng *pcapng, const struct stream *stream, const struct block *block,
                         struct fault *fault)
{
    if (block->size < INTERFACE_MIN || pcapng->count == INTERFACES_MAX)
        return damaged(stream, block->offset,
                       block->size < INTERFACE_MIN ? "an interface block that is too short"
                                                   : "too many interfaces",
                       fault);
    if (pcapng->count == pcapng->capacity) {
        size_t capacity = pcapng->capacity ? pcapng->capacity * 2 : 8;
        struct pcapng_interface *interfaces = reallocarray(pcapng->interfaces, capacity, sizeof *interfaces);
        if (!interfaces)
            return fault_set(fault, -ENOMEM, "%s: out of memory", stream->name);
        pcapng->interfaces = interfaces;
        pcapng->capacity = capacity;
    }
    struct pcapng_interface *interface = &pcapng->interfaces[pcapng->count++];
    *interface = (struct pcapng_interface){.ticks = 1000000,
                                           .link_type = get_u16(pcapng, block->data + 8),
                                           .snap_len = get_u32(pcapng, block->data + 12)};
    interface->link = (uint8_t)link_kind_of(interface->link_type);
    read_interface_options(pcapng, block->data + 16, block->data + block->size - BLOCK_TAIL, interface);
    return 0;
}

static uint64_t second_of(struct pcapng_interface *interface, uint64_t ticks)
{
    if (interface->ticks > 0 && ticks - interface->base_ticks >= interface->ticks) {
        interface->base_second = ticks / interface->ticks;
        interface->base_ticks = interface->base_second * interface->ticks;
    }
    int64_t second;
    if (interface->base_second > PCAP_SECOND_MAX ||
        __builtin_add_overflow((int64_t)interface->base_second, interface->offset, &second) ||
        second > (int64_t)PCAP_SECOND_MAX)
        return PCAP_SECOND_MAX;
    return second < 0 ? 0 : (uint64_t)second;
}

/* A simple packet has neither time nor interface: those of the packet before and the first one stand in. */
static void fill_simple(const struct pcapng *pcapng, const struct block *block, struct pcap_frame *ret)
{
    const struct pcapng_interface *interface = &pcapng->interfaces[0];
    uint32_t room = block->size - SIMPLE_PACKET_MIN;
    ret->length = get_u32(pcapng, block->data + 8);
    ret->captured = ret->length < room ? ret->length : room;
    if (interface->snap_len && ret->captured > interface->snap_len)
        ret->captured = interface->snap_len;
    ret->data = block->data + 12;
}

static int fill_timed(struct pcapng *pcapng, struct pcapng_interface *interface, const struct stream *stream,
                      const struct block *block, struct pcap_frame *ret, struct fault *fault)
{
    ret->captured = get_u32(pcapng, block->data + 20);
    ret->length = get_u32(pcapng, block->data + 24);
    ret->data = block->data + 28;
    if (ret->captured > block->size - PACKET_MIN)
        return damaged(stream, block->offset, "a packet that is longer than its block", fault);
    if (ret->length < ret->captured)
        ret->length = ret->captured;
    uint64_t ticks = (uint64_t)get_u32(pcapng, block->data + 12) << 32 | get_u32(pcapng, block->data + 16);
    pcapng->last_second = second_of(interface, ticks);
    return 0;
}

static uint32_t interface_id_of(const struct pcapng *pcapng, const struct block *block)
{
    switch (block->type) {
    case BLOCK_ENHANCED_PACKET:
        return get_u32(pcapng, block->data + 8);
    case BLOCK_OBSOLETE_PACKET:
        return get_u16(pcapng, block->data + 8);
    default:
        return 0;
    }
}

static int fill_frame(struct pcapng *pcapng, const struct stream *stream, const struct block *block,
                      struct pcap_frame *ret, struct fault *fault)
{
    bool simple = block->type == BLOCK_SIMPLE_PACKET;
    if (block->size < (simple ? SIMPLE_PACKET_MIN : PACKET_MIN))
        return damaged(stream, block->offset, "a packet block that is too short", fault);
    uint32_t id = interface_id_of(pcapng, block);
    if (id >= pcapng->count)
        return damaged(stream, block->offset, "a packet of an interface that was not described", fault);
    struct pcapng_interface *interface = &pcapng->interfaces[id];
    if (simple)
        fill_simple(pcapng, block, ret);
    else if (fill_timed(pcapng, interface, stream, block, ret, fault) < 0)
        return -EBADMSG;
    ret->second = pcapng->last_second;
    ret->link = interface->link;
    if (ret->link == LINK_UNSUPPORTED && !pcapng->unsupported) {
        pcapng->unsupported = true;
        pcapng->unsupported_link = interface->link_type;
    }
    return 1;
}

static bool is_held(uint32_t type)
{
    return type == PCAPNG_SECTION || type == BLOCK_INTERFACE || type == BLOCK_OBSOLETE_PACKET ||
           type == BLOCK_SIMPLE_PACKET || type == BLOCK_ENHANCED_PACKET;
}

/* The type and size of the block at the stream's place: 1, 0 at the end of the file, or negative. */
static int peek_block(struct pcapng *pcapng, struct stream *stream, struct block *ret, struct fault *fault)
{
    ret->offset = stream_offset(stream);
    if (!stream_need(stream, BLOCK_MIN)) {
        if (stream_available(stream) == 0 && !stream->error)
            return 0;
        return stream_cut(stream, ret->offset, "a block", fault);
    }
    uint32_t first;
    memcpy(&first, stream_at(stream), sizeof first);
    int r = first == PCAPNG_SECTION ? begin_section(pcapng, stream, fault) : 0;
    if (r < 0)
        return r;
    ret->type = get_u32(pcapng, stream_at(stream));
    ret->size = get_u32(pcapng, stream_at(stream) + 4);
    if (ret->size < BLOCK_MIN || ret->size % 4 != 0)
        return damaged(stream, ret->offset, "a block of a length that cannot be", fault);
    return 1;
}

/* All of the block at the stream's place, ready to be looked at: 1, 0 at the end of the file, or negative. */
static int next_block(struct pcapng *pcapng, struct stream *stream, struct block *ret, struct fault *fault)
{
    int r = peek_block(pcapng, stream, ret, fault);
    if (r <= 0 || !is_held(ret->type))
        return r;
    if (ret->size > HELD_BLOCK_MAX)
        return damaged(stream, ret->offset, "a block of a length that cannot be", fault);
    if (!stream_need(stream, ret->size))
        return stream_cut(stream, ret->offset, "a block", fault);
    ret->data = stream_at(stream);
    if (get_u32(pcapng, ret->data + ret->size - BLOCK_TAIL) != ret->size)
        return damaged(stream, ret->offset, "a block whose two lengths differ", fault);
    return 1;
}

/* 1 when *ret is a frame, 0 when the block brought none, negative when it is damaged. */
static int use_block(struct pcapng *pcapng, struct stream *stream, const struct block *block,
                     struct pcap_frame *ret, struct fault *fault)
{
    int r = 0;
    if (!is_held(block->type)) {
        if (!stream_skip(stream, block->size))
            return stream_cut(stream, block->offset, "a block", fault);
        return 0;
    }
    if (block->type == BLOCK_INTERFACE)
        r = add_interface(pcapng, stream, block, fault);
    else if (block->type != PCAPNG_SECTION)
        r = fill_frame(pcapng, stream, block, ret, fault);
    if (r >= 0)
        stream_take(stream, block->size);
    return r;
}

/* True when the next block can be used without reading, which would move frames that are handed out already.
 */
static bool block_is_buffered(const struct pcapng *pcapng, const struct stream *stream)
{
    size_t available = stream_available(stream);
    if (available < BLOCK_MIN || get_u32(pcapng, stream_at(stream)) == PCAPNG_SECTION)
        return false;
    return get_u32(pcapng, stream_at(stream) + 4) <= available;
}

int pcapng_read(struct pcapng *pcapng, struct stream *stream, struct pcap_frame *frames, int max,
                struct fault *fault)
{
    int count = 0;
    while (count < max && (count == 0 || block_is_buffered(pcapng, stream))) {
        struct block block = {0};
        int r = next_block(pcapng, stream, &block, fault);
        if (r > 0)
            r = use_block(pcapng, stream, &block, &frames[count], fault);
        else if (r == 0)
            return count;
        if (r < 0)
            return count > 0 ? count : r; /* it will be met again, with nothing before it */
        count += r;
    }
    return count;
}
