/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a record says about the interface it was recorded on. Topology fills it in, records print it; text
 * members are "" where nobody knows (printed as `-`).
 */

#include <stdbool.h>
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

struct interface {
    struct interface_identity identity;
    enum interface_role role;
    struct address *addresses; /* own addresses, owned; the first of each family is its primary */
    unsigned address_count;
};

bool interface_owns(const struct interface *interface, const uint8_t address[static 16], uint8_t family);

/* The primary own address of the family, or NULL (record.md 5.1). */
const struct address *interface_primary(const struct interface *interface, uint8_t family);

/* Adds an own address; the first of its family becomes the primary. Repeated ones are ignored. -ENOMEM. */
int interface_add_address(struct interface *interface, const struct address *address) MUST_USE;

void interface_done(struct interface *interface);
