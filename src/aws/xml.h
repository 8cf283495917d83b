/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One text out of the small XML documents that S3 and STS answer with. */

#include <stddef.h>

#include "base/buf.h"
#include "base/macro.h"

/*
 * Appends the text of the first element with that name, wherever it stands; namespaces are not looked at. 0,
 * or -ENOENT when there is none, -EBADMSG when this is no XML, -EFBIG when the text is larger than the
 * buffer.
 */
int xml_find_text(const char *document, size_t len, const char *element, struct buf *ret) MUST_USE;
