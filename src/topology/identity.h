/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who a link is: account, VPC, subnet, instance, interface id and own addresses, from the configuration or
 * derived. Derived ids are hashes of what stays: the machine id, the MAC and the device name for an
 * interface, the address prefix for a subnet, account and region for a VPC; so they are the same after a
 * restart.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "base/fault.h"
#include "base/macro.h"
#include "flow/interface.h"
#include "topology/links.h"

#define MACHINE_ID_MAX 33

/* How the links that match `device` are seen. Words stand where an id may: "derived", "by-address". */
struct topology_rule {
    char *device; /* name or glob; a glob never means the loopback device */
    enum interface_role role;
    char *interface_id;
    char *subnet_id;
    char *vpc_id;
    char *instance_id;
    struct address *addresses; /* own addresses of a port */
    size_t address_count;
};

struct topology_subnet {
    char *subnet_id;
    char *vpc_id;
    char *az_id;
    struct address_block cidr;
};

/* Everything in it is owned by whoever filled it (daemon/config). */
struct topology {
    char *account;
    char *region;
    char *ip_ranges; /* AWS's ip-ranges.json; "" for none */
    enum topology_metadata { METADATA_AUTO, METADATA_ON, METADATA_OFF } metadata; /* of EC2 and ECS */
    char *documents;             /* folder of AWS's documents; "" for none */
    struct topology_rule *rules; /* the first that matches a device counts */
    size_t rule_count;
    struct topology_subnet *subnets;
    size_t subnet_count;
};

/* What documents or the host's own metadata tell of a link; NULL where they do not. */
struct identity_told {
    const char *interface_id;
    const char *account_id;
    const char *vpc_id;
    const char *subnet_id;
    const char *az_id;
    const char *instance_id; /* "": told that there is none */
};

struct identity_source {
    const struct topology *topology;
    const char *machine_id;
    /* Whether a link that is there now has that id: two must never share one. May be NULL. */
    bool (*taken)(void *context, const char *interface_id);
    void *context;
    /* Fills in what is told of a link. May be NULL. What the rule says goes before, what is derived behind.
     */
    void (*tell)(void *world, const struct topology_rule *rule, const struct link *link,
                 struct identity_told *ret);
    void *world;
};

/* The rule that covers the link, or NULL: then it is not ours to record. */
const struct topology_rule *topology_rule_for(const struct topology *topology, const struct link *link);

/* Whether both give an interface the same role and ids; addresses may differ, and what devices they are
 * about. */
bool topology_rule_equal(const struct topology_rule *a, const struct topology_rule *b);

/* The most specific subnet that holds the address, or NULL. */
const struct topology_subnet *topology_subnet_of(const struct topology *topology,
                                                 const struct address *address);

/*
 * At first sight of a link. What it assigns stays, whatever happens to the addresses: callers keep the
 * interface as long as the ifindex lives. -EEXIST with a fault when an explicit interface id is taken
 * already: a derived one was assigned instead. -ENOMEM leaves *ret empty.
 */
int identity_assign(struct interface *ret, const struct identity_source *source,
                    const struct topology_rule *rule, const struct link *link, struct fault *fault) MUST_USE;

/*
 * Addresses afresh from the link (a port keeps those of its rule). Subnet, VPC and zone are settled by the
 * first global address and then stay. Call it on LINK_ADDRESSES_CHANGED.
 */
int identity_update(struct interface *interface, const struct identity_source *source,
                    const struct topology_rule *rule, const struct link *link) MUST_USE;

/* /etc/machine-id, or "" where there is none (a container): ids then rest on the MAC and the name alone. */
void identity_machine(char ret[static MACHINE_ID_MAX]);

/* "fl-" + 17 hex digits of a hash, in the manner of AWS's ids (which begin with 0). `ret` holds prefix + 18.
 */
void identity_format(char *ret, size_t size, const char *prefix, uint64_t hash);
