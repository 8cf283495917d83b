/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cli/cells.h"
#include "parquet/vector.h"
#include "record/csv.h"
#include "record/json.h"

#define OUTPUT_FULL (256UL * 1024)
#define OUTPUT_MAX (1024UL * 1024 * 1024)
#define HELD_MAX (64UL * 1024 * 1024)
#define WIDTH_ROWS 1000 /* whose cells decide how wide the columns of a table are */
#define GAP 2

struct rows {
    struct rows_options options;
    size_t count;
    char **names;
    bool *are_numbers; /* of the columns of a table: they stand on the right */
    size_t *widths;
    struct buf held; /* cells of a table whose widths are not known yet: length and text of each */
    uint64_t rows;
    struct buf out;
};

static void rows_free(struct rows *rows)
{
    for (size_t i = 0; rows->names && i < rows->count; i++)
        free(rows->names[i]);
    free(rows->names);
    free(rows->are_numbers);
    free(rows->widths);
    buf_done(&rows->held);
    buf_done(&rows->out);
    free(rows);
}

/* Characters of UTF-8, which is what a terminal counts. */
static size_t width_of(const char *text, size_t len)
{
    size_t width = 0;
    for (size_t i = 0; i < len; i++)
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    return width;
}

int rows_new(struct rows **ret, const struct rows_options *options, const char *const *names, size_t count)
{
    struct rows *rows = calloc(1, sizeof *rows);
    if (!rows)
        return -ENOMEM;
    rows->options = *options;
    if (options->form == ROWS_BY_OUTPUT)
        rows->options.form = isatty(STDOUT_FILENO) ? ROWS_TABLE : ROWS_TEXT;
    rows->count = count;
    rows->names = calloc(count, sizeof *rows->names);
    rows->are_numbers = calloc(count, sizeof *rows->are_numbers);
    rows->widths = calloc(count, sizeof *rows->widths);
    rows->held = BUF_INIT(HELD_MAX);
    rows->out = BUF_INIT(OUTPUT_MAX);
    bool failed = !rows->names || !rows->are_numbers || !rows->widths;
    for (size_t i = 0; i < count && !failed; i++) {
        rows->names[i] = strdup(names[i]);
        failed = !rows->names[i];
        rows->widths[i] = failed ? 0 : width_of(names[i], strlen(names[i]));
        rows->are_numbers[i] = true; /* until a text comes */
    }
    if (failed) {
        rows_free(rows);
        return -ENOMEM;
    }
    *ret = rows;
    return 0;
}

static int flush(struct rows *rows)
{
    int r = rows->out.failed ? -ENOMEM : file_write_all(STDOUT_FILENO, rows->out.data, rows->out.len);
    buf_clear(&rows->out);
    return r;
}

static void write_json(struct rows *rows, const struct cell *cells)
{
    struct buf *out = &rows->out;
    for (size_t i = 0; i < rows->count; i++) {
        buf_char(out, i ? ',' : '{');
        json_write_string(out, rows->names[i], strlen(rows->names[i]));
        buf_char(out, ':');
        if (cells[i].kind == CELL_NULL)
            buf_text(out, "null");
        else if (cells[i].kind == CELL_TEXT)
            json_write_string(out, cells[i].text, cells[i].len);
        else
            buf_append(out, cells[i].text, cells[i].len);
    }
    buf_text(out, "}\n");
}

static void write_csv(struct rows *rows, const struct cell *cells)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (i > 0)
            buf_char(&rows->out, ',');
        if (cells[i].kind != CELL_NULL)
            csv_write_cell(&rows->out, cells[i].text, cells[i].len);
    }
    buf_char(&rows->out, '\n');
}

static void write_encoded(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c == 0x7f)
            buf_printf(out, "%%%02X", c);
        else
            buf_char(out, (char)c);
    }
}

static void write_text(struct rows *rows, const struct cell *cells)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (i > 0)
            buf_char(&rows->out, ' ');
        if (cells[i].kind == CELL_NULL || cells[i].len == 0)
            buf_char(&rows->out, '-');
        else
            write_encoded(&rows->out, cells[i].text, cells[i].len);
    }
    buf_char(&rows->out, '\n');
}

/* A line of a table; control characters would spoil it. */
static void write_aligned(struct rows *rows, const struct cell *cells)
{
    struct buf *out = &rows->out;
    size_t spaces = 0;
    for (size_t i = 0; i < rows->count; i++) {
        bool absent = cells[i].kind == CELL_NULL;
        const char *text = absent ? "-" : cells[i].text;
        size_t len = absent ? 1 : cells[i].len;
        size_t width = width_of(text, len);
        size_t missing = rows->widths[i] > width ? rows->widths[i] - width : 0;
        buf_printf(out, "%*s", (int)(spaces + (rows->are_numbers[i] ? missing : 0)), "");
        for (size_t at = 0; at < len; at++)
            buf_char(out, (unsigned char)text[at] < ' ' ? '?' : text[at]);
        spaces = GAP + (rows->are_numbers[i] ? 0 : missing);
    }
    buf_char(out, '\n');
}

static void write_names(struct rows *rows)
{
    AUTO_FREE struct cell *cells = calloc(rows->count, sizeof *cells);
    if (!cells) {
        rows->out.failed = true;
        return;
    }
    for (size_t i = 0; i < rows->count; i++)
        cells[i] = (struct cell){.text = rows->names[i], .len = strlen(rows->names[i]), .kind = CELL_TEXT};
    if (rows->options.form == ROWS_TABLE)
        write_aligned(rows, cells);
    else if (rows->options.form == ROWS_CSV)
        write_csv(rows, cells);
    else if (rows->options.form == ROWS_TEXT && rows->options.header)
        write_text(rows, cells);
}

