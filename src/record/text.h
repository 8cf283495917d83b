/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Records as AWS text lines: fields separated by single spaces, `-` where there is no value (record.md 1). */

#include "base/buf.h"
#include "base/fault.h"
#include "record/format.h"
#include "record/record.h"

/* One line with its newline. The version column prints the format's version. */
void record_write_text(struct buf *buf, const struct format *format, const struct record *record);

/*
 * Parses one line (without its line end) by the format: sets the format's fields, leaves the others. Numbers
 * become numbers; words and addresses stay text that points into `line`. -EINVAL with the reason (contract.md
 * 20).
 */
int record_parse_text(struct record *record, const struct format *format, const char *line, size_t len,
                      struct fault *fault) MUST_USE;

/*
 * Percent-encodes a tag or rule text so that it is one field: RFC 3986's unreserved characters stay
 * (record.md 5.14). "" stays "": absent.
 */
void record_encode_text(struct buf *buf, const char *text, size_t len);
