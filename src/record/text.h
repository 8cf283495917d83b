/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Records as AWS text lines: fields separated by single spaces, `-` where there is no value (record.md 1). */

#include "base/buf.h"
#include "record/format.h"
#include "record/record.h"

/* One line with its newline. The version column prints the format's version. */
void record_write_text(struct buf *buf, const struct format *format, const struct record *record);

/*
 * Percent-encodes a tag or rule text so that it is one field: RFC 3986's unreserved characters stay
 * (record.md 5.14). "" stays "": absent.
 */
void record_encode_text(struct buf *buf, const char *text, size_t len);
