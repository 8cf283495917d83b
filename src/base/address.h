/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* IP addresses as 16 bytes: IPv6 as it is, IPv4 as ::ffff:a.b.c.d with family 4. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

#define ADDRESS_TEXT_MAX 46 /* longest text form with its NUL */

struct address {
    uint8_t bytes[16];
    uint8_t family; /* 4 or 6; 0 when there is none */
};

struct address_block {
    struct address base; /* host bits are zero */
    uint8_t prefix;      /* of the family's own width: 0..32 or 0..128 */
};

/* "192.0.2.1" or "2001:db8::1", as inet_pton takes it; false when it does not parse. */
bool address_parse(const char *text, size_t len, struct address *ret);

/* "10.0.0.0/8"; host bits are cleared. A bare address is a block of its full width. */
bool address_block_parse(const char *text, size_t len, struct address_block *ret);

bool address_block_contains(const struct address_block *block, const struct address *address);

/* Text as inet_ntop prints it (RFC 5952), without a NUL; returns its length. `to` has room for
 * ADDRESS_TEXT_MAX bytes. */
size_t address_format(char *to, const uint8_t bytes[static 16], uint8_t family);

/* The same behind what a buffer holds. */
void address_print(const struct address *address, struct buf *to);

/* Of this host alone: 127.0.0.0/8 or ::1. */
bool address_is_loopback(const struct address *address);

static inline bool address_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
