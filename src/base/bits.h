/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sets of small numbers, a bit each: an array of BITS_WORDS(numbers) words, zeroed to begin with. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITS_WORDS(numbers) (((numbers) + 63) / 64)

static inline bool bits_has(const uint64_t *words, size_t number)
{
    return words[number / 64] >> number % 64 & 1;
}

static inline void bits_add(uint64_t *words, size_t number)
{
    words[number / 64] |= 1ULL << number % 64;
}

static inline void bits_remove(uint64_t *words, size_t number)
{
    words[number / 64] &= ~(1ULL << number % 64);
}

/* Whether there is no number in it. */
static inline bool bits_none(const uint64_t *words, size_t word_count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < word_count; i++)
        all |= words[i];
    return !all;
}
