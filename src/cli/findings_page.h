/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Findings as a page that needs nothing but a browser: no script, nothing from elsewhere, everything escaped.
 */

#include "answer/findings.h"
#include "base/buf.h"

void findings_page(const struct findings *findings, const struct whatif *whatif, struct buf *to);
