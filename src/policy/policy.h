/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The documents of a folder: what `aws ec2 describe-security-groups`, -security-group-rules, -network-acls,
 * -route-tables, -network-interfaces, -instances, -subnets, -vpcs, -prefix-lists and
 * get-managed-prefix-list-entries print, as they stand or as boto3 or a recorder of it stores them. A
 * document is known by its top-level members, not by its name; what nobody asks for is passed over.
 */

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/macro.h"
#include "policy/model.h"

/*
 * Reads all *.json of the folder. Mistakes, contradictions and references that lead nowhere are told, one
 * line each with file and place, and what they concern is in doubt; the rest goes on. Fails when the folder
 * cannot be read or holds nothing of use.
 */
int policy_load(struct policy **ret, const char *folder, void (*tell)(void *context, const char *line),
                void *context, struct fault *fault) MUST_USE;

/*
 * The documents of `folder` as a change to those of `base`: as long as they describe no interface, each
 * resource that they leave out is taken from there.
 */
int policy_load_change(struct policy **ret, const char *folder, const char *base,
                       void (*tell)(void *context, const char *line), void *context,
                       struct fault *fault) MUST_USE;

/* The same from one text, as if from a file of that name. */
int policy_load_text(struct policy **ret, const char *name, const char *text, size_t len,
                     void (*tell)(void *context, const char *line), void *context,
                     struct fault *fault) MUST_USE;

void policy_free(struct policy *policy);

static inline void policy_cleanup(struct policy **policy)
{
    policy_free(*policy);
}
#define AUTO_POLICY CLEANUP(policy_cleanup)

/* NULL when the documents do not know it. */
struct policy_interface *policy_interface(struct policy *policy, const char *id);

/*
 * Compiles what packets of this interface are judged by; once before the first of them. What cannot be
 * compiled is in doubt. -ENOMEM.
 */
int policy_prepare(struct policy *policy, struct policy_interface *interface, struct fault *fault) MUST_USE;

/* Whether the address is one of the interface's own, private, delegated or public. */
bool policy_interface_owns(const struct policy_interface *interface, const struct address *address);
