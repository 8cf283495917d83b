/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "base/num.h"

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static void address_from_ipv4(struct address *address, const uint8_t ipv4[static 4])
{
    memcpy(address->bytes, mapped_prefix, sizeof mapped_prefix);
    memcpy(address->bytes + sizeof mapped_prefix, ipv4, 4);
    address->family = 4;
}

/* Dotted quad without leading zeros: by hand, since logs hold millions of them. */
static bool parse_ipv4(const char *text, size_t len, uint8_t ret[static 4])
{
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        if (part > 0 && (at >= len || text[at++] != '.'))
            return false;
        size_t start = at;
        unsigned number = 0;
        while (at < len && at - start < 3 && (unsigned char)text[at] - (unsigned)'0' <= 9)
            number = number * 10 + (unsigned char)text[at++] - (unsigned)'0';
        if (at == start || number > 255 || (at - start > 1 && text[start] == '0'))
            return false;
        ret[part] = (uint8_t)number;
    }
    return at == len;
}

void address_print(const struct address *address, struct buf *to)
{
    char text[ADDRESS_TEXT_MAX];
    buf_append(to, text, address_format(text, address->bytes, address->family));
}

bool address_is_loopback(const struct address *address)
{
    static const uint8_t one[16] = {[15] = 1};
    return address->family == 4 ? address->bytes[12] == 127
                                : address->family == 6 && memcmp(address->bytes, one, sizeof one) == 0;
}

bool address_parse(const char *text, size_t len, struct address *ret)
{
    uint8_t ipv4[4];
    if (parse_ipv4(text, len, ipv4)) {
        address_from_ipv4(ret, ipv4);
        return true;
    }
    char copy[ADDRESS_TEXT_MAX];
    struct in6_addr ipv6;
    if (len >= sizeof copy || memchr(text, '\0', len))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (inet_pton(AF_INET6, copy, &ipv6) != 1)
        return false;
    memcpy(ret->bytes, &ipv6, sizeof ret->bytes);
    ret->family = 6;
    return true;
}

/* Bits of the 16-byte form that precede the family's own address. */
static unsigned family_offset(uint8_t family)
{
    return family == 4 ? 96 : 0;
}

static uint8_t prefix_mask(unsigned bits, unsigned byte)
{
    if (bits >= byte * 8 + 8)
        return 0xff;
    if (bits <= byte * 8)
        return 0;
    return (uint8_t)(0xff << (8 - (bits - byte * 8)));
}

bool address_block_parse(const char *text, size_t len, struct address_block *ret)
{
    const char *slash = memchr(text, '/', len);
    size_t address_len = slash ? (size_t)(slash - text) : len;
    struct address base;
    if (!address_parse(text, address_len, &base))
        return false;
    uint64_t width = 128 - family_offset(base.family);
    uint64_t prefix = width;
    if (slash && !num_parse_u64(slash + 1, len - address_len - 1, width, &prefix))
        return false;
    for (unsigned i = 0; i < sizeof base.bytes; i++)
        base.bytes[i] &= prefix_mask((unsigned)prefix + family_offset(base.family), i);
    ret->base = base;
    ret->prefix = (uint8_t)prefix;
    return true;
}

bool address_block_contains(const struct address_block *block, const struct address *address)
{
    if (block->base.family != address->family)
        return false;
    unsigned bits = block->prefix + family_offset(block->base.family);
    for (unsigned i = 0; i < sizeof address->bytes; i++)
        if ((address->bytes[i] & prefix_mask(bits, i)) != block->base.bytes[i])
            return false;
    return true;
}

/* The text of each octet with a dot behind it; logs hold millions of addresses. */
struct octet_text {
    char text[4];
    uint8_t len; /* without the dot */
};

