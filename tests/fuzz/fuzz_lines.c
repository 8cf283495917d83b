/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A file of text, read by src/store as rows: with AVX2 and without, and by record/input.h. All three find the
 * same records and the same bad lines.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "record/input.h"
#include "store/line_feed.h"

#include "harness.h"

#define TEXT_MAX (1UL << 30)

/* What a reader finds, as lines of text. */
struct found {
    struct buf records;
    struct buf bad_lines;
};

static void found_done(struct found *found)
{
    buf_done(&found->records);
    buf_done(&found->bad_lines);
}

static void note_line(void *userdata, uint64_t line, const char *reason)
{
    struct found *found = userdata;
    buf_printf(&found->bad_lines, "%" PRIu64 " %s\n", line, reason);
}

static void note_input_line(void *userdata, const char *path, uint64_t line, const char *reason)
{
    note_line(userdata, line, reason);
}

static void add_text(struct buf *to, const char *text, size_t len)
{
    buf_append(to, text, len);
    buf_char(to, ' ');
}

static void add_record(struct found *found, const struct record *record)
{
    for (int id = 0; id < FIELD_COUNT; id++) {
        const struct value *value = &record->values[id];
        if (value->kind == VALUE_NUMBER)
            buf_printf(&found->records, "%" PRIu64 " ", value->number);
        else if (value->kind == VALUE_TEXT)
            add_text(&found->records, value->text, value->len);
        else
            buf_text(&found->records, "- ");
    }
    buf_char(&found->records, '\n');
}

static void add_row(struct found *found, const struct line_columns *columns, uint32_t row)
{
    for (unsigned i = 0; i < columns->count; i++) {
        const struct line_column *column = &columns->columns[i];
        const duckdb_string_t *text = (const duckdb_string_t *)column->data + row;
        if (!(column->valid[row / 64] >> row % 64 & 1))
            buf_text(&found->records, "- ");
        else if (column->type == FIELD_INT32)
            buf_printf(&found->records, "%" PRId32 " ", ((const int32_t *)column->data)[row]);
        else if (column->type == FIELD_INT64)
            buf_printf(&found->records, "%" PRId64 " ", ((const int64_t *)column->data)[row]);
        else if (text->value.inlined.length <= sizeof text->value.inlined.inlined)
            add_text(&found->records, text->value.inlined.inlined, text->value.inlined.length);
        else
            add_text(&found->records, text->value.pointer.ptr, text->value.pointer.length);
    }
    buf_char(&found->records, '\n');
}

/* False where the file is not text but JSON, or cannot be read. */
static bool read_by_lines(const struct source_file *file, bool vectors, struct found *found)
{
    static duckdb_string_t data[FIELD_COUNT][LINE_ROWS_MAX];
    static struct line_columns columns = {.count = FIELD_COUNT};
    struct line_scanner scanner = {.until_s = UINT64_MAX, .userdata = found, .bad_line = note_line};
    struct line_feed *feed = line_feed_new(&file, 1, NULL);
    struct line_reader *reader = feed ? line_reader_new(feed, &scanner) : NULL;
    struct line_block block = {0};
    struct fault fault;
    size_t index;
    int r = -1;
    (void)line_scanner_use_vectors(vectors);
    for (int id = 0; id < FIELD_COUNT; id++) {
        columns.columns[id].field = (uint8_t)id;
        columns.columns[id].type = field_catalogue[id].type;
        columns.columns[id].data = data[id];
    }
    while (reader && (r = line_reader_next(reader, &block, &index, &fault)) == LINE_FEED_BLOCK) {
        while (block.at < block.end) {
            columns.rows = 0;
            columns.max = 1 + (uint32_t)(found->records.len % LINE_ROWS_MAX); /* chunks of any size */
            line_scanner_take(&scanner, &block, &columns);
            for (uint32_t row = 0; row < columns.rows; row++)
                add_row(found, &columns, row);
        }
    }
    line_reader_free(reader);
    line_feed_free(feed);
    line_scanner_done(&scanner);
    return r == LINE_FEED_END;
}

static bool read_by_input(const struct source_file *file, struct found *found)
{
    const struct input_options options = {.userdata = found, .bad_line = note_input_line};
    struct input *input;
    const struct record *record;
    if (input_open(&input, file->path, &options, NULL) < 0)
        return false;
    int r;
    while ((r = input_next(input, &record, NULL)) > 0)
        add_record(found, record);
    input_free(input);
    return r == 0;
}

static void require_equal(const struct buf *a, const struct buf *b)
{
    if (a->failed || b->failed || a->len != b->len || (a->len > 0 && memcmp(a->data, b->data, a->len) != 0)) {
        (void)fprintf(stderr, "one says:\n%.*s\nthe other:\n%.*s\n", (int)a->len, a->data, (int)b->len,
                      b->data);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    int fd = memfd_create("lines", MFD_CLOEXEC);
    if (fd < 0 || file_write_all(fd, data, size) < 0)
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const struct source_file file = {.name = path, .path = path, .size = size, .fd = fd};
    struct found by_vectors CLEANUP(found_done) = {BUF_INIT(TEXT_MAX), BUF_INIT(TEXT_MAX)};
    struct found plainly CLEANUP(found_done) = {BUF_INIT(TEXT_MAX), BUF_INIT(TEXT_MAX)};
    struct found by_input CLEANUP(found_done) = {BUF_INIT(TEXT_MAX), BUF_INIT(TEXT_MAX)};
    if (read_by_lines(&file, true, &by_vectors)) {
        if (!read_by_lines(&file, false, &plainly) || !read_by_input(&file, &by_input))
            abort();
        require_equal(&by_vectors.records, &by_input.records);
        require_equal(&plainly.records, &by_input.records);
        require_equal(&by_vectors.bad_lines, &by_input.bad_lines);
        require_equal(&plainly.bad_lines, &by_input.bad_lines);
    }
    (void)close(fd);
    return 0;
}