/* Keeps a row of a table until the widths are known. */
static void hold(struct rows *rows, const struct cell *cells)
{
    for (size_t i = 0; i < rows->count; i++) {
        size_t width = cells[i].kind == CELL_NULL ? 1 : width_of(cells[i].text, cells[i].len);
        if (width > rows->widths[i])
            rows->widths[i] = width;
        if (cells[i].kind != CELL_NULL && cells[i].kind != CELL_NUMBER)
            rows->are_numbers[i] = false;
        buf_append(&rows->held, &cells[i], sizeof cells[i]);
        buf_append(&rows->held, cells[i].text, cells[i].len);
    }
}

/* The widths are known: prints what is held. */
static void release(struct rows *rows)
{
    AUTO_FREE struct cell *cells = calloc(rows->count, sizeof *cells);
    rows->out.failed |= rows->held.failed || !cells;
    if (rows->out.failed)
        return;
    write_names(rows);
    const char *at = rows->held.data;
    const char *end = at + rows->held.len;
    while (at < end) {
        for (size_t i = 0; i < rows->count; i++) {
            memcpy(&cells[i], at, sizeof cells[i]);
            cells[i].text = at + sizeof cells[i];
            at += sizeof cells[i] + cells[i].len;
        }
        write_aligned(rows, cells);
    }
    buf_done(&rows->held);
    rows->held = BUF_INIT(HELD_MAX);
}

int rows_add(struct rows *rows, const struct cell *cells)
{
    static void (*const writers[])(struct rows *, const struct cell *) = {[ROWS_TABLE] = write_aligned,
                                                                          [ROWS_JSON] = write_json,
                                                                          [ROWS_CSV] = write_csv,
                                                                          [ROWS_TEXT] = write_text};
    bool is_held = rows->options.form == ROWS_TABLE && rows->rows < WIDTH_ROWS;
    if (rows->rows == 0 && rows->options.form != ROWS_TABLE && !rows->options.continued)
        write_names(rows);
    if (is_held)
        hold(rows, cells);
    else
        writers[rows->options.form](rows, cells);
    rows->rows++;
    if (is_held && rows->rows == WIDTH_ROWS)
        release(rows);
    return rows->out.len >= OUTPUT_FULL || rows->out.failed ? flush(rows) : 0;
}

int rows_finish(struct rows *rows)
{
    if (rows->options.form == ROWS_TABLE && rows->rows > 0 && rows->rows < WIDTH_ROWS)
        release(rows);
    int r = flush(rows);
    rows_free(rows);
    return r;
}

/* What printing a result needs. */
struct printing {
    const struct rows_options *options;
    const struct session *session;
    duckdb_result *result;
    struct rows *rows;
    size_t count;
    struct cell_reader *readers;
    struct cell *cells;
    uint64_t printed;
};

static int print_chunk(struct printing *printing, duckdb_data_chunk chunk)
{
    const struct duckdb_functions *duckdb = printing->session->duckdb;
    uint32_t rows = (uint32_t)duckdb->data_chunk_get_size(chunk);
    for (size_t i = 0; i < printing->count; i++)
        cell_reader_set(&printing->readers[i], duckdb, duckdb->data_chunk_get_vector(chunk, i));
    int r = 0;
    for (uint32_t row = 0; row < rows && r == 0; row++) {
        if (printing->options->max > 0 && printing->printed == printing->options->max)
            return -ECANCELED;
        for (size_t i = 0; i < printing->count; i++)
            cell_read(&printing->readers[i], row, &printing->cells[i]);
        r = rows_add(printing->rows, printing->cells);
        printing->printed++;
    }
    return r;
}

static int print_chunks(struct printing *printing, struct fault *fault)
{
    duckdb_data_chunk chunk = NULL;
    int r;
    while ((r = session_fetch(printing->session, printing->result, &chunk, fault)) == 0 && chunk) {
        r = print_chunk(printing, chunk);
        printing->session->duckdb->destroy_data_chunk(&chunk);
        if (r == -ECANCELED)
            return 0;
        if (r < 0)
            return fault_set(fault, r, "standard output: %s", strerror(-r));
    }
    return r;
}

static int print_all(struct printing *printing, struct fault *fault)
{
    const struct duckdb_functions *duckdb = printing->session->duckdb;
    AUTO_FREE const char **names = calloc(printing->count, sizeof *names);
    if (!printing->readers || !printing->cells || !names)
        return fault_set(fault, -ENOMEM, "out of memory");
    for (size_t i = 0; i < printing->count; i++) {
        names[i] = duckdb->column_name(printing->result, i);
        cell_reader_init(&printing->readers[i], duckdb, printing->result, i, printing->options->local_time);
    }
    if (rows_new(&printing->rows, printing->options, names, printing->count) < 0)
        return fault_set(fault, -ENOMEM, "out of memory");
    int r = print_chunks(printing, fault);
    int finished = rows_finish(TAKE(printing->rows));
    return r == 0 && finished < 0 ? fault_set(fault, finished, "standard output: %s", strerror(-finished))
                                  : r;
}

int rows_print(const struct rows_options *options, const struct session *session, duckdb_result *result,
               uint64_t *ret_rows, struct fault *fault)
{
    struct printing printing = {.options = options,
                                .session = session,
                                .result = result,
                                .count = session->duckdb->column_count(result)};
    printing.readers = calloc(printing.count, sizeof *printing.readers);
    printing.cells = calloc(printing.count, sizeof *printing.cells);
    int r = print_all(&printing, fault);
    free(printing.readers);
    free(printing.cells);
    *ret_rows = printing.printed;
    return r;
}
