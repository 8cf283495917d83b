/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the documents say to a packet at an interface: the network ACL of its subnet and the merged rules of
 * its security groups, in AWS's order (api.md 4). What they leave open is told as such, never guessed.
 */

#include "base/buf.h"
#include "policy/model.h"

struct policy_packet {
    const uint8_t *source; /* 16 bytes, as in the packet */
    const uint8_t *destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t icmp; /* type << 8 | code, where known */
    uint8_t family;
    uint8_t protocol;
    bool egress;
    bool partial; /* the ports, or the ICMP type, are not known */
};

enum verdict { VERDICT_UNKNOWN, VERDICT_ACCEPT, VERDICT_REJECT };

enum decider {
    DECIDER_NONE,
    DECIDER_SECURITY_GROUP,
    DECIDER_NETWORK_ACL,
    DECIDER_CONNECTION, /* a reply of a tracked connection */
    DECIDER_UNFILTERED, /* traffic that AWS lets no rule stop */
};

struct decision {
    enum verdict verdict;
    enum decider decider;
    const struct policy_rule *group_rule; /* that admits it; NULL when none does, or none was asked */
    const struct policy_acl *acl;         /* consulted; NULL when not */
    const struct policy_rule *acl_entry;  /* NULL with an ACL: its default deny, not listed */
    const struct policy_table *table;     /* egress: where the route was looked up; NULL when not described */
    const struct policy_route *route;     /* NULL with a table: no route leads there */
    const char *doubt; /* VERDICT_UNKNOWN: why; also, which control it was cannot be told */
    bool tracked;      /* admitted by a group's rule that starts a tracked connection */
    bool same_subnet;  /* no ACL is crossed */
    bool late;         /* rejected as a late packet of a closed connection */
    bool has_groups;   /* security groups apply to the interface */
};

/* How a connection that the packet may belong to changes what the groups say. */
enum connection_state {
    CONNECTION_NONE,
    CONNECTION_REPLY,  /* it answers a tracked connection */
    CONNECTION_MAYBE,  /* perhaps; `why` says what is not known */
    CONNECTION_CLOSED, /* it comes after the end of one */
};

struct connection_view {
    enum connection_state state;
    const char *why;
};

/* The interface must be prepared. The numbers of an ACL's default denies are ACL_DEFAULT_DENY(family). */
void policy_decide(const struct policy *policy, const struct policy_interface *interface,
                   const struct policy_packet *packet, struct connection_view connection,
                   struct decision *ret);

/*
 * Every rule of the interface's groups that admits the packet, whatever its connection; where the ports or
 * the ICMP type are not known, every rule that may. Returns how many of at most `max` were written.
 */
size_t policy_admitting(const struct policy_interface *interface, const struct policy_packet *packet,
                        const struct policy_rule **ret, size_t max);

#define ACL_DEFAULT_DENY(family) ((family) == 6 ? 32768 : 32767)

/* Whether a TCP packet with these flags (record.md 5.8), or an ICMP message, can be a reply at all. */
bool policy_can_reply(const struct policy_packet *packet, uint8_t tcp_flags);

/* Whether it is an ICMP error or answer, which begins nothing. */
bool policy_can_begin(const struct policy_packet *packet);

/* Where the interface's packets to that address go; NULL when no route leads there, or routes are not
 * described. The interface must be prepared. */
const struct policy_route *policy_route_to(const struct policy_interface *interface,
                                           const uint8_t address[static 16], uint8_t family);
