/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Records as AWS text lines and as JSON lines. */

#include "base/buf.h"
#include "base/fault.h"
#include "record/format.h"
#include "record/record.h"

/* One line with its newline. The version column prints the format's version. */
void record_write_text(struct buf *buf, const struct format *format, const struct record *record);

/* One object per line: field names with hyphens, numbers as numbers, absent as null (contract.md 2). */
void record_write_json(struct buf *buf, const struct format *format, const struct record *record);

/*
 * Parses one line (without its line end) by the format; values point into `line`, addresses into `addresses`
 * (one slot per field of the format, caller's). -EINVAL with the reason (contract.md 20).
 */
struct address;
int record_parse_text(struct record *record, const struct format *format, const char *line, size_t len,
                      struct address *addresses, struct fault *fault) MUST_USE;
