/* SPDX-License-Identifier: Apache-2.0 */
#include "base/words.h"

#include <string.h>

const char *words_at(const char *words, unsigned index, size_t *ret_len)
{
    for (; index > 0 && words; index--) {
        words = strchr(words, '|');
        words = words ? words + 1 : NULL;
    }
    *ret_len = words ? strcspn(words, "|") : 0;
    return words;
}

int words_find(const char *words, const char *word, size_t len)
{
    size_t found_len;
    const char *found;
    for (unsigned i = 0; (found = words_at(words, i, &found_len)); i++)
        if (found_len == len && memcmp(found, word, len) == 0)
            return (int)i;
    return -1;
}
