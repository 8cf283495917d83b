/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Strict numbers: base 10, no sign, no spaces, nothing before or after. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUM_U64_MAX_LEN 20

/* True when all of text[0..len) is a number of at most `max`; *ret is untouched otherwise. */
bool num_parse_u64(const char *text, size_t len, uint64_t max, uint64_t *ret);

/* The same for lower-case hexadecimal digits, at most 16 of them. */
bool num_parse_hex(const char *text, size_t len, uint64_t *ret);

/* What printf has printed as a number, read back. */
double num_read_double(const char *text);

/* Writes the digits without a NUL; returns how many (at most NUM_U64_MAX_LEN). */
size_t num_format_u64(char *to, uint64_t number);

/* The number that the lowest `count` (1 to 8) bytes of a word of digits 0..9 are, the first digit lowest. */
static inline uint64_t num_sum_digits(uint64_t digits, unsigned count)
{
    digits <<= 64 - 8 * count;
    digits = (digits * 10 + (digits >> 8)) & 0x00ff00ff00ff00ffULL;
    digits = (digits * 100 + (digits >> 16)) & 0x0000ffff0000ffffULL;
    return (digits * 10000 + (digits >> 32)) & 0xffffffffULL;
}
