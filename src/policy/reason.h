/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A decision in words. */

#include "policy/decide.h"

/* "tcp 22 from 10.0.0.0/8" of a group's rule, "allow udp from 0.0.0.0/0" of an ACL entry. */
void reason_print_rule(struct buf *buf, const struct policy_rule *rule);

/* Why, in full sentences without line ends: what was asked, in its order, and what it said. */
void reason_print(struct buf *buf, const struct policy_interface *interface,
                  const struct policy_packet *packet, const struct decision *decision);

/*
 * The value of x-reject-rule: "acl-1:egress:32767" for an entry (or default) of a network ACL,
 * "sg-1,sg-2:ingress:no-match" where no rule of the groups admits the packet, ":late" in its place for a
 * packet after the end of its connection.
 */
void reason_print_reject_rule(struct buf *buf, const struct policy_interface *interface,
                              const struct policy_packet *packet, const struct decision *decision);

/* The number of the ACL entry that decided, default denies included. */
int reason_acl_number(const struct policy_packet *packet, const struct decision *decision);
