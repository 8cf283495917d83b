/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Records as JSON lines: one object each, field names with hyphens, numbers as numbers (contract.md 2). */

#include <jansson.h>

#include "base/buf.h"
#include "base/fault.h"
#include "record/format.h"
#include "record/record.h"

/* In quotes, with what JSON wants escaped; the text is UTF-8. */
void json_write_string(struct buf *buf, const char *text, size_t len);

/* `before`, then the text in quotes, or null where it is NULL. */
void json_write_member(struct buf *buf, const char *before, const char *text);

/* One object with its newline, absent values as null; a field listed twice comes once. */
void record_write_json(struct buf *buf, const struct format *format, const struct record *record);

/*
 * Reads an object's members whose names are fields (`_` is read as `-`), others are passed over; null and "-"
 * are absent. The record is cleared first; its text belongs to `object`. `format` gets the fields that were
 * there. -EINVAL with the reason.
 */
int record_read_json(struct record *record, struct format *format, const json_t *object,
                     struct fault *fault) MUST_USE;
