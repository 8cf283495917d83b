/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon's log: one line per event on standard error, "<priority>" prefixed when systemd reads it.
 * Error: we give up something; warning: we go on and the text says so.
 */

#include "base/macro.h"

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

void log_set_level(enum log_level level);
void log_line(enum log_level level, const char *component, const char *format, ...) PRINTF_LIKE(3, 4);

#define log_error(component, ...) log_line(LOG_LEVEL_ERROR, component, __VA_ARGS__)
#define log_warning(component, ...) log_line(LOG_LEVEL_WARNING, component, __VA_ARGS__)
#define log_info(component, ...) log_line(LOG_LEVEL_INFO, component, __VA_ARGS__)
#define log_debug(component, ...) log_line(LOG_LEVEL_DEBUG, component, __VA_ARGS__)
