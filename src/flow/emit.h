/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From a flow to its record. What the interface says is filled in once; each flow sets only what it brings.
 * The record belongs to the emitter, points into the flow and the interface, and holds until the next call.
 */

#include <stdint.h>

#include "flow/flow.h"
#include "flow/interface.h"
#include "flow/ledger.h"
#include "record/format.h"
#include "record/record.h"

/* x-reject-rule of a rejected flow, of the window that starts at `window`; NULL when it is not known. Holds
 * until the record is written. */
typedef const char *emit_rule_name(void *context, const struct flow *flow, uint64_t window);

/* Sets fields that others than the packets and the interface know, in a record that is complete otherwise. */
typedef void emit_completer(void *world, const struct interface *interface, const struct flow *flow,
                            struct record *record);

struct emit {
    struct record record;
    const struct interface *interface;
    emit_completer *complete; /* NULL: nobody does; set it after emit_init, with `world` */
    void *world;
    const struct address
        *primary[2]; /* own IPv4 and IPv6; NULL: addresses of that family stand as they are */
    const char *(*drop_reason_name)(uint16_t reason);
    emit_rule_name *reject_rule_name; /* NULL: nobody knows; set it after emit_init */
    void *context;
};

/*
 * `interface` is borrowed until the last record of it. `drop_reason_name` gives the text of x-drop-reason,
 * NULL for a number nobody knows; it may be NULL itself, where no kernel says why packets were dropped.
 */
void emit_init(struct emit *emit, const struct interface *interface, const struct format *format,
               const char *(*drop_reason_name)(uint16_t reason));

/* The tag of that key, of the interface or what it belongs to, into the first or second (0, 1) of its fields.
 */
void emit_set_tag(struct emit *emit, enum interface_tag_of of, unsigned place, const char *key, size_t len);

/* `window`: its start, seconds since the epoch. */
const struct record *emit_flow(struct emit *emit, const struct flow *flow, uint64_t window);

/* The lines that stand for a window without flows (record.md 5.7): start and end are its first and last
 * second. */
const struct record *emit_nodata(struct emit *emit, uint64_t window, uint32_t interval);
const struct record *emit_skipdata(struct emit *emit, uint64_t window, uint32_t interval,
                                   uint64_t lost_packets, enum lost_cause cause);

/* The word of x-reject-source; NULL for REJECT_NONE. */
const char *reject_source_name(uint8_t source);
