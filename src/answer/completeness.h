/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether records suffice to say that there was no such traffic: by what they tell of themselves, and by the
 * ledger of the daemon that captures here, for interfaces of its own.
 */

#include "answer/diagnose.h"

/* What the daemon's ledger holds of an interface in one window. */
struct ledger_window {
    uint64_t start_s;
    uint64_t end_s;
    uint64_t packets; /* IP, and not excluded: records are due of them, or were lost */
    uint64_t lost;
};

struct ledger_interface {
    char interface_id[32];
    POLICY_LIST(struct address) own;
    POLICY_LIST(struct ledger_window) windows; /* the last ones; that which is still open, too */
    bool attached;                             /* is captured */
};

struct capture_ledger {
    POLICY_LIST(struct ledger_interface) interfaces;
    uint64_t now_s;
    bool of_records; /* the records are those of this daemon's store */
};

void capture_ledger_done(struct capture_ledger *ledger);

/*
 * Sets `complete`, `incomplete` and `ledger` of the diagnosis, whose witnesses are known, and adds the
 * sentences that say why. -ENOMEM.
 */
int completeness_weigh(struct diagnosis *found, const struct question *question,
                       const struct diagnose_options *options) MUST_USE;
