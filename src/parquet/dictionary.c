/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/dictionary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define SLOTS_FIRST 64

static bool is_text(const struct dictionary *dictionary, uint32_t number, const char *text, size_t len)
{
    return dictionary->texts[number].len == len &&
           memcmp(dictionary_bytes(dictionary, number), text, len) == 0;
}

/* Where the text stands, or the empty slot that it belongs into. */
static struct dictionary_slot *find_slot(const struct dictionary *dictionary, uint32_t hash, const char *text,
                                         size_t len)
{
    uint32_t mask = dictionary->slot_count - 1;
    struct dictionary_slot *slot = &dictionary->slots[hash & mask];
    while (slot->number && (slot->hash != hash || !is_text(dictionary, slot->number - 1, text, len)))
        slot = &dictionary->slots[(slot - dictionary->slots + 1) & mask];
    return slot;
}

static void rehash(struct dictionary *dictionary, const struct dictionary_slot *old, uint32_t old_count)
{
    uint32_t mask = dictionary->slot_count - 1;
    for (uint32_t i = 0; i < old_count; i++) {
        uint32_t at = old[i].hash & mask;
        while (old[i].number && dictionary->slots[at].number)
            at = (at + 1) & mask;
        if (old[i].number)
            dictionary->slots[at] = old[i];
    }
}

/* Room for a text more; at most half of the slots are taken. */
static int grow(struct dictionary *dictionary)
{
    uint32_t slot_count = dictionary->slot_count ? dictionary->slot_count * 2 : SLOTS_FIRST;
    uint32_t capacity = slot_count / 2;
    struct dictionary_text *texts = reallocarray(dictionary->texts, capacity, sizeof *texts);
    if (!texts)
        return -ENOMEM;
    dictionary->texts = texts;
    struct dictionary_slot *old = dictionary->slots;
    struct dictionary_slot *slots = calloc(slot_count, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    uint32_t old_count = dictionary->slot_count;
    dictionary->slots = slots;
    dictionary->slot_count = slot_count;
    dictionary->capacity = capacity;
    rehash(dictionary, old, old_count);
    free(old);
    return 0;
}

int dictionary_add(struct dictionary *dictionary, const char *text, size_t len, uint32_t *ret)
{
    if (dictionary->count == dictionary->capacity && grow(dictionary) < 0)
        return -ENOMEM;
    uint32_t hash = (uint32_t)hash_bytes(text, len, 0);
    struct dictionary_slot *slot = find_slot(dictionary, hash, text, len);
    if (!slot->number) {
        size_t offset = dictionary->bytes.len;
        buf_append(&dictionary->bytes, text, len);
        if (dictionary->bytes.failed)
            return -ENOMEM;
        dictionary->texts[dictionary->count] =
            (struct dictionary_text){.offset = (uint32_t)offset, .len = (uint32_t)len};
        *slot = (struct dictionary_slot){.hash = hash, .number = ++dictionary->count};
    }
    *ret = slot->number - 1;
    return 0;
}

void dictionary_clear(struct dictionary *dictionary)
{
    buf_clear(&dictionary->bytes);
    dictionary->count = 0;
    if (dictionary->slots)
        memset(dictionary->slots, 0, dictionary->slot_count * sizeof *dictionary->slots);
}

void dictionary_done(struct dictionary *dictionary)
{
    buf_done(&dictionary->bytes);
    free(dictionary->texts);
    free(dictionary->slots);
    *dictionary = DICTIONARY_INIT;
}
