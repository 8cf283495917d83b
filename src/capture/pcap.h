/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Capture files: pcap (micro- and nanoseconds, both byte orders) and pcapng, plain or gzip, read in batches.
 * Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. Nothing in a file is trusted: lengths are
 * checked against what is there before they are used.
 */

#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"

struct pcap_frame {
    const uint8_t *data; /* valid until the next pcap_read */
    uint32_t captured;   /* bytes at data */
    uint32_t length;     /* of the frame as it was on the wire; never below captured */
    uint64_t second;     /* since the epoch, rounded down; at most PCAP_SECOND_MAX */
    uint8_t link;        /* enum link_kind */
};

#define PCAP_SECOND_MAX 253402300799ULL /* the last of the year 9999; a later time is a damaged one */

/* The largest packet taken for real: twice what an offloaded super-frame can have. */
#define PCAP_CAPTURED_MAX (1U << 20)

struct pcap;

/* "-" is standard input. `path` is borrowed until pcap_close. -EBADMSG for what is no capture,
 * -EPROTONOSUPPORT for a link type we cannot read. */
int pcap_open(struct pcap **ret, const char *path, struct fault *fault) MUST_USE;
void pcap_close(struct pcap *pcap);

/*
 * Up to `max` frames; 0 at the end. A negative result means that the file is damaged or cannot be read from
 * there on; every frame before has been handed out. Frames of link types we cannot read come as
 * LINK_UNSUPPORTED.
 */
int pcap_read(struct pcap *pcap, struct pcap_frame *frames, int max, struct fault *fault) MUST_USE;

/* A link type of LINK_UNSUPPORTED frames handed out: the first one met. */
uint32_t pcap_unsupported_link(const struct pcap *pcap);

/* Bytes of the file read so far, and its size (0 when nobody knows). */
void pcap_progress(const struct pcap *pcap, uint64_t *ret_read, uint64_t *ret_size);
