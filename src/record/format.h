/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A record format: which fields, in which order (record.md 2, 3 and 6). */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "record/field.h"

#define FORMAT_FIELDS_MAX 256 /* a field may be listed more than once */

struct format {
    uint16_t count;
    uint8_t version; /* what ${version} prints: the highest version among AWS's fields, at least 2 */
    uint8_t fields[FORMAT_FIELDS_MAX]; /* enum field_id, or FIELD_UNKNOWN */
};

/*
 * "default" (14 fields), "all" (54 VPC fields in table order, then ours), "transit-gateway" (AWS's 36 for
 * them), or "${a} ${b}" exactly as AWS takes it, also in single quotes. -EINVAL with position and, for an
 * unknown name, the nearest one.
 */
int format_parse(struct format *format, const char *text, struct fault *fault) MUST_USE;

/* The 14 fields of version 2. */
void format_set_default(struct format *format);

/* No columns. */
void format_clear(struct format *format);

/* Appends a column; -E2BIG beyond FORMAT_FIELDS_MAX. */
int format_add(struct format *format, unsigned field) MUST_USE;

bool format_has(const struct format *format, enum field_id field);

/* The field a column or JSON member of that name holds (`_` is read as `-`), or -1. */
int format_find_column(const char *name, size_t len);

/*
 * From a header line "version account-id …" (names separated by spaces). Unknown names become
 * FIELD_UNKNOWN columns: the return is their number, and the fault names the first of them. -EINVAL when the
 * line is no header: less than half of it are field names.
 */
int format_parse_header(struct format *format, const char *line, size_t len, struct fault *fault) MUST_USE;

/* Back to "${a} ${b}", and the header line "a b" without newline. */
void format_print(const struct format *format, struct buf *buf);
void format_print_header(const struct format *format, struct buf *buf);
