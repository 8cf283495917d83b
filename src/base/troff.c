/* SPDX-License-Identifier: Apache-2.0 */
#include "base/troff.h"

#include <string.h>

void troff_text(struct buf *buf, const char *text, size_t len)
{
    if (len > 0 && (text[0] == '.' || text[0] == '\''))
        buf_text(buf, "\\&");
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '-')
            buf_text(buf, "\\-");
        else if (text[i] == '\\')
            buf_text(buf, "\\e");
        else
            buf_char(buf, text[i]);
    }
}

void troff_line(struct buf *buf, const char *text)
{
    troff_text(buf, text, strlen(text));
    buf_char(buf, '\n');
}
