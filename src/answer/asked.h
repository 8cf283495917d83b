/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the documents are asked about a record: which interface, which packet. */

#include "answer/history.h"
#include "base/fault.h"
#include "policy/policy.h"
#include "record/record.h"

enum { ASKER_CACHED = 1024 };

struct asker {
    struct policy *policy;
    struct fault *fault;
    struct policy_interface *cache[ASKER_CACHED]; /* those asked for last, by hash of the id */
};

/* The interface the record names, prepared; NULL when the documents do not know it. -ENOMEM. */
int asker_interface(struct asker *asker, const struct record *record, struct policy_interface **ret) MUST_USE;

/* Everything but `interface` of the record's history; otherwise the reason why nothing can be asked. */
const char *asked_read(const struct policy_interface *interface, const struct record *record,
                       struct history_record *ret);
