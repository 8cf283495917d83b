/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The smallest rules that admit the traffic that was seen, and never more than the rules there are. What
 * several rules admit counts for the narrowest. A rule becomes at most SUGGESTED_PER_RULE rules, each for a
 * range of ports and a block of sources; where that does not suffice, the closest ports and sources are taken
 * together. A port that is open to everywhere and used by more sources than that stays open. References to
 * groups and prefix lists stay references. Rules in doubt stay as they are.
 */

#include "answer/usage.h"
#include "base/macro.h"
#include "policy/policy.h"

enum { SUGGESTED_PER_RULE = 16 };

enum rule_fate {
    FATE_STAYS,
    FATE_NARROWED,
    FATE_REDUNDANT, /* other, narrower rules admit what it was used for */
    FATE_UNUSED,
};

/* What becomes of a rule: suggestions [first, first + count). */
struct fate {
    const struct policy_rule *rule;
    enum rule_fate fate;
    size_t first;
    size_t count;
};

struct suggestion {
    POLICY_LIST(struct policy_rule)
    rules; /* texts are the model's; `id` is set where the rule is there already */
    POLICY_LIST(struct fate) fates;
};

/* For the groups that interfaces carry whose `seen` is set, by their index in the model. -ENOMEM. */
int suggest_rules(struct suggestion *ret, const struct policy *policy, const struct usage *usage,
                  const bool *seen) MUST_USE;
void suggestion_done(struct suggestion *suggestion);
