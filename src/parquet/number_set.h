/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The distinct numbers of a column, if they are few enough to be worth being held once. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct number_set;

/* NULL when memory ran out. */
struct number_set *number_set_new(void);
void number_set_free(struct number_set *set);

/* False when there are none, or too many. */
bool number_set_find(struct number_set *set, const int64_t *values, uint32_t count, uint32_t *ret_distinct);

/* Those found last, in the order of their numbers. */
const int64_t *number_set_values(const struct number_set *set);

/* The number of each value among those found last, of the same values. */
void number_set_number(const struct number_set *set, const int64_t *values, uint32_t count, uint32_t *ret);
