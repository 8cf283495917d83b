/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rule of nftables that drops what is rejected most, for x-reject-rule: `attribution: nftrace`. When a
 * window has closed, packets of the flows that were rejected most often and whose rule is not known are
 * traced for a while (nftrace/session.h). A rule's name goes to records of the same flow as long as the
 * ruleset is the same that it was found in; otherwise, and where packets of one flow met different rules,
 * nothing is said. Where flows do not come again, as those of a scanner with changing ports, packets are
 * traced by what many of them have in common (crowds.h), and still only the flows of these packets are told
 * of: a rule may tell their neighbours apart from them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/registry.h"
#include "flow/table.h"

#define ATTRIBUTION_TUPLES 16              /* traced at a time */
#define ATTRIBUTION_ROUND_S 30             /* for so long at most; a round begins when a window has closed */
#define ATTRIBUTION_PACKETS_PER_S 2        /* of each tuple, that are marked at most */
#define ATTRIBUTION_ENOUGH 5               /* packets of a tuple */
#define ATTRIBUTION_CROWDS 4               /* traced beside them */
#define ATTRIBUTION_CROWD_ROUND_S 55       /* for so long: most of each window's packets come once */
#define ATTRIBUTION_CROWD_PACKETS_PER_S 10 /* of each crowd */
#define ATTRIBUTION_PAUSE_MAX 16           /* windows without a round, after rounds to which no packet came */
#define ATTRIBUTION_AGE_S 600              /* after which a rule is to be seen again */
#define ATTRIBUTION_SHORT_AGE_S 120        /* the same where there is no room */

struct attribution_counts {
    uint64_t rounds;
    uint64_t packets;  /* followed to their end */
    uint64_t dropped;  /* of them, by a rule or a policy of nftables */
    uint64_t unknown;  /* marked, and not followed to their end */
    uint64_t no_room;  /* ends that were not kept: ATTRIBUTED_MAX */
    uint64_t failures; /* rounds that could not begin or were broken off */
    uint64_t changes;  /* of the ruleset, each of which makes all that is known void */
    uint64_t known;    /* flows now */
    uint64_t tracing;  /* tuples and crowds now */
};

struct attribution;

/* `registry` is borrowed. -ENOMEM. */
int attribution_open(struct attribution **ret, const struct registry *registry) MUST_USE;
void attribution_close(struct attribution *attribution);

/* Takes events, and ends a round that is over. To be called several times a second: it also looks whether the
 * ruleset has changed. */
void attribution_process(struct attribution *attribution);

/* The flows of a window that has closed: a round begins if there is need. */
void attribution_take_window(struct attribution *attribution, const struct flow_table *flows);

/* Takes what there is, and ends the round; what is known stays, for windows that are still to be published.
 */
void attribution_finish(struct attribution *attribution);

/* Ends what is under way, and nothing is known. */
void attribution_stop(struct attribution *attribution);

/*
 * "inet filter/input handle 12", percent-encoded, for a rejected flow of the window that starts at `window`;
 * NULL when it is not certain. Holds until the next call of another function.
 */
const char *attribution_rule(void *context, const struct flow *flow, uint64_t window);

struct attribution_counts attribution_counts(const struct attribution *attribution);
