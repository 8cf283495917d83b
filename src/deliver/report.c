/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/report.h"

#include <stdarg.h>
#include <stdio.h>

void report_say(const struct report *report, enum log_level level, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    if (!report->say)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    report->say(report->context, level, text);
}
