/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which rules of the documents let recorded traffic through, and which traffic. */

#include "answer/totals.h"
#include "base/numbering.h"
#include "policy/decide.h"

#define NEEDS_PER_RULE_MAX 50000 /* beyond it a rule is needed as it stands */
#define NEEDS_MAX 4000000
#define ADMITTING_MAX 256 /* rules looked at that admit one packet */

/* What a rule was used for. */
struct rule_use {
    struct totals all;
    uint64_t alone;    /* flows that no other rule admits */
    uint32_t needs;    /* what it is the narrowest rule for; see usage_needs */
    bool has_too_many; /* needs, to be told one by one */
};

/* Traffic that a rule is the narrowest one to admit. */
struct need {
    const struct policy_rule *rule;
    uint32_t low; /* selectors: of one port; of all where no port is known */
    uint32_t high;
    struct address peer;
    struct totals totals;
};

struct usage {
    struct numbering rules; /* keys: the rules' addresses */
    struct rule_use *uses;  /* owned; by number */
    size_t use_capacity;
    struct numbering needs;
    struct totals *need_totals; /* owned; by number */
    size_t need_capacity;
    uint64_t not_held; /* flows whose need there was no memory for */
    bool counts_only;  /* nobody asks for needs */
};

void usage_init(struct usage *usage, bool counts_only);
void usage_done(struct usage *usage);

/*
 * Of a packet that the documents let through or stop. `answers`: it answers a conversation that was let
 * through; such packets need no rule of a group, as they are tracked unless a rule admits them anyway.
 * `interface` is prepared.
 */
void usage_note(struct usage *usage, const struct policy_interface *interface,
                const struct policy_packet *packet, const struct decision *decision, bool answers,
                const struct totals *totals);

/* All zero when nothing used the rule. */
struct rule_use usage_of(const struct usage *usage, const struct policy_rule *rule);

/* The need of that number, below usage->needs.count. */
struct need usage_need(const struct usage *usage, uint32_t number);

/* Whether some interface whose `seen` is set, by its index in the model, carries the group, is filtered by
 * the ACL. */
bool usage_has_group(const struct policy *policy, const struct policy_group *group, const bool *seen);
bool usage_has_acl(const struct policy *policy, const struct policy_acl *acl, const bool *seen);
