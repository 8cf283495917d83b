/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/xml.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <expat.h>

struct search {
    const char *element;
    struct buf *text;
    bool inside;
    bool found;
};

static void on_start(void *opaque, const char *name, const char **attributes)
{
    struct search *search = opaque;
    search->inside = !search->found && strcmp(name, search->element) == 0;
}

static void on_text(void *opaque, const char *text, int len)
{
    struct search *search = opaque;
    if (search->inside)
        buf_append(search->text, text, (size_t)len);
}

static void on_end(void *opaque, const char *name)
{
    struct search *search = opaque;
    search->found |= search->inside;
    search->inside = false;
}

int xml_find_text(const char *document, size_t len, const char *element, struct buf *ret)
{
    struct search search = {.element = element, .text = ret};
    if (len == 0 || len > INT_MAX)
        return -EBADMSG;
    XML_Parser parser = XML_ParserCreate(NULL);
    if (!parser)
        return -ENOMEM;
    XML_SetUserData(parser, &search);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    bool valid = XML_Parse(parser, document, (int)len, 1) == XML_STATUS_OK;
    XML_ParserFree(parser);
    if (ret->failed)
        return -EFBIG;
    if (!search.found)
        return valid ? -ENOENT : -EBADMSG;
    return 0;
}
