/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the actions have in common; a handler per action. */

#include "api/ec2.h"
#include "policy/model.h"

/* A new object, or NULL with the call's error. Parameters were checked against their rows before. */
typedef json_t *ec2_handler(struct ec2_call *call);

ec2_handler ec2_create_flow_logs;
ec2_handler ec2_describe_flow_logs;
ec2_handler ec2_delete_flow_logs;
ec2_handler ec2_get_flow_logs_integration_template;
ec2_handler ec2_create_tags;
ec2_handler ec2_delete_tags;
ec2_handler ec2_describe_tags;
ec2_handler ec2_describe_network_interfaces;
ec2_handler ec2_describe_subnets;
ec2_handler ec2_describe_vpcs;
ec2_handler ec2_describe_security_groups;
ec2_handler ec2_describe_network_acls;
ec2_handler ec2_describe_route_tables;

/* Whether the request only asks if it would succeed; then that is the call's error, and nothing may be done.
 */
bool ec2_is_dry_run(struct ec2_call *call);

/* A filter of a Describe action and the member it looks at, as "routeSet.gatewayId" within lists, too.
 * "tag:KEY", "tag-key" and "tag-value" look at tagSet where a listing has `tags`. */
struct ec2_filter {
    const char *name; /* NULL ends a table */
    const char *member;
};

/* How an action lists: one row per action. */
struct ec2_listing {
    bool tags;
    const char *set;  /* member of the answer: "flowLogSet" */
    const char *key;  /* member that names an element, and orders the list: "flowLogId" */
    const char *ids;  /* parameter of the ids asked for: "FlowLogId"; NULL: none */
    const char *code; /* error for an id that is not there */
    const char *what; /* "flow log": for its message */
    const struct ec2_filter *filters;
};

/*
 * The answer of a Describe action: those of `elements` (taken over) that were asked for by id, that the
 * filters let through, and that are on the page.
 */
json_t *ec2_list(struct ec2_call *call, const struct ec2_listing *listing, json_t *elements);

/* Tags as AWS shows them: [{"key":…,"value":…}], a new array. */
json_t *ec2_tag_set(const struct ec2_call *call, const char *id);

/* Every flow log, of the store and declared, as Describe shows it: a new array. */
json_t *ec2_flow_logs(const struct ec2_call *call);

/* Tag.N.Key and Tag.N.Value below `prefix` ("" or "TagSpecification.1."), a new object; NULL with an error.
 */
json_t *ec2_read_tags(struct ec2_call *call, const char *prefix);

/* Whether one resource may have as many: else false with the call's error. */
bool ec2_may_have_tags(struct ec2_call *call, const json_t *tags);

/* What a document says of a resource, with the names of AWS's XML and a tagSet: a new object. */
json_t *ec2_described(const struct policy_item *item);
