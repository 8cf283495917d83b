/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Libraries that are loaded when they are first needed, since loading them costs every start milliseconds. */

#include <stddef.h>

#include "base/fault.h"
#include "base/macro.h"

struct dynamic_function {
    const char *name;
    size_t offset; /* of the pointer to it in the table that is filled */
};

/*
 * Fills the table with the functions of the first of `libraries` (ends with a NULL) that is there; it stays
 * loaded. `what`: for the message, who needs it. -ELIBACC.
 */
int dynamic_load(void *table, const char *const *libraries, const struct dynamic_function *functions,
                 size_t count, const char *what, struct fault *fault) MUST_USE;
