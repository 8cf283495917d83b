/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between the steps of loading: documents are read into the model, then everything is sorted and linked. */

#include "base/macro.h"
#include "policy/document.h"
#include "policy/model.h"

/* A rule of SecurityGroupRules, until its group is known. */
struct flat_rule {
    const char *group_id;
    const char *file;
    struct policy_rule rule;
};

struct loader {
    struct policy *policy;
    struct mistakes mistakes;
    POLICY_LIST(struct flat_rule) flat;
    size_t known; /* members that were of use */
    /* Of what is read first, where a second folder has what that leaves out; NULL otherwise. */
    json_t *replaced; /* object with a member "SubnetId=subnet-1" for each resource */
    bool replacing;   /* reading the first */
};

/* Reads whatever of the document is known. -ENOMEM. */
int load_document(struct loader *loader, const struct node *document) MUST_USE;

/* Sorts, drops what is described twice alike, resolves references and reports what does not fit. -ENOMEM. */
int load_link(struct loader *loader) MUST_USE;

/* What to do with everything after a list's sorting: frees a route table's list and so on. */
void policy_group_done(struct policy_group *group);
void policy_acl_done(struct policy_acl *acl);
void policy_table_done(struct policy_table *table);
void policy_list_done(struct policy_list *list);
void policy_vpc_done(struct policy_vpc *vpc);
void policy_subnet_done(struct policy_subnet *subnet);
void policy_interface_done(struct policy_interface *interface);
