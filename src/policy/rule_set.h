/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which of an ordered list of rules is the first that matches a packet. Each rule covers ranges of selectors
 * (protocol with port or ICMP type) and of addresses. The ends of all ranges cut each axis into intervals,
 * and an interval holds a bit per rule: a look-up is two binary searches and the first common bit, for 1000
 * rules about as long as for 10.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

typedef unsigned __int128 rule_key;

#define RULE_NONE UINT32_MAX
#define RULE_SET_BYTES_MAX (256ULL * 1024 * 1024)

/* A range of an axis that a rule covers, both ends included. */
struct span {
    rule_key low;
    rule_key high;
    uint32_t rule;
};

/* A list of them that grows; zeroed to begin with. */
struct spans {
    struct span *items; /* owned */
    size_t count;
    size_t capacity;
};

int spans_add(struct spans *spans, uint32_t rule, rule_key low, rule_key high) MUST_USE;
void spans_done(struct spans *spans);

enum rule_axis { AXIS_SELECTOR, AXIS_IPV4, AXIS_IPV6, RULE_AXES };

struct rule_set {
    uint32_t count; /* rules */
    size_t words;   /* of 64 bits for a bit per rule */
    struct rule_cuts {
        rule_key *keys;   /* owned; where the intervals begin, ascending; the first is 0 */
        uint32_t *narrow; /* owned; the same where they have no more than 32 bits, which is searched faster;
                             or NULL */
        uint64_t *bits;   /* owned; `words` for each interval */
        size_t count;
    } cuts[RULE_AXES];
};

/* -E2BIG beyond RULE_SET_BYTES_MAX, -ENOMEM. */
int rule_set_init(struct rule_set *set, uint32_t count, const struct spans spans[static RULE_AXES]) MUST_USE;
void rule_set_done(struct rule_set *set);

/* Bits of the rules that cover `key` on that axis. */
const uint64_t *rule_set_row(const struct rule_set *set, enum rule_axis axis, rule_key key);

/* The first rule in both rows, or RULE_NONE. */
uint32_t rule_set_first(const struct rule_set *set, const uint64_t *a, const uint64_t *b);

/* Where the interval after that of `key` begins, or 0 when it is the last. */
rule_key rule_set_next(const struct rule_set *set, enum rule_axis axis, rule_key key);
