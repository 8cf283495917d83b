/* SPDX-License-Identifier: Apache-2.0 */

/* A capture file of any form. Reading it frame by frame and in batches gives the same frames and the same
 * end. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "capture/link.h"
#include "capture/pcap.h"

#include "harness.h"

enum { FRAMES = 64, FRAMES_MAX = 1 << 16 /* enough of a compressed bomb */ };

struct reading {
    uint64_t frames;
    uint64_t digest; /* of everything in them */
    int end;
    bool whole; /* not given up because of its size */
    struct fault fault;
};

static void take(struct reading *reading, const struct pcap_frame *frame)
{
    require(frame->captured <= frame->length && frame->captured <= PCAP_CAPTURED_MAX);
    require(frame->second <= PCAP_SECOND_MAX && frame->link <= LINK_COOKED_V2);
    uint64_t parts[] = {reading->digest, hash_bytes(frame->data, frame->captured, 0), frame->length,
                        frame->second, frame->link};
    reading->digest = hash_bytes(parts, sizeof parts, 0);
    reading->frames++;
}

static void pcap_cleanup(struct pcap **pcap)
{
    pcap_close(*pcap);
}

static struct reading read_all(const char *path, int batch)
{
    struct reading reading = {0};
    struct pcap_frame frames[FRAMES];
    CLEANUP(pcap_cleanup) struct pcap *pcap = NULL;
    reading.end = pcap_open(&pcap, path, &reading.fault);
    if (reading.end < 0) {
        reading.whole = true;
        return reading;
    }
    while (reading.frames < FRAMES_MAX && (reading.end = pcap_read(pcap, frames, batch, &reading.fault)) > 0)
        for (int i = 0; i < reading.end; i++)
            take(&reading, &frames[i]);
    reading.whole = reading.end <= 0;
    return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_CLOSE int fd = memfd_create("capture", MFD_CLOEXEC);
    char path[64];
    require(fd >= 0 && file_write_all(fd, data, size) == 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct reading batches = read_all(path, FRAMES);
    struct reading singles = read_all(path, 1);
    if (!batches.whole || !singles.whole)
        return 0;
    require(batches.end == singles.end && batches.frames == singles.frames &&
            batches.digest == singles.digest);
    require(batches.end == 0 || strcmp(batches.fault.text, singles.fault.text) == 0);
    return 0;
}
