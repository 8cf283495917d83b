/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ask.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/fault.h"

void ask_print_json(struct buf *to, const json_t *answer)
{
    char *text AUTO_FREE = json_dumps(answer, JSON_COMPACT);
    if (text)
        buf_text(to, text);
    else
        to->failed = true;
    buf_char(to, '\n');
}

int ask_exit_status(int error)
{
    switch (error) {
    case -ECONNREFUSED:
    case -ETIMEDOUT:
    case -EACCES:
    case -EPERM:
        return EXIT_UNREACHABLE;
    default:
        return EXIT_DATA;
    }
}

const char *ask_text(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text ? text : "";
}
