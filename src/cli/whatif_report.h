/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a what-if found, for people and as JSON lines; the smallest rules as a document. */

#include "answer/whatif.h"
#include "base/buf.h"

struct whatif_report {
    const struct whatif *whatif;
    const struct policy *policy;
    const struct policy *proposed; /* NULL: none */
    const struct suggestion *suggestion;
};

/* Everything, and for people the largest. */
void whatif_report_json(const struct whatif_report *report, struct buf *to);
void whatif_report_text(const struct whatif_report *report, struct buf *to);

/* {"SecurityGroupRules": […]}, as a folder of documents takes it. */
void whatif_report_document(const struct suggestion *suggestion, struct buf *to);
