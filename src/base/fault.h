/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What went wrong, for a person to act on. Functions return 0 or a negative errno; those whose failure a
 * user must mend also fill a fault through their last parameter, which may be NULL. Library folders never
 * print: only src/cli and src/daemon do.
 */

#include <stdarg.h>

#include "base/macro.h"

struct fault {
    char text[1024]; /* one line: what, where, and what to do; empty when nothing failed */
};

/* Stores the message (newlines become spaces) and returns `error`, so that callers can `return fault_set(…)`.
 */
int fault_set(struct fault *fault, int error, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " before what the fault already says. */
void fault_prefix(struct fault *fault, const char *format, ...) PRINTF_LIKE(2, 3);

/* Exit statuses of both programs, the same everywhere. */
enum exit_status {
    EXIT_DONE = 0,
    EXIT_NO = 1,          /* nothing found, expectation not met, bad lines under --strict */
    EXIT_USAGE = 2,       /* wrong usage or configuration */
    EXIT_UNREACHABLE = 3, /* the daemon or a service does not answer */
    EXIT_DATA = 4,        /* input, output or data error */
};
