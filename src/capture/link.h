/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Link types of captures (draft-ietf-opsawg-pcaplinktype): where the network layer begins, and what it is. */

#include <stdint.h>

#include "bpf/parse.h"

enum link_kind {
    LINK_UNSUPPORTED,
    LINK_ETHERNET,
    LINK_IP,   /* raw: the version tells which */
    LINK_IPV4, /* raw */
    LINK_IPV6,
    LINK_FAMILY, /* NULL and LOOP: a protocol family of 4 bytes */
    LINK_COOKED,
    LINK_COOKED_V2,
};

enum link_kind link_kind_of(uint32_t link_type);

/* "IEEE 802.11", or "unknown" for a number that has no name here. */
const char *link_name(uint32_t link_type);

/* `frame_len`: the frame's own length, whatever part of it the view has. */
enum parse_result link_parse(enum link_kind kind, struct packet_view *view, uint32_t frame_len,
                             struct packet *ret);
