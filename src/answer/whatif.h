/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Recorded traffic replayed through two sets of documents: what one of them lets through and the other does
 * not, which rules it uses, and the smallest ones that would do.
 */

#include "answer/history.h"
#include "answer/suggest.h"
#include "answer/usage.h"
#include "base/fault.h"
#include "policy/policy.h"

#define FLIPS_MAX 200000
#define FLIP_PEERS_MAX 2000000

/* Traffic of an interface whose verdict differs, alike in direction, service and what decides. */
struct flip {
    struct totals totals;
    const struct policy_interface *interface; /* of the present documents */
    const struct policy_interface *proposed;
    struct policy_packet packet; /* of the first such record, which the addresses are of */
    struct address source;
    struct address destination;
    struct decision before;
    struct decision after;
    uint16_t port;  /* of the service: the one the conversation was begun to */
    bool reply;     /* of a conversation that the other end began */
    uint32_t peers; /* distinct remote addresses; a lower bound with peers_not_held */
};

/* A remote address of a flip. */
struct flip_peer {
    uint32_t flip;
    struct address address;
    struct totals totals;
};

/* Traffic that one of the two says nothing certain of. */
struct unsure {
    const char *why;
    bool proposed; /* which of the two */
    struct totals totals;
};

struct whatif {
    struct totals totals;         /* records of traffic */
    struct totals verdicts[3][3]; /* before, after: enum verdict */
    struct totals against;        /* what the present documents say differs from the record's own action */
    uint64_t records;
    uint64_t gaps; /* SKIPDATA records */
    uint64_t flips_not_held;
    uint64_t peers_not_held;
    uint64_t not_noted; /* judged without their history */
    POLICY_LIST(struct flip) flips;
    POLICY_LIST(struct flip_peer) peers; /* by flip, most flows first, once whatif_run is done */
    POLICY_LIST(struct unsure) unsure;
    struct usage before;
    struct usage after;
    bool *seen;       /* owned; of the present documents' interfaces, by index: there are records of it */
    bool *seen_after; /* the same of the proposed ones */
};

/* A record that the documents were asked about; `flip->before` is what they say. Holds during the call. */
struct whatif_seen {
    const struct flip *flip;
    const struct history_record *asked;
    const struct totals *totals;
    bool answers; /* a conversation that was let through */
};

struct whatif_options {
    struct policy *policy;
    struct policy *proposed;         /* NULL: only what the present documents are used for */
    const struct readings *readings; /* mistakes are told in the second reading alone */
    /* For each such record, unless NULL; a negative result ends the reading. */
    int (*observe)(void *context, const struct record *record, const struct whatif_seen *seen);
    void *context;
};

int whatif_run(const struct whatif_options *options, struct whatif *ret, struct fault *fault) MUST_USE;
void whatif_done(struct whatif *whatif);
