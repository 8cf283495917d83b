/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What records add up to. */

#include <stdint.h>

#include "answer/reading.h"

struct totals {
    uint64_t flows; /* records */
    uint64_t packets;
    uint64_t bytes;
    uint64_t first_s; /* of the earliest start and the latest end; meaningless without flows */
    uint64_t last_s;
};

static inline struct totals totals_of(const struct record *record)
{
    uint64_t start_s = reading_number(record, FIELD_START, 0);
    return (struct totals){
        .flows = 1,
        .packets = reading_number(record, FIELD_PACKETS, 0),
        .bytes = reading_number(record, FIELD_BYTES, 0),
        .first_s = start_s,
        .last_s = reading_number(record, FIELD_END, start_s),
    };
}

static inline void totals_add(struct totals *to, const struct totals *more)
{
    to->first_s = to->flows == 0 || more->first_s < to->first_s ? more->first_s : to->first_s;
    to->last_s = more->last_s > to->last_s ? more->last_s : to->last_s;
    to->flows += more->flows;
    to->packets += more->packets;
    to->bytes += more->bytes;
}
