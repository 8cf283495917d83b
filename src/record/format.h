/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A record format: which fields, in which order (record.md 2, 3 and 6). */

#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "record/field.h"

#define FORMAT_FIELDS_MAX 256 /* a field may be listed more than once */

struct format {
    uint16_t count;
    uint8_t version; /* what ${version} prints: the highest version among the fields; 2 for the default */
    uint8_t fields[FORMAT_FIELDS_MAX]; /* enum field_id */
};

/* "default" (14 fields), "all" (54 VPC fields in table order, then ours), or "${a} ${b}" exactly as AWS takes
 * it. -EINVAL with position and, for an unknown name, the nearest one. */
int format_parse(struct format *format, const char *text, struct fault *fault) MUST_USE;

/* From a header line "version account-id …" (names separated by single spaces; `_` is read as `-`). */
int format_parse_header(struct format *format, const char *line, size_t len, struct fault *fault) MUST_USE;

/* Back to "${a} ${b}", and the header line "a b" without newline. */
void format_print(const struct format *format, struct buf *buf);
void format_print_header(const struct format *format, struct buf *buf);
