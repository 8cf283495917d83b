/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fault.h"

#include <stdio.h>
#include <string.h>

static void flatten(char *text)
{
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

int fault_set(struct fault *fault, int error, const char *format, ...)
{
    if (!fault)
        return error;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(fault->text, sizeof fault->text, format, arguments);
    va_end(arguments);
    flatten(fault->text);
    return error;
}

void fault_prefix(struct fault *fault, const char *format, ...)
{
    if (!fault)
        return;
    struct fault before = *fault;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(fault->text, sizeof fault->text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof fault->text)
        return;
    size_t room = sizeof fault->text - (size_t)length;
    (void)snprintf(fault->text + length, room, ": %.*s", (int)(room > 3 ? room - 3 : 0), before.text);
    flatten(fault->text);
}
