/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The functions of the query language and what they are in SQL. */

#include "insights/expression.h"

#define FUNCTION_ARGUMENTS_MAX 16

struct function {
    const char *name;
    /* What each argument is taken as: `n` number, `t` text, `v` any value, `o` what can be ordered (text,
     * time or else a number), `p` period; `*` behind the last: any number of them. */
    const char *arguments;
    const char *sql; /* $1, $2…; $* all with commas; $T the record's time */
    enum kind result;
    bool result_as_argument; /* the kind of the first argument instead */
    bool is_aggregate;
};

/* NULL when there is none that takes so many; *ret_named tells whether there is one of that name at all. */
const struct function *function_find(const char *name, size_t arguments, bool *ret_named);

/* The letter for an argument, counted from 0. */
char function_argument(const struct function *function, size_t index);

/* Whether the first argument of functions of that name is a period, which is no expression. */
bool function_takes_period(const char *name, size_t index);

const char *function_nearest(const char *name);
