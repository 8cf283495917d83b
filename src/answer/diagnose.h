/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Did traffic from one end arrive at another, was it let through, did the answer come back: one outcome from
 * the records of all interfaces that saw it, the records it rests on, and how complete these are.
 */

#include "answer/reading.h"
#include "base/address.h"
#include "base/buf.h"
#include "base/fault.h"
#include "policy/policy.h"

#define SIGHTINGS_MAX 1000000
#define WITNESS_OWN_MAX 4096 /* own addresses learnt of an interface */

enum outcome {
    OUTCOME_ACCEPTED,
    OUTCOME_REJECTED_REQUEST,
    OUTCOME_REJECTED_RESPONSE,
    OUTCOME_NO_RESPONSE,
    OUTCOME_REFUSED,
    OUTCOME_ONE_WAY,
    OUTCOME_ABSENT,
    OUTCOME_UNKNOWN,
    OUTCOMES,
};

extern const char *const outcome_names[OUTCOMES];

/* Where traffic comes from or goes to: an address, a block, or the id of an interface, instance or subnet. */
struct party {
    const char *text;
    POLICY_LIST(struct address_block) blocks; /* of an id: learnt from the records and the documents */
    bool is_id;
};

struct question {
    struct party source;
    struct party destination;
    int protocol; /* -1: any */
    int port;     /* at the destination; -1: any */
    uint64_t since_s;
    uint64_t until_s;
};

/* A record of the traffic asked for. */
struct sighting {
    struct address client; /* the end that is to have begun */
    struct address server;
    uint16_t client_port;
    uint16_t server_port;
    uint8_t protocol;
    uint8_t tcp_flags;
    bool has_flags;
    bool response; /* from the server */
    bool rejected;
    char interface_id[32];
    uint64_t start_s;
    uint64_t end_s;
    uint64_t packets;
    uint64_t bytes;
};

/* What the records tell of an interface in the time asked for. */
struct witness {
    char interface_id[32];
    POLICY_LIST(struct address) own; /* known to be its own, or the ends of records that may be */
    uint64_t records;
    uint64_t nodata;
    uint64_t skipdata;
    uint64_t accepted;     /* records that are not REJECT, or do not say */
    uint64_t lost_packets; /* where SKIPDATA records say so */
    uint64_t first_s;      /* of all its records, whatever the time asked for */
    uint64_t last_s;
    bool own_known; /* by the direction of records; else by what stands in all of them */
    bool own_seen;  /* some record has told something */
    bool is_source; /* an id of the question means it */
    bool is_destination;
};

/* A sentence, and the sightings [first, first + count) that it rests on. */
struct evidence {
    char *text; /* owned */
    size_t first;
    size_t count;
    bool sums_up; /* a conclusion from what the sentences before it tell, with the same records */
};

/* What the daemon's ledger says of an interface that should have seen the traffic (answer/completeness.h). */
struct ledger_gap {
    char interface_id[32];
    uint64_t windows; /* that it holds of the time asked for */
    uint64_t lost_windows;
    uint64_t lost_packets;
    uint64_t awaited_packets; /* seen since `awaited_s`, and not in the records yet */
    uint64_t awaited_s;
    bool attached;
};

struct diagnosis {
    enum outcome outcome;
    POLICY_LIST(struct sighting) sightings;
    POLICY_LIST(struct witness) witnesses;
    POLICY_LIST(struct evidence) evidence;
    POLICY_LIST(struct ledger_gap) ledger;
    uint64_t records;  /* read */
    uint64_t not_held; /* sightings beyond SIGHTINGS_MAX */
    uint64_t conversations;
    bool complete;
    const char *incomplete; /* why it is not */
};

/* "10.0.0.1", "10.0.0.0/8", "eni-…", "i-…", "subnet-…"; false for anything else. The text is borrowed. */
bool party_parse(struct party *ret, const char *text);
void party_done(struct party *party);

/* In the header, as every record is asked. */
static inline bool party_has(const struct party *party, const struct address *address)
{
    for (size_t i = 0; i < party->blocks.count; i++)
        if (address_block_contains(&party->blocks.items[i], address))
            return true;
    return false;
}

struct capture_ledger;

struct diagnose_options {
    struct policy *policy;               /* NULL: none */
    const struct readings *readings;     /* mistakes are told in the first reading alone */
    const struct capture_ledger *ledger; /* NULL: no daemon answers here */
};

int diagnose_run(struct question *question, const struct diagnose_options *options, struct diagnosis *ret,
                 struct fault *fault) MUST_USE;
void diagnosis_done(struct diagnosis *diagnosis);

/* NULL when no record is of that interface. */
struct witness *diagnosis_witness(const struct diagnosis *found, const char *interface_id);

/* Adds a sentence that rests on `count` sightings from `first` on. -ENOMEM. */
int diagnosis_tell(struct diagnosis *found, size_t first, size_t count, const char *format, ...)
    PRINTF_LIKE(4, 5) MUST_USE;
