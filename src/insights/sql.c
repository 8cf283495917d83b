/* SPDX-License-Identifier: Apache-2.0 */
#include "insights/sql.h"

#include <string.h>

static void quote(struct buf *to, const char *text, size_t len, char mark)
{
    buf_char(to, mark);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == mark)
            buf_char(to, mark);
        buf_char(to, text[i]);
    }
    buf_char(to, mark);
}

void sql_text(struct buf *to, const char *text, size_t len)
{
    quote(to, text, len, '\'');
}

void sql_name(struct buf *to, const char *name, size_t len)
{
    quote(to, name, len, '"');
}

void sql_literal_pattern(struct buf *to, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] && strchr("\\^$.|?*+()[]{}", text[i]))
            buf_char(to, '\\');
        buf_char(to, text[i]);
    }
}
