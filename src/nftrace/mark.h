/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The messages that make our table: base chains that come before all others, with rules that set the
 * packet's trace bit and nothing else. The table belongs to the socket it is made through
 * (NFT_TABLE_F_OWNER): the kernel removes it when that socket is closed, whichever way the process ends.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/macro.h"

enum { NFTRACE_TUPLES_MAX = 64 };

struct nftrace_tuple {
    struct address_block source; /* both of one family */
    struct address_block destination;
    int protocol;    /* -1: any */
    int source_port; /* -1: any; else the protocol has ports */
    int destination_port;
    uint32_t packets_per_s; /* that are marked, more or less: twice as many where it meets one hook alone */
};

struct mark_options {
    const char *table; /* its name */
    const struct nftrace_tuple *tuples;
    size_t tuple_count;
    const char *const *devices; /* at whose ingress hook packets are marked, before netdev rules see them */
    size_t device_count;
};

/*
 * One batch, to be sent whole: `ret_messages` of them ask for an acknowledgement, the first with the sequence
 * number `first_sequence`. Returns its length, or -ENOSPC when `size` is too little.
 */
int mark_write(const struct mark_options *options, char *to, size_t size, uint32_t first_sequence,
               uint32_t *ret_messages) MUST_USE;
