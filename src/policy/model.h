/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the documents say: groups, network ACLs, route tables, interfaces, subnets, VPCs, prefix lists. Texts
 * and ids are borrowed from the documents, which the model keeps. After policy_load everything is sorted by
 * id and references are resolved.
 *
 * What cannot be relied on bears a `doubt`, the reason in words: described twice and differently, not
 * readable, a reference that leads nowhere. A verdict that would rest on it is not given.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/macro.h"
#include "policy/rule_set.h"

/* A list of the model; `items` is owned. */
#define POLICY_LIST(type)                                                                                    \
    struct {                                                                                                 \
        type *items;                                                                                         \
        size_t count;                                                                                        \
        size_t capacity;                                                                                     \
    }

/* What every described resource begins with. */
struct policy_item {
    const char *id;
    const char *file;  /* the document, for messages */
    const char *doubt; /* NULL: none */
    const json_t *json;
};

/* Selectors put what a rule tells packets apart by on one axis. */
#define SELECTOR(protocol, detail) ((uint32_t)(protocol) << 16 | (uint32_t)(detail))
#define SELECTOR_MAX 0xffffffU

enum rule_source {
    SOURCE_BLOCK,
    SOURCE_GROUP,       /* the private addresses of the interfaces that carry it */
    SOURCE_PREFIX_LIST, /* its entries */
    SOURCE_ANYTHING,    /* not readable: it might be any address */
    SOURCE_NOTHING,     /* a stale reference */
};

/* A rule of a group for one source, or an entry of a network ACL. */
struct policy_rule {
    const char *reference; /* id of the group or prefix list */
    const char *id;        /* "sgr-…" where the flat form gave it */
    const char *doubt;
    const struct policy_group *group; /* set when linked: whose rule it is, or NULL */
    struct address_block block;
    uint32_t low; /* selectors */
    uint32_t high;
    int32_t number; /* of an ACL entry */
    uint8_t source; /* enum rule_source */
    bool egress;
    bool deny; /* of an ACL entry */
};

typedef POLICY_LIST(struct policy_rule) policy_rules;

struct policy_group {
    struct policy_item item;
    const char *owner;
    policy_rules rules;
    policy_rules flat; /* the same from SecurityGroupRules */
    bool listed[2];    /* the rules of that direction, by SecurityGroups: ingress, egress */
};

struct policy_acl {
    struct policy_item item;
    const char *vpc_id;
    policy_rules entries; /* by number */
    POLICY_LIST(const char *) subnets;
    bool is_default;
    bool lists_subnets; /* maybe none; else it may be that of any subnet */
    bool lists_entries;
    struct rule_set sets[2]; /* ingress, egress; rule n is entries.items[n] */
};

/* One destination block of a route; that of a prefix list is as many as it has entries. */
struct policy_route {
    struct address_block destination;
    const char *list;   /* prefix list it came by, or NULL */
    const char *target; /* "local", "igw-…", … */
    const char *target_kind;
    const char *doubt;
    bool blackhole;
    bool propagated;
};

struct policy_table {
    struct policy_item item;
    const char *vpc_id;
    POLICY_LIST(struct policy_route) routes; /* best first */
    POLICY_LIST(const char *) subnets;
    bool is_main;
    bool lists_routes;
    struct rule_set set;
};

struct policy_list {
    struct policy_item item;
    const char *name;
    POLICY_LIST(struct address_block) blocks;
    bool has_entries; /* some document listed them */
};

struct policy_vpc {
    struct policy_item item;
    POLICY_LIST(struct address_block) blocks;
};

struct policy_subnet {
    struct policy_item item;
    const char *vpc_id;
    const char *az_id;
    POLICY_LIST(struct address_block) blocks;
    struct policy_acl *acl;     /* NULL: not described */
    struct policy_table *table; /* NULL: not described */
};

/* Seconds an idle connection is remembered: certainly, and at most. */
struct policy_timeout {
    uint32_t sure_s;
    uint32_t most_s;
};

struct policy_interface {
    struct policy_item item;
    const char *account_id;
    const char *vpc_id;
    const char *subnet_id;
    const char *instance_id;
    const char *az_id;
    const char *type;
    POLICY_LIST(struct address) addresses;        /* private, the primary of each family first */
    POLICY_LIST(struct address) public_addresses; /* that lead here */
    POLICY_LIST(struct address_block) prefixes;   /* delegated */
    POLICY_LIST(const char *) group_ids;          /* sorted */
    bool has_groups;                              /* the document lists them, maybe none */
    bool from_instance;                           /* from Reservations, which say less */
    bool needs_no_group;                          /* of a service that AWS attaches no group to */
    bool always_tracked;                          /* its connections are tracked whatever the rules are */
    struct policy_timeout tcp, udp, udp_stream;
    struct policy_subnet *subnet; /* NULL: not described */
    struct policy_vpc *vpc;       /* NULL: not described */
    struct group_set *groups;     /* compiled by policy_prepare */
};

/* The merged rules of the groups that some interfaces carry, one direction each. */
struct group_rules {
    const struct policy_rule **rules; /* owned list: open to all first, then others, then doubtful ones */
    uint32_t count;
    uint32_t open;        /* how many are open to all addresses of a family */
    uint32_t firm;        /* how many have no doubt */
    bool all_ports[2][2]; /* [IPv6][UDP]: a rule open to all covers every port of TCP, of UDP */
    struct rule_set set;
};

struct group_set {
    const char *const *group_ids; /* of an interface that carries just these */
    size_t group_count;
    const char *doubt; /* a group that is not described, or too many rules */
    struct group_rules direction[2];
};

struct policy {
    json_t *documents;         /* array; everything above points into it */
    POLICY_LIST(char *) texts; /* owned: file names, doubts */
    POLICY_LIST(struct policy_group) groups;
    POLICY_LIST(struct policy_acl) acls;
    POLICY_LIST(struct policy_table) tables;
    POLICY_LIST(struct policy_list) lists;
    POLICY_LIST(struct policy_vpc) vpcs;
    POLICY_LIST(struct policy_subnet) subnets;
    POLICY_LIST(struct policy_interface) interfaces;
    POLICY_LIST(struct group_set *) group_sets;
    POLICY_LIST(struct policy_interface *) trackers; /* whose connections are always tracked */
};

/* A zeroed item at the end of a list of the model, or NULL. */
#define LIST_ADD(list)                                                                                       \
    list_add((void **)&(list)->items, &(list)->count, &(list)->capacity, sizeof *(list)->items)
void *list_add(void **items, size_t *count, size_t *capacity, size_t size);

/* By id, in a list sorted by it; NULL when there is none. */
#define LIST_FIND(list, id) list_find((list)->items, (list)->count, sizeof *(list)->items, id)
void *list_find(const void *items, size_t count, size_t size, const char *id);

/* A text that lives as long as the policy, or NULL. */
const char *policy_text(struct policy *policy, const char *format, ...) PRINTF_LIKE(2, 3);
