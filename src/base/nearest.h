/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For "did you mean": which of some names is nearest to what was written. */

#include <stddef.h>

#define NEAREST_LEN_MAX 64 /* what is longer counts as its first 64 bytes */

struct nearest {
    const char *wanted;
    size_t len;
    const char *name;  /* the best so far, borrowed; NULL before the first */
    unsigned distance; /* of it */
};

/* Show it each candidate; it keeps the nearest, of equal ones the first. */
void nearest_consider(struct nearest *nearest, const char *candidate);

/* Insertions, deletions and replacements that make one of the other, without regard to case. */
unsigned nearest_distance(const char *a, size_t a_len, const char *b, size_t b_len);
