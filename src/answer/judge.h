/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The packets of a replay, judged by documents as AWS would have judged them at one interface. */

#include "base/fault.h"
#include "base/macro.h"
#include "capture/replay.h"
#include "flow/interface.h"
#include "policy/connections.h"
#include "policy/policy.h"

struct judge_rule;

struct judge {
    const struct policy *policy;              /* borrowed */
    const struct policy_interface *interface; /* in it */
    struct tracker tracker;
    POLICY_LIST(struct judge_rule) rules; /* number n is the name of rule n - 1 */
    struct replay_judge replay; /* for replay_options; points to this judge, which must stay in place */
    uint64_t uncertain;         /* packets that the documents say nothing certain of: accepted */
    const char *why;            /* of the first of them */
};

/* Of the interface with that id; -EINVAL when the documents do not know it. */
int judge_init(struct judge *judge, struct policy *policy, const char *interface_id,
               struct fault *fault) MUST_USE;
void judge_done(struct judge *judge);

/* What the documents say of the interface, where `to` does not say otherwise yet. -ENOMEM. */
int judge_describe(const struct judge *judge, struct interface *to) MUST_USE;
