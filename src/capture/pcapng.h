/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* pcapng: sections, each with its own byte order and interfaces (draft-ietf-opsawg-pcapng). See pcap.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"
#include "capture/pcap.h"
#include "capture/stream.h"

#define PCAPNG_SECTION 0x0a0d0d0aU /* first bytes of a file, the same in both byte orders */

struct pcapng_interface {
    uint64_t ticks;      /* per second; 0 when a second is longer than the clock can count */
    int64_t offset;      /* seconds to add */
    uint64_t base_ticks; /* where the second of the last packet began, so that most need no division */
    uint64_t base_second;
    uint32_t snap_len; /* 0: packets are whole */
    uint32_t link_type;
    uint8_t link; /* enum link_kind */
};

struct pcapng {
    struct pcapng_interface *interfaces; /* owned; of the current section */
    size_t count;
    size_t capacity;
    uint64_t last_second; /* for packets without a time */
    uint32_t unsupported_link;
    bool unsupported;
    bool swapped; /* the section has the other byte order */
};

void pcapng_done(struct pcapng *pcapng);

/* As pcap_read. */
int pcapng_read(struct pcapng *pcapng, struct stream *stream, struct pcap_frame *frames, int max,
                struct fault *fault) MUST_USE;
