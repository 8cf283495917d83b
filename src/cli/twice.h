/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Inputs that have to be read twice: a pipe is kept in a temporary file that has no name. */

#include <stddef.h>

#include "base/fault.h"
#include "base/macro.h"

/* A name under which the input can be read any number of times. */
struct twice {
    const char *name; /* as the user wrote it, for messages; borrowed */
    const char *path; /* what to open */
    char own_path[32];
    int fd; /* of what was kept; -1 for none */
};

/* `name` "-" is standard input. The struct must stay in place until twice_close. */
int twice_open(struct twice *ret, const char *name, struct fault *fault) MUST_USE;

/* Of text that is no file. */
int twice_open_text(struct twice *ret, const char *name, const char *text, size_t len,
                    struct fault *fault) MUST_USE;
void twice_close(struct twice *twice);
