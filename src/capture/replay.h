/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Captures replayed as the records that one interface would have logged. All files are one data set, in any
 * order of packets: a window stays open until the end, or until the bound on flows asks for its place; then
 * the oldest is written, and a late packet of it gives one more record, so that sums stay exact.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "bpf/parse.h"
#include "flow/emit.h"
#include "flow/interface.h"
#include "record/format.h"
#include "record/output.h"

#define REPLAY_FLOWS_DEFAULT 4000000
#define REPLAY_FLOWS_MIN 1000

/* Longer times without packets get no NODATA lines: one damaged clock would make millions of them. */
#define REPLAY_GAP_MAX_SECONDS (366ULL * 86400)

enum replay_traffic { REPLAY_ALL, REPLAY_ACCEPT, REPLAY_REJECT };

struct replay_counts {
    uint64_t files;   /* read to their ends */
    uint64_t frames;  /* = packets + not_ip + malformed + unsupported */
    uint64_t packets; /* in records, were it not for the traffic type */
    uint64_t bytes;   /* IP bytes of those */
    uint64_t not_ip;
    uint64_t malformed;   /* IP header cut or inconsistent */
    uint64_t unsupported; /* of link types we cannot read */
    uint64_t records;     /* written, without NODATA */
    uint64_t nodata;
    uint64_t windows; /* with packets; one that was closed early and came again counts each time */
    uint64_t closed_early;
};

/*
 * Decides the packets of a replay, in the order they are read. Without one every packet is accepted.
 */
struct replay_judge {
    /* An enum reject_source; of a rejected packet also the number of the rule, which stays with its flow. */
    uint8_t (*judge)(void *context, const struct packet *packet, bool egress, uint64_t second,
                     uint16_t *ret_rule);
    emit_rule_name *rule_name; /* by that number, which is the flow's drop_reason */
    void *context;
};

struct replay_options {
    const char *const *files; /* "-" is standard input */
    size_t file_count;
    uint32_t interval; /* seconds */
    size_t max_flows;  /* held in memory */
    enum replay_traffic traffic;
    const struct replay_judge *judge; /* NULL: none; with one, the interface has its addresses */
    bool nodata; /* a line for each window without packets between the first and the last */

    /* What a user should know, one line each. A file that cannot be read to its end is a line, no reason to
     * stop. */
    void (*tell)(void *context, const char *line);
    /* Now and then; `size` is 0 when nobody knows it. NULL for nothing. */
    void (*progress)(void *context, uint64_t read, uint64_t size, uint64_t packets);
    void *context;
};

/*
 * Without an own address the interface gets the busiest one of the captures, and without an id one derived
 * from its first address. Returns 0 when all files were read to their ends, -EBADMSG when one was not (it was
 * told; all records are written nevertheless), another negative errno with a fault when the replay itself
 * failed.
 */
int replay_run(const struct replay_options *options, struct interface *interface, const struct format *format,
               struct output *output, struct replay_counts *ret, struct fault *fault) MUST_USE;
