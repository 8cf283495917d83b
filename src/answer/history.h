/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Records as one history: who began each conversation. First every record is noted, then each is looked up,
 * so that the order of the input does not matter.
 */

#include "base/macro.h"
#include "policy/connections.h"

#define HISTORY_MAX_DEFAULT 16000000  /* conversations, of some 80 bytes each */
#define HISTORY_NOTED_MAX (1UL << 27) /* records whose conversation is kept, in four bytes each */

/* A record as the policy sees it. */
struct history_record {
    struct address source;
    struct address destination;
    struct policy_packet packet; /* its addresses are those above */
    uint32_t interface;          /* index given by the caller */
    uint64_t start_s;
    uint64_t end_s;
    uint8_t tcp_flags; /* 0 where not recorded */
};

struct history {
    struct connections table;
    uint32_t *noted; /* owned; the conversation of each record, in their order */
    size_t noted_count;
    size_t noted_capacity;
    size_t next;        /* the one that the second pass comes to */
    uint64_t latest_s;  /* start of a record noted so far */
    uint64_t not_noted; /* records there was no memory for: judged without a history */
    bool out_of_order;  /* starts go back by more than any interval does */
};

/* First pass. */
void history_note(struct history *history, const struct history_record *record);

/* Two sets of rules may judge the same records, the first one first. */
enum history_side { HISTORY_SIDE, HISTORY_OTHER_SIDE };

/*
 * Second pass: the conversation of a record; NULL when it was not noted. Once per record noted and in the
 * same order it takes no search; otherwise it does, and finds the same.
 */
struct connection *history_find(struct history *history, const struct history_record *record);

/*
 * In the order of the input: decides the record. `ret_reply` tells whether the records show the
 * conversation as begun the other way. Before history_carry_on(), which `found` needs once per record.
 */
void history_decide(const struct history *history, struct connection *found, enum history_side side,
                    const struct policy *policy, const struct policy_interface *interface,
                    const struct history_record *record, struct decision *ret, bool *ret_reply);

/* Whether the conversation's beginning was let through, once a record of it was decided. */
bool history_was_admitted(const struct connection *found, enum history_side side);
void history_carry_on(struct connection *found, const struct history_record *record);

void history_done(struct history *history);
