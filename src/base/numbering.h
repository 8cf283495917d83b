/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Numbers 0, 1, 2, … for distinct keys of one size, in the order in which they come; what belongs to a key is
 * kept by the caller in arrays of its own. Keys are compared byte by byte: they have no padding.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_NONE UINT32_MAX

/* Zeroed but for the first two members to begin with. */
struct numbering {
    size_t key_size;
    uint32_t max_count;
    uint32_t count;
    uint8_t *keys;   /* owned; count of them */
    uint32_t *slots; /* owned; number + 1, 0 is free */
    size_t mask;
    size_t capacity; /* of keys */
    uint64_t seed;   /* so that nobody outside can choose keys that collide */
};

/* The key's number, a new one if need be; NUMBER_NONE at max_count or without memory. */
uint32_t numbering_add(struct numbering *numbering, const void *key);

/* NUMBER_NONE when there is none. */
uint32_t numbering_find(const struct numbering *numbering, const void *key);

static inline const void *numbering_key(const struct numbering *numbering, uint32_t number)
{
    return numbering->keys + number * numbering->key_size;
}

void numbering_done(struct numbering *numbering);
