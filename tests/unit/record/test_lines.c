/* SPDX-License-Identifier: Apache-2.0 */
#include "record/lines.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/gzip.h"

#define LINE_MAX_HERE 1000

/* A file with these bytes, opened and gone from the folder; cleaned up by closing. */
struct opened {
    struct source *source;
    struct lines lines;
};

static void open_bytes(struct opened *opened, const void *bytes, size_t len)
{
    char path[] = "/tmp/flowlog-test-lines-XXXXXX";
    AUTO_CLOSE int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, bytes, len), 0);
    struct fault fault = {0};
    if (source_open(&opened->source, path, &fault) < 0)
        fail_msg("%s", fault.text);
    assert_int_equal(source_size(opened->source), len);
    assert_int_equal(lines_init(&opened->lines, opened->source, LINE_MAX_HERE, NULL), 0);
    (void)unlink(path);
}

static void close_opened(struct opened *opened)
{
    lines_done(&opened->lines);
    source_free(opened->source);
}

static void expect(struct opened *opened, int result, const char *text)
{
    const char *line;
    size_t len;
    assert_int_equal(lines_next(&opened->lines, &line, &len, NULL), result);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(line, text, len);
}

static void expect_end(struct opened *opened)
{
    const char *line;
    size_t len;
    for (int i = 0; i < 3; i++) /* and it stays the end */
        assert_int_equal(lines_next(&opened->lines, &line, &len, NULL), LINES_END);
}

static void test_lines_and_their_numbers(void **state)
{
    (void)state;
    static const char text[] = "one\n\ntwo\r\nlast";
    CLEANUP(close_opened) struct opened opened = {0};
    open_bytes(&opened, text, strlen(text));
    expect(&opened, LINES_LINE, "one");
    assert_int_equal(opened.lines.number, 1);
    expect(&opened, LINES_LINE, "");
    expect(&opened, LINES_LINE, "two\r");
    expect(&opened, LINES_LINE, "last");
    assert_int_equal(opened.lines.number, 4);
    expect_end(&opened);
}

static void test_empty_file(void **state)
{
    (void)state;
    CLEANUP(close_opened) struct opened opened = {0};
    open_bytes(&opened, "", 0);
    expect_end(&opened);
}

static void test_length_bound(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1 << 24);
    char line[LINE_MAX_HERE + 2];
    memset(line, 'x', sizeof line);
    buf_append(&text, line, LINE_MAX_HERE); /* just right */
    buf_char(&text, '\n');
    buf_append(&text, line, LINE_MAX_HERE + 1); /* one too many */
    buf_text(&text, "\nafter\n");
    CLEANUP(close_opened) struct opened opened = {0};
    open_bytes(&opened, text.data, text.len);
    line[LINE_MAX_HERE] = '\0';
    expect(&opened, LINES_LINE, line);
    expect(&opened, LINES_LONG, line);
    assert_int_equal(opened.lines.number, 2);
    expect(&opened, LINES_LONG_END, "x");
    assert_int_equal(opened.lines.number, 2);
    expect(&opened, LINES_LINE, "after");
    assert_int_equal(opened.lines.number, 3);
    expect_end(&opened);
}

/* A line of many megabytes passes in pieces, all of them and in order, whatever the bound on memory. */
static void test_endless_line(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1 << 24);
    for (unsigned i = 0; text.len < 5000000; i++)
        buf_printf(&text, "%u,", i);
    CLEANUP(close_opened) struct opened opened = {0};
    open_bytes(&opened, text.data, text.len);
    size_t seen = 0;
    int result;
    do {
        const char *piece;
        size_t len;
        result = lines_next(&opened.lines, &piece, &len, NULL);
        assert_true(result == LINES_LONG || result == LINES_LONG_END);
        assert_true(seen + len <= text.len);
        assert_memory_equal(piece, text.data + seen, len);
        seen += len;
    } while (result == LINES_LONG);
    assert_int_equal(seen, text.len);
    assert_true(opened.lines.cap <= 1 << 20);
    expect_end(&opened);
}

static void test_many_lines_over_many_reads(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1 << 24);
    for (unsigned i = 0; i < 200000; i++)
        buf_printf(&text, "line %u\n", i);
    CLEANUP(close_opened) struct opened opened = {0};
    open_bytes(&opened, text.data, text.len);
    for (unsigned i = 0; i < 200000; i++) {
        char expected[32];
        (void)snprintf(expected, sizeof expected, "line %u", i);
        expect(&opened, LINES_LINE, expected);
    }
    expect_end(&opened);
    assert_int_equal(source_position(opened.source), text.len);
}

