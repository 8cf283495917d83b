/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Answers of explain as text or JSON. What is said depends on the rules more than on the records, so each
 * phrase is made once and copied from then on.
 */

#include "answer/explain.h"
#include "answer/totals.h"
#include "base/buf.h"

struct phrase;

/* Zeroed but for `json` to begin with. The policy must outlive it. */
struct answers {
    struct phrase *phrases; /* owned table */
    size_t count;
    bool json;
};

/* One JSON object, or a line of the record with its verdict and a line of reasons. */
void answers_print(struct answers *answers, const struct explained *explained, struct buf *to);

/* JSON members of the decision alone, from "verdict" to "because", without braces. */
void answers_print_verdict(struct buf *buf, const struct explained *explained);
void answers_done(struct answers *answers);

/* "1 flow, 3 packets, 180 bytes, TIME to TIME". */
void answers_print_totals(struct buf *buf, const struct totals *totals);
