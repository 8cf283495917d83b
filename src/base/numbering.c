/* SPDX-License-Identifier: Apache-2.0 */
#include "base/numbering.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"

enum { SLOTS_MIN = 256 };

/* The slot of the key, or the free one where it would go. */
static uint32_t *slot_of(const struct numbering *numbering, const void *key)
{
    size_t at = hash_bytes(key, numbering->key_size, numbering->seed) & numbering->mask;
    while (numbering->slots[at] &&
           memcmp(numbering_key(numbering, numbering->slots[at] - 1), key, numbering->key_size) != 0)
        at = (at + 1) & numbering->mask;
    return &numbering->slots[at];
}

static bool grow_keys(struct numbering *numbering)
{
    size_t capacity = numbering->capacity ? numbering->capacity * 2 : SLOTS_MIN / 2;
    uint8_t *keys = reallocarray(numbering->keys, capacity, numbering->key_size);
    if (!keys)
        return false;
    numbering->keys = keys;
    numbering->capacity = capacity;
    return true;
}

static bool grow_slots(struct numbering *numbering)
{
    size_t size = numbering->slots ? (numbering->mask + 1) * 2 : SLOTS_MIN;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (!slots)
        return false;
    if (!numbering->slots && getrandom(&numbering->seed, sizeof numbering->seed, 0) < 0)
        numbering->seed = (uintptr_t)numbering; /* better than none */
    free(numbering->slots);
    numbering->slots = slots;
    numbering->mask = size - 1;
    for (uint32_t number = 0; number < numbering->count; number++)
        *slot_of(numbering, numbering_key(numbering, number)) = number + 1;
    return true;
}

uint32_t numbering_find(const struct numbering *numbering, const void *key)
{
    return numbering->slots ? *slot_of(numbering, key) - 1 : NUMBER_NONE;
}

uint32_t numbering_add(struct numbering *numbering, const void *key)
{
    uint32_t found = numbering_find(numbering, key);
    if (found != NUMBER_NONE || numbering->count >= numbering->max_count)
        return found;
    if (numbering->count == numbering->capacity && !grow_keys(numbering))
        return NUMBER_NONE;
    if ((!numbering->slots || ((size_t)numbering->count + 1) * 3 > (numbering->mask + 1) * 2) &&
        !grow_slots(numbering))
        return NUMBER_NONE;
    memcpy(numbering->keys + numbering->count * numbering->key_size, key, numbering->key_size);
    *slot_of(numbering, key) = numbering->count + 1;
    return numbering->count++;
}

void numbering_done(struct numbering *numbering)
{
    free(numbering->keys);
    free(numbering->slots);
    *numbering = (struct numbering){.key_size = numbering->key_size, .max_count = numbering->max_count};
}
