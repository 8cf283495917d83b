/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance with one row of its matrix. */
unsigned nearest_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned row[NEAREST_LEN_MAX + 1];
    a_len = a_len < NEAREST_LEN_MAX ? a_len : NEAREST_LEN_MAX;
    b_len = b_len < NEAREST_LEN_MAX ? b_len : NEAREST_LEN_MAX;
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            unsigned best = smallest(row[j] + 1, row[j - 1] + 1, diagonal + (same ? 0 : 1));
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

void nearest_consider(struct nearest *nearest, const char *candidate)
{
    unsigned distance = nearest_distance(nearest->wanted, nearest->len, candidate, strlen(candidate));
    if (nearest->name && distance >= nearest->distance)
        return;
    nearest->name = candidate;
    nearest->distance = distance;
}
