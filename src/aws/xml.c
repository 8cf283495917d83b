/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/xml.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <libxml/parser.h>

struct reading {
    const struct xml_visitor *visitor;
    void *context;
};

static void on_start(void *opaque, const xmlChar *name, const xmlChar **attributes)
{
    const struct reading *reading = opaque;
    reading->visitor->start(reading->context, (const char *)name);
}

static void on_text(void *opaque, const xmlChar *text, int len)
{
    const struct reading *reading = opaque;
    reading->visitor->text(reading->context, (const char *)text, (size_t)len);
}

static void on_end(void *opaque, const xmlChar *name)
{
    const struct reading *reading = opaque;
    reading->visitor->end(reading->context, (const char *)name);
}

/* Nobody takes note of entities that a document declares: one that uses them is wrong, and none can grow. */
int xml_read(const char *document, size_t len, const struct xml_visitor *visitor, void *context)
{
    struct reading reading = {visitor, context};
    xmlSAXHandler handler = {
        .startElement = on_start, .endElement = on_end, .characters = on_text, .cdataBlock = on_text};
    if (len == 0 || len > INT_MAX)
        return -EBADMSG;
    int r = xmlSAXUserParseMemory(&handler, &reading, document, (int)len);
    if (r == XML_ERR_NO_MEMORY)
        return -ENOMEM;
    return r == 0 ? 0 : -EBADMSG;
}

struct search {
    const char *element;
    struct buf *text;
    bool inside;
    bool found;
};

static void search_start(void *context, const char *name)
{
    struct search *search = context;
    search->inside = !search->found && strcmp(name, search->element) == 0;
}

static void search_text(void *context, const char *text, size_t len)
{
    const struct search *search = context;
    if (search->inside)
        buf_append(search->text, text, len);
}

static void search_end(void *context, const char *name)
{
    struct search *search = context;
    search->found |= search->inside;
    search->inside = false;
}

int xml_find_text(const char *document, size_t len, const char *element, struct buf *ret)
{
    static const struct xml_visitor visitor = {search_start, search_text, search_end};
    struct search search = {.element = element, .text = ret};
    int r = xml_read(document, len, &visitor, &search);
    if (ret->failed)
        return -EFBIG;
    if (search.found)
        return 0;
    return r < 0 ? r : -ENOENT;
}
