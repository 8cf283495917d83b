/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Filter patterns of CloudWatch Logs (FilterLogEvents) as a condition of DuckDB's SQL: terms, `?either`,
 * `-not`, "phrases", %expressions%, and `[name, name op value, ...]` for events with fields between spaces.
 */

#include "base/buf.h"
#include "base/fault.h"

#define PATTERN_MAX 1024 /* characters (AWS) */

/* `column` is SQL for the event's text. -EINVAL says what is wrong and where. */
int pattern_translate(const char *pattern, const char *column, struct buf *to, struct fault *fault) MUST_USE;
