/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Records as comma-separated values (RFC 4180): a header line with the field names, empty cells for `-`. */

#include "base/buf.h"
#include "record/format.h"
#include "record/record.h"

void record_write_csv_header(struct buf *buf, const struct format *format);
void record_write_csv(struct buf *buf, const struct format *format, const struct record *record);

/* One cell, in quotes where it has to be. */
void csv_write_cell(struct buf *buf, const char *text, size_t len);
