/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which rule was seen to drop the packets of a flow. Bounded; a rule is certain while every packet of the
 * flow that was looked at met the same one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow/flow.h"

enum { ATTRIBUTED_MAX = 8192 };

struct attributed_flow {
    struct flow key; /* its first FLOW_KEY_SIZE bytes */
    char *rule;      /* owned; NULL when it is not certain */
    uint64_t seen_s; /* when it was seen last, since the epoch */
};

/* Zeroed to begin with. */
struct attributed {
    struct attributed_flow *flows; /* owned; by key */
    size_t count;
};

void attributed_clear(struct attributed *attributed);

/* A packet of the flow met `rule`; NULL: it was let through, or its end is not known. False when there is no
 * room. */
bool attributed_note(struct attributed *attributed, const struct flow *flow, const char *rule,
                     uint64_t now_s);

/* NULL when nothing was seen of it. */
const struct attributed_flow *attributed_find(const struct attributed *attributed, const struct flow *flow);

/* What was not seen since goes. */
void attributed_forget(struct attributed *attributed, uint64_t before_s);
