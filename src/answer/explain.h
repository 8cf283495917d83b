/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Records held against documents: what decided each of them, or how the two contradict each other. */

#include "answer/history.h"
#include "answer/reading.h"
#include "base/fault.h"
#include "policy/policy.h"

enum agreement { AGREES_UNKNOWN, AGREES, CONTRADICTS };

/* Holds during the call it is handed to. */
struct explained {
    const struct record *record;
    const struct policy_interface *interface; /* NULL with `missing` */
    const char *missing; /* why nothing was decided: what the record or the documents lack; NULL otherwise */
    struct policy_packet packet;
    struct decision decision;
    enum agreement agreement;
    const char *perhaps; /* of CONTRADICTS: what may be behind it */
    bool reply;          /* the records show the conversation as begun the other way */
};

/* What may be behind a record that says other than the decision, as far as the packet hints at it;
 * `tcp_flags` is -1 where they are not known. */
const char *explain_contradiction(const struct decision *decision, const struct policy_packet *packet,
                                  bool reply, int tcp_flags);

struct explain_options {
    struct policy *policy;
    const struct readings *readings; /* mistakes are told in the second reading alone */
    void (*show)(void *context, const struct explained *explained);
    void *context;
};

struct explain_counts {
    uint64_t records;
    uint64_t not_noted; /* judged without their history, for want of memory */
};

/* Every record in the order of the input. */
int explain_run(const struct explain_options *options, struct explain_counts *ret,
                struct fault *fault) MUST_USE;
