/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Foreign text as SQL that means just that text. */

#include "base/buf.h"

/* 'text' */
void sql_text(struct buf *to, const char *text, size_t len);

/* "name" */
void sql_name(struct buf *to, const char *name, size_t len);

/* As a regular expression that matches the text alone, without quotes around it. */
void sql_literal_pattern(struct buf *to, const char *text, size_t len);
