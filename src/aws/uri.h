/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Percent-encoding as SigV4 wants it: everything but A-Z a-z 0-9 - . _ ~, digits in upper case. */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* `keep_slash`: for a path, whose slashes stay. */
void uri_encode(struct buf *buf, const char *text, size_t len, bool keep_slash);

/* Undoes every %XX; what is no such triple stays as it is, and so does a plus sign. */
void uri_decode(struct buf *buf, const char *text, size_t len);
