/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Texts, each held once and numbered from 0 in the order in which they first came. */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macro.h"

struct dictionary_text {
    uint32_t offset; /* in bytes */
    uint32_t len;
};

struct dictionary_slot {
    uint32_t hash;
    uint32_t number; /* + 1; 0 is empty */
};

struct dictionary {
    struct buf bytes;
    struct dictionary_text *texts;
    uint32_t count;
    uint32_t capacity;
    struct dictionary_slot *slots;
    uint32_t slot_count;
};

#define DICTIONARY_BYTES_MAX (1UL << 30)
#define DICTIONARY_INIT                                                                                      \
    (struct dictionary)                                                                                      \
    {                                                                                                        \
        .bytes = BUF_INIT(DICTIONARY_BYTES_MAX)                                                              \
    }

/* The text's number. -ENOMEM. */
int dictionary_add(struct dictionary *dictionary, const char *text, size_t len, uint32_t *ret) MUST_USE;

static inline const char *dictionary_bytes(const struct dictionary *dictionary, uint32_t number)
{
    return dictionary->bytes.data + dictionary->texts[number].offset;
}

/* Forgets the texts and keeps the memory. */
void dictionary_clear(struct dictionary *dictionary);
void dictionary_done(struct dictionary *dictionary);
