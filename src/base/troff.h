/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Text in manual pages. */

#include "base/buf.h"

/* One line of text, as it stands: hyphens can be copied as such, and no character is taken for a request. */
void troff_text(struct buf *buf, const char *text, size_t len);

/* The same for a string, with the end of the line. */
void troff_line(struct buf *buf, const char *text);
