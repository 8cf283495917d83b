/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Conversations whose requests go through one interface and whose answers through another: stateful controls
 * see half of them. First every record is noted, then each can be asked about.
 */

#include "answer/history.h"
#include "base/numbering.h"

#define ASYMMETRY_MAX 2000000 /* conversations, of some 100 bytes each */

struct passage;

struct asymmetry {
    struct numbering conversations;
    struct passage *passages; /* owned; by number */
    size_t capacity;
    uint64_t not_held; /* records of conversations that there was no memory for */
};

/* What a record is part of. The interfaces are those of the records' histories. */
struct asymmetric {
    uint32_t requests; /* interface that let requests through, and saw no answer */
    uint32_t answers;  /* the other way round */
    uint16_t port;     /* of the service */
    uint8_t protocol;
};

void asymmetry_init(struct asymmetry *asymmetry);
void asymmetry_done(struct asymmetry *asymmetry);
void asymmetry_note(struct asymmetry *asymmetry, const struct history_record *record, bool accepted);

/* Whether some conversation is asymmetric. */
bool asymmetry_any(const struct asymmetry *asymmetry);

/* Whether the record is of one, and of one of the two interfaces. */
bool asymmetry_find(const struct asymmetry *asymmetry, const struct history_record *record,
                    struct asymmetric *ret);
