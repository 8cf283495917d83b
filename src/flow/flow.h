/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One flow of one window as user space keeps it: a cache line. Live drains and replay fill the same slots.
 * The window's number stands on the table that holds the slot, times are offsets from the window's start.
 */

#include <stddef.h>
#include <stdint.h>

#include "bpf/wire.h"

enum flow_bits {
    FLOW_BIT_IPV6 = 1,
    FLOW_BIT_EGRESS = 2, /* as recorded: a port's direction is already turned round */
};

/* The key is everything before tcp_flags; a flow that is looked up must have no stray bytes in it. */
struct flow {
    uint8_t source[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t destination[16];
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t interface; /* index given by the caller */
    uint8_t protocol;
    uint8_t bits;      /* enum flow_bits */
    uint8_t reject;    /* enum reject_source */
    uint8_t tcp_flags; /* record.md 5.8 */
    uint16_t first_s;  /* seconds after the window's start */
    uint16_t last_s;
    uint16_t drop_reason; /* kernel's number, or the judge's of a replay; 0 when none */
    uint64_t packets;
    uint64_t bytes;
};

#define FLOW_KEY_SIZE offsetof(struct flow, tcp_flags)

_Static_assert(sizeof(struct flow) == 64, "a flow is one cache line");
_Static_assert(FLOW_KEY_SIZE == 41, "the key has no padding");

enum tcp_flag_bits { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };
