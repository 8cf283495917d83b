/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/pcap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "capture/link.h"
#include "capture/pcapng.h"
#include "capture/stream.h"

enum { FILE_HEADER = 24, RECORD_HEADER = 16 };

#define LINK_TYPE_MASK 0x03ffffffU /* the bits above say whether and how long a checksum ends each frame */

struct pcap {
    struct stream stream;
    struct pcapng pcapng;
    bool is_pcapng;
    bool swapped;        /* the file has the other byte order */
    uint8_t link;        /* enum link_kind */
    uint8_t header_size; /* of a record */
    uint32_t ticks;      /* per second */
};

/* Kuznetzov's patched format of 1999 is the one with the longer record header. */
static const struct {
    uint32_t magic;
    uint32_t ticks;
    uint8_t header_size;
} pcap_forms[] = {
    {0xa1b2c3d4U, 1000000, RECORD_HEADER},
    {0xa1b23c4dU, 1000000000, RECORD_HEADER},
    {0xa1b2cd34U, 1000000, RECORD_HEADER + 8},
};

static uint32_t read_u32(const uint8_t *at, bool swapped)
{
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return swapped ? __builtin_bswap32(number) : number;
}

static bool pcap_recognise(struct pcap *pcap, uint32_t magic)
{
    for (size_t i = 0; i < ARRAY_SIZE(pcap_forms); i++) {
        pcap->swapped = magic == __builtin_bswap32(pcap_forms[i].magic);
        if (!pcap->swapped && magic != pcap_forms[i].magic)
            continue;
        pcap->ticks = pcap_forms[i].ticks;
        pcap->header_size = pcap_forms[i].header_size;
        return true;
    }
    return false;
}

static int read_file_header(struct pcap *pcap, struct fault *fault)
{
    struct stream *stream = &pcap->stream;
    if (!stream_need(stream, FILE_HEADER))
        return stream_cut(stream, 0, "the header of the capture", fault);
    uint32_t link_type = read_u32(stream_at(stream) + 20, pcap->swapped) & LINK_TYPE_MASK;
    pcap->link = (uint8_t)link_kind_of(link_type);
    if (pcap->link == LINK_UNSUPPORTED)
        return fault_set(fault, -EPROTONOSUPPORT,
                         "%s: link type %" PRIu32
                         " (%s) is not supported: capture Ethernet, raw IP or Linux cooked",
                         stream->name, link_type, link_name(link_type));
    stream_take(stream, FILE_HEADER);
    return 0;
}

static int pcap_begin(struct pcap *pcap, const char *path, struct fault *fault)
{
    struct stream *stream = &pcap->stream;
    int r = stream_open(stream, path, fault);
    if (r < 0)
        return r;
    if (!stream_need(stream, 4)) {
        if (!stream->error && stream_available(stream) == 0)
            return fault_set(fault, -EBADMSG, "%s: is empty: a pcap or pcapng capture is due", stream->name);
        return stream_cut(stream, 0, "the header of the capture", fault);
    }
    uint32_t magic = read_u32(stream_at(stream), false);
    pcap->is_pcapng = magic == PCAPNG_SECTION;
    if (pcap->is_pcapng)
        return 0;
    if (!pcap_recognise(pcap, magic))
        return fault_set(fault, -EBADMSG, "%s: is no pcap or pcapng capture, plain or gzip", stream->name);
    return read_file_header(pcap, fault);
}

int pcap_open(struct pcap **ret, const char *path, struct fault *fault)
{
    struct pcap *pcap = calloc(1, sizeof *pcap);
    if (!pcap)
        return fault_set(fault, -ENOMEM, "%s: out of memory", path);
    int r = pcap_begin(pcap, path, fault);
    if (r < 0) {
        pcap_close(pcap);
        return r;
    }
    *ret = pcap;
    return 0;
}

void pcap_close(struct pcap *pcap)
{
    if (!pcap)
        return;
    pcapng_done(&pcap->pcapng);
    stream_close(&pcap->stream);
    free(pcap);
}

/* 1 when the record is there in full, 0 at the end of the file, negative when the file is damaged. */
static int need_record(struct pcap *pcap, struct fault *fault)
{
    struct stream *stream = &pcap->stream;
    uint64_t offset = stream_offset(stream);
    if (!stream_need(stream, pcap->header_size)) {
        if (stream_available(stream) == 0 && !stream->error)
            return 0;
        return stream_cut(stream, offset, "the header of a packet", fault);
    }
    uint32_t captured = read_u32(stream_at(stream) + 8, pcap->swapped);
    if (captured > PCAP_CAPTURED_MAX)
        return fault_set(fault, -EBADMSG,
                         "%s: offset %" PRIu64 ": a packet of %" PRIu32 " bytes: the file is damaged",
                         stream->name, offset, captured);
    if (!stream_need(stream, pcap->header_size + (size_t)captured))
        return stream_cut(stream, offset, "a packet", fault);
    return 1;
}

/* The record at the stream's place, if all of it is in the buffer. */
static bool take_record(struct pcap *pcap, struct pcap_frame *ret)
{
    struct stream *stream = &pcap->stream;
    size_t available = stream_available(stream);
    if (available < pcap->header_size)
        return false;
    const uint8_t *header = stream_at(stream);
    uint32_t captured = read_u32(header + 8, pcap->swapped);
    if (captured > available - pcap->header_size)
        return false;
    uint32_t length = read_u32(header + 12, pcap->swapped);
    uint32_t fraction = read_u32(header + 4, pcap->swapped);
    ret->data = header + pcap->header_size;
    ret->captured = captured;
    ret->length = length > captured ? length : captured;
    ret->second = read_u32(header, pcap->swapped);
    if (fraction >= pcap->ticks)
        ret->second += fraction / pcap->ticks;
    ret->link = pcap->link;
    stream_take(stream, pcap->header_size + (size_t)captured);
    return true;
}

int pcap_read(struct pcap *pcap, struct pcap_frame *frames, int max, struct fault *fault)
{
    if (pcap->is_pcapng)
        return pcapng_read(&pcap->pcapng, &pcap->stream, frames, max, fault);
    int count = 0;
    while (count < max && take_record(pcap, &frames[count]))
        count++;
    if (count > 0)
        return count;
    int r = need_record(pcap, fault);
    if (r <= 0)
        return r;
    while (count < max && take_record(pcap, &frames[count]))
        count++;
    return count;
}

uint32_t pcap_unsupported_link(const struct pcap *pcap)
{
    return pcap->pcapng.unsupported_link;
}

void pcap_progress(const struct pcap *pcap, uint64_t *ret_read, uint64_t *ret_size)
{
    *ret_read = pcap->stream.fetched;
    *ret_size = pcap->stream.size;
}
