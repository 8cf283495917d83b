/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CELLS_MAX (16 * 1024 * 1024)
#define GAP 2
#define WRAPPED_MIN 20 /* a narrower last column is not worth wrapping */

void table_init(struct table *table, const char *const *columns)
{
    *table = (struct table){.cells = BUF_INIT(CELLS_MAX)};
    while (columns[table->columns])
        table->columns++;
    table_add(table, columns);
}

void table_done(struct table *table)
{
    buf_done(&table->cells);
}

void table_add(struct table *table, const char *const *cells)
{
    for (size_t i = 0; i < table->columns; i++) {
        size_t len = strlen(cells[i]);
        buf_append(&table->cells, cells[i], len + 1);
        if (len > table->widths[i])
            table->widths[i] = len;
    }
    table->rows++;
}

/* Text in lines of `room` bytes from column `indent` on; 0 is one line. */
static void print_last(struct buf *to, const char *text, size_t indent, size_t room)
{
    for (;;) {
        size_t len = strlen(text);
        if (room == 0 || len <= room)
            break;
        const char *space = memrchr(text, ' ', room + 1);
        if (!space)
            break;
        buf_append(to, text, (size_t)(space - text));
        buf_printf(to, "\n%*s", (int)indent, "");
        text = space + 1;
    }
    buf_text(to, text);
    buf_char(to, '\n');
}

void table_print(const struct table *table, size_t width, struct buf *to)
{
    size_t indent = 0;
    for (size_t i = 0; i + 1 < table->columns; i++)
        indent += table->widths[i] + GAP;
    size_t room = width >= indent + WRAPPED_MIN ? width - indent : 0;
    const char *cell = table->cells.data;
    for (size_t row = 0; row < table->rows && !table->cells.failed; row++) {
        for (size_t i = 0; i + 1 < table->columns; i++) {
            buf_printf(to, "%-*s", (int)(table->widths[i] + GAP), cell);
            cell += strlen(cell) + 1;
        }
        print_last(to, cell, indent, room);
        cell += strlen(cell) + 1;
    }
    to->failed |= table->cells.failed;
}

size_t table_terminal_width(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return 0;
    return size.ws_col;
}
