/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The XML documents that S3 and STS answer with. */

#include <stddef.h>

#include "base/buf.h"
#include "base/macro.h"

/* Names are as they stand, namespaces are not looked at; a text may come in pieces. */
struct xml_visitor {
    void (*start)(void *context, const char *name);
    void (*text)(void *context, const char *text, size_t len);
    void (*end)(void *context, const char *name);
};

/* -EBADMSG when this is no XML, after what could be read; -ENOMEM. */
int xml_read(const char *document, size_t len, const struct xml_visitor *visitor, void *context) MUST_USE;

/*
 * Appends the text of the first element with that name, wherever it stands; namespaces are not looked at. 0,
 * or -ENOENT when there is none, -EBADMSG when this is no XML, -EFBIG when the text is larger than the
 * buffer.
 */
int xml_find_text(const char *document, size_t len, const char *element, struct buf *ret) MUST_USE;
