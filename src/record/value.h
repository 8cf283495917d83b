/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One value read from foreign text, checked against what its field may hold (contract.md 20). */

#include <stddef.h>

#include "base/fault.h"
#include "record/record.h"

/*
 * The value of one field, without separators: `-` is absent; digits become a number within the field's bound,
 * milliseconds in a time become seconds (record.md 5.5); addresses, actions and statuses are checked and stay
 * text that points into `text`. Words must be free of spaces and control characters already: the caller
 * splits on them. -EINVAL with the reason.
 */
int value_parse(struct value *ret, enum field_id field, const char *text, size_t len,
                struct fault *fault) MUST_USE;

/* The same of text that was not cut out of a line, such as a JSON string: a space in it is refused, too. */
int value_parse_string(struct value *ret, enum field_id field, const char *text, size_t len,
                       struct fault *fault) MUST_USE;

/* A number that some other notation held, against the field's bound. */
int value_check_number(struct value *ret, enum field_id field, uint64_t number, struct fault *fault) MUST_USE;

/* Length of the sequence that they begin with, 0 when it is none: RFC 3629, without overlong forms and
 * surrogates.
 */
size_t value_utf8_sequence(const char *bytes, size_t len);
bool value_is_utf8(const char *text, size_t len);

/* What of `text` fits a message, with unprintable bytes as '?'; returns `to`. */
#define VALUE_EXCERPT_MAX 64
const char *value_excerpt(char to[static VALUE_EXCERPT_MAX], const char *text, size_t len);