static void pack(struct buf *packed, const char *text)
{
    struct gzip_writer *writer;
    assert_int_equal(gzip_writer_new(&writer), 0);
    assert_int_equal(gzip_writer_add(writer, text, strlen(text), true, packed), 0);
    gzip_writer_free(writer);
}

static void test_gzip_members(void **state)
{
    (void)state;
    AUTO_BUF struct buf packed = BUF_INIT(1 << 20);
    pack(&packed, "one\ntw");
    pack(&packed, "o\nthree");
    CLEANUP(close_opened) struct opened opened = {0};
    open_bytes(&opened, packed.data, packed.len);
    expect(&opened, LINES_LINE, "one");
    expect(&opened, LINES_LINE, "two");
    expect(&opened, LINES_LINE, "three");
    expect_end(&opened);
}

/* What came before the cut is handed out, the line that the cut goes through as such, then the error, for
 * good. */
static void test_cut_gzip(void **state)
{
    (void)state;
    AUTO_BUF struct buf packed = BUF_INIT(1 << 20);
    pack(&packed, "one\n");
    pack(&packed, "two\nhalf");
    CLEANUP(close_opened) struct opened opened = {0};
    open_bytes(&opened, packed.data, packed.len - 8); /* without the second trailer */
    expect(&opened, LINES_LINE, "one");
    expect(&opened, LINES_LINE, "two");
    expect(&opened, LINES_CUT, "half");
    const char *line;
    size_t len;
    for (int i = 0; i < 2; i++) {
        struct fault fault = {0};
        assert_int_equal(lines_next(&opened.lines, &line, &len, &fault), -EBADMSG);
        assert_non_null(strstr(fault.text, "cut off"));
    }
}

static void test_peek_at_the_rest(void **state)
{
    (void)state;
    static const char text[] = "one\n{\ntwo\n}\n";
    CLEANUP(close_opened) struct opened opened = {0};
    open_bytes(&opened, text, strlen(text));
    expect(&opened, LINES_LINE, "one");
    expect(&opened, LINES_LINE, "{");
    const char *rest;
    size_t len;
    assert_true(lines_peek_rest(&opened.lines, &rest, &len));
    assert_int_equal(len, 8);
    assert_memory_equal(rest, "{\ntwo\n}\n", 8);
    expect(&opened, LINES_LINE, "two"); /* nothing was consumed */
    assert_true(lines_peek_rest(&opened.lines, &rest, &len));
    lines_skip_rest(&opened.lines);
    expect_end(&opened);
}

static void test_peek_is_bounded(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1 << 24);
    while (text.len < 3000000)
        buf_text(&text, "a line\n");
    CLEANUP(close_opened) struct opened opened = {0};
    open_bytes(&opened, text.data, text.len);
    expect(&opened, LINES_LINE, "a line");
    const char *rest;
    size_t len;
    assert_false(lines_peek_rest(&opened.lines, &rest, &len));
    expect(&opened, LINES_LINE, "a line");
}

static void test_forms_that_are_not_read(void **state)
{
    (void)state;
    static const struct {
        const char bytes[5], *name;
    } forms[] = {{"PAR1", "Parquet"}};
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        char path[] = "/tmp/flowlog-test-lines-XXXXXX";
        AUTO_CLOSE int fd = mkstemp(path);
        assert_int_equal(file_write_all(fd, forms[i].bytes, 4), 0);
        struct source *source = NULL;
        struct fault fault = {0};
        assert_int_equal(source_open(&source, path, &fault), -ENOTSUP);
        assert_null(source);
        assert_non_null(strstr(fault.text, forms[i].name));
        (void)unlink(path);
    }
}

static void test_files_that_are_not_there(void **state)
{
    (void)state;
    struct source *source = NULL;
    struct fault fault = {0};
    assert_int_equal(source_open(&source, "/nowhere/at/all.log", &fault), -ENOENT);
    assert_non_null(strstr(fault.text, "/nowhere/at/all.log"));
    assert_int_equal(source_open(&source, "/", &fault), -EISDIR);
    assert_null(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_and_their_numbers),
        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_length_bound),
        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_many_lines_over_many_reads),
        cmocka_unit_test(test_gzip_members),
        cmocka_unit_test(test_cut_gzip),
        cmocka_unit_test(test_peek_at_the_rest),
        cmocka_unit_test(test_peek_is_bounded),
        cmocka_unit_test(test_forms_that_are_not_read),
        cmocka_unit_test(test_files_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
