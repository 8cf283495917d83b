/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a person should hear of, when it happens. Called from any thread. */

#include "base/log.h"
#include "base/macro.h"

struct report {
    void (*say)(void *context, enum log_level level, const char *text);
    void *context;
};

void report_say(const struct report *report, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);
