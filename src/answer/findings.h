/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What deserves a look, of rules and of the traffic that met them: too tight, too open, shadowed and unused
 * rules, network ACLs that drop answers, traffic that takes an unexpected path, documents that do not agree
 * with the records, and what cannot be told.
 */

#include "answer/whatif.h"

enum { FINDING_RECORDS_MAX = 5 }; /* shown of each */

enum severity { SEVERITY_HIGH, SEVERITY_MEDIUM, SEVERITY_LOW, SEVERITY_INFO, SEVERITIES };

extern const char *const severity_names[SEVERITIES];

struct finding {
    enum severity severity;
    const char *kind; /* a word for programs, as "acl-drops-answers" */
    char *subject;    /* owned; ids: of a group, an ACL, an interface */
    char *title;      /* owned; a sentence */
    char *rule;       /* owned; in words, or NULL */
    const char *todo; /* what to do */
    struct totals totals;
    char *records[FINDING_RECORDS_MAX]; /* owned; lines of the default format */
    size_t record_count;
};

struct findings {
    POLICY_LIST(struct finding) items; /* by severity, then by flows */
    uint64_t not_held;                 /* flows whose finding there was no memory for */
};

struct findings_options {
    struct policy *policy;
    const struct readings *readings; /* mistakes are told in the second reading alone */
};

int findings_run(const struct findings_options *options, struct findings *ret, struct whatif *ret_whatif,
                 struct fault *fault) MUST_USE;
void findings_done(struct findings *findings);
