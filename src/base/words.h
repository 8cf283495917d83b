/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Lists of words as tables have them: "a|b|c". */

#include <stddef.h>

/* The word at a place, counted from 0, and its length; NULL behind the last. */
const char *words_at(const char *words, unsigned index, size_t *ret_len);

/* The place of the word, in the same case, or -1. */
int words_find(const char *words, const char *word, size_t len);
