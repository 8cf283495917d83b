/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a record says about the interface it was recorded on. Topology fills it in, records print it; text
 * members are "" where nobody knows (printed as `-`).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/macro.h"

enum interface_role {
    INTERFACE_NIC,  /* this host is the instance: what it receives is ingress */
    INTERFACE_PORT, /* the host side of a guest's link: what it receives is the guest's egress */
};

struct interface_identity {
    char account_id[16];
    char interface_id[32];
    char vpc_id[32];
    char subnet_id[32];
    char instance_id[32];
    char region[32];
    char az_id[32];
};

/* In the order of the record's fields for them. */
enum interface_tag_of { TAG_OF_INSTANCE, TAG_OF_INTERFACE, TAG_OF_ASG };

struct interface_tag {
    uint8_t of; /* enum interface_tag_of */
    char *key;
    char *value; /* percent-encoded (record.md 5.14) */
};

#define INTERFACE_ECS_FIELDS 10

/* What more is told of an interface by documents and metadata. Unlike the identity it is not kept: what waits
 * in a journal or a spool was written with it. */
struct interface_facts {
    char sublocation_type[16]; /* "wavelength", "outpost", "localzone" */
    char sublocation_id[64];
    const char *type;                      /* a word of interface-type, or NULL */
    const char *ecs[INTERFACE_ECS_FIELDS]; /* from FIELD_ECS_CLUSTER_ARN on; NULL: not known; borrowed */
    struct interface_tag *tags;            /* owned */
    size_t tag_count;
    void *described; /* for whoever set it */
};

struct interface {
    struct interface_identity identity;
    enum interface_role role;
    struct address *addresses; /* own addresses, owned; the first of each family is its primary */
    unsigned address_count;
    struct interface_facts *facts; /* owned; NULL: nothing is told */
};

bool interface_owns(const struct interface *interface, const uint8_t address[static 16], uint8_t family);

/* The primary own address of the family, or NULL (record.md 5.1). */
const struct address *interface_primary(const struct interface *interface, uint8_t family);

/* Adds an own address; the first of its family becomes the primary. Repeated ones are ignored. -ENOMEM. */
int interface_add_address(struct interface *interface, const struct address *address) MUST_USE;

void interface_facts_free(struct interface_facts *facts);

/* Copies both; the value is encoded already. -ENOMEM. */
int interface_facts_add_tag(struct interface_facts *facts, enum interface_tag_of of, const char *key,
                            const char *value) MUST_USE;

void interface_done(struct interface *interface);
