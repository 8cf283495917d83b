/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Columns of text for people: aligned, two spaces between, the last one wrapped on a terminal. */

#include <stddef.h>

#include "base/buf.h"

#define TABLE_COLUMNS_MAX 16

struct table {
    size_t columns;
    size_t widths[TABLE_COLUMNS_MAX];
    struct buf cells; /* NUL-terminated, row by row */
    size_t rows;
};

/* `columns` heads the table and says how many columns it has; ends with a NULL. */
void table_init(struct table *table, const char *const *columns);
void table_done(struct table *table);

/* As many cells as there are columns; copied. */
void table_add(struct table *table, const char *const *cells);

/* `width` characters of a line, 0 for any number. */
void table_print(const struct table *table, size_t width, struct buf *to);

/* Of standard output when it is a terminal, else 0. */
size_t table_terminal_width(void);