#define OCTET_DIGIT(n, power) ((char)('0' + (n) / (power) % 10))
#define OCTET_LEN(n) ((n) >= 100 ? 3 : (n) >= 10 ? 2 : 1)
#define OCTET_1(n)                                                                                           \
    {                                                                                                        \
        {(n) >= 100  ? OCTET_DIGIT(n, 100)                                                                   \
         : (n) >= 10 ? OCTET_DIGIT(n, 10)                                                                    \
                     : OCTET_DIGIT(n, 1),                                                                    \
         (n) >= 100  ? OCTET_DIGIT(n, 10)                                                                    \
         : (n) >= 10 ? OCTET_DIGIT(n, 1)                                                                     \
                     : '.',                                                                                  \
         (n) >= 100 ? OCTET_DIGIT(n, 1) : '.', '.'},                                                         \
            OCTET_LEN(n)                                                                                     \
    }
#define OCTET_4(n) OCTET_1(n), OCTET_1((n) + 1), OCTET_1((n) + 2), OCTET_1((n) + 3)
#define OCTET_16(n) OCTET_4(n), OCTET_4((n) + 4), OCTET_4((n) + 8), OCTET_4((n) + 12)
#define OCTET_64(n) OCTET_16(n), OCTET_16((n) + 16), OCTET_16((n) + 32), OCTET_16((n) + 48)

static const struct octet_text octet_texts[256] = {OCTET_64(0), OCTET_64(64), OCTET_64(128), OCTET_64(192)};

/* Writes up to three bytes more than it returns. */
static size_t format_ipv4(char *to, const uint8_t ipv4[static 4])
{
    char *at = to;
    for (int i = 0; i < 4; i++) {
        const struct octet_text *octet = &octet_texts[ipv4[i]];
        memcpy(at, octet->text, sizeof octet->text);
        at += octet->len + 1;
    }
    return (size_t)(at - to) - 1;
}

/* Lower-case hex digits without leading zeros; up to four bytes at `at` are written. */
static char *format_group(char *at, unsigned group)
{
    static const char hex[] = "0123456789abcdef";
    uint32_t digits = (uint32_t)hex[group >> 12] | (uint32_t)hex[group >> 8 & 15] << 8 |
                      (uint32_t)hex[group >> 4 & 15] << 16 | (uint32_t)hex[group & 15] << 24;
    unsigned leading = group ? ((unsigned)__builtin_clz(group) - 16) / 4 : 3;
    digits = htole32(digits >> leading * 8);
    memcpy(at, &digits, sizeof digits);
    return at + 4 - leading;
}

/* The first longest run of zeros in a mask of zero groups (bit 0 is the first group); its length, 0 for none.
 */
static unsigned longest_run(unsigned mask, unsigned *ret_start)
{
    unsigned len = mask ? 1 : 0;
    for (; mask & mask >> 1; len++)
        mask &= mask >> 1;
    *ret_start = mask ? (unsigned)__builtin_ctz(mask) : 8;
    return len;
}

static size_t format_ipv6(char *to, const uint8_t ipv6[static 16])
{
    unsigned groups[8];
    unsigned zeros = 0;
    for (unsigned i = 0; i < 8; i++) {
        groups[i] = (unsigned)ipv6[i * 2] << 8 | ipv6[i * 2 + 1];
        zeros |= (unsigned)(groups[i] == 0) << i;
    }
    unsigned run_start;
    unsigned run = longest_run(zeros, &run_start);
    if (run < 2) /* RFC 5952, 4.2.2: a single zero group is not shortened */
        run_start = 8;
    bool embeds_ipv4 = run_start == 0 && (run == 6 || (run == 5 && groups[5] == 0xffff));
    char *at = to;
    for (unsigned i = 0; i < (embeds_ipv4 ? 6 : 8); i++) {
        if (i == run_start) {
            *at++ = ':';
            i += run - 1;
            if (i == 7)
                *at++ = ':';
            continue;
        }
        if (i > 0)
            *at++ = ':';
        at = format_group(at, groups[i]);
    }
    if (embeds_ipv4) {
        *at++ = ':';
        at += format_ipv4(at, ipv6 + 12);
    }
    return (size_t)(at - to);
}

size_t address_format(char *to, const uint8_t bytes[static 16], uint8_t family)
{
    return family == 4 ? format_ipv4(to, bytes + 12) : format_ipv6(to, bytes);
}
