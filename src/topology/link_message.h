/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* rtnetlink messages on links and addresses, taken apart. */

#include <libmnl/libmnl.h>
#include <stdbool.h>

#include "topology/links.h"

struct address_message {
    uint32_t ifindex;
    uint32_t flags; /* IFA_F_… */
    struct link_address address;
};

/*
 * False for messages that share the group but do not describe the link: a bridge's word on its port (whose
 * DELLINK only says that it left the bridge), and wireless events, which carry next to nothing.
 */
bool link_read(const struct nlmsghdr *message, struct link *ret);

/* False when it is neither IPv4 nor IPv6. */
bool address_read(const struct nlmsghdr *message, struct address_message *ret);

/* From an attribute that holds a struct rtnl_link_stats64. */
void counters_read(const struct nlattr *attribute, struct link_counters *ret);
