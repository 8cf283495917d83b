/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Text lines back to records. */

#include "base/fault.h"
#include "record/format.h"
#include "record/record.h"

/*
 * Parses one line (without its line end) by the format: sets the format's fields, leaves the others. Numbers
 * become numbers; words and addresses stay text that points into `line`. -EINVAL with the reason (contract.md
 * 20).
 */
int record_parse_text(struct record *record, const struct format *format, const char *line, size_t len,
                      struct fault *fault) MUST_USE;

/*
 * The same for the usual line: true when it was one, else nothing is known of the record. Each value of such
 * a line stands in it just as record_write_text() writes it.
 */
bool record_parse_usual(struct record *record, const struct format *format, const char *line,
                        size_t len) MUST_USE;

/* The same by one plain rule per field and without the short cuts; the tests hold one against the other. */
int record_parse_plainly(struct record *record, const struct format *format, const char *line, size_t len,
                         struct fault *fault) MUST_USE;
