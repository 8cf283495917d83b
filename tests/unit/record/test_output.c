/* SPDX-License-Identifier: Apache-2.0 */
#include "record/output.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "record/lines.h"

/* Each test works in its own folder. */
static int enter_folder(void **state)
{
    char folder[] = "/tmp/flowlog-test-output-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) < 0)
        return -1;
    *state = strdup(folder);
    return 0;
}

static int leave_folder(void **state)
{
    static const char *const names[] = {"a.log", "b.log", "link.log", "a.log.gz", "a.json", "a.log.tmp"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        (void)unlink(names[i]);
    int r = rmdir(*state); /* fails, and the test with it, when something else was left */
    free(*state);
    return r;
}

static struct output *opened(const char *path, bool header)
{
    struct format format;
    struct fault fault = {0};
    struct output *output = NULL;
    assert_int_equal(format_parse(&format, "${start} ${end}", NULL), 0);
    if (output_open(&output, path, output_form_of(path), &format, header, &fault) < 0)
        fail_msg("%s", fault.text);
    return output;
}

static void write_records(struct output *output, unsigned count)
{
    struct record record = {0};
    for (unsigned i = 0; i < count; i++) {
        record_set_number(&record, FIELD_START, i);
        assert_int_equal(output_write(output, &record, NULL), 0);
    }
}

static void assert_file(const char *path, const char *expected)
{
    AUTO_BUF struct buf content = BUF_INIT(1 << 20);
    assert_int_equal(file_read(path, &content, NULL), 0);
    assert_string_equal(buf_string(&content), expected);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void test_forms_by_name(void **state)
{
    (void)state;
    assert_int_equal(output_form_of(NULL), OUTPUT_TEXT);
    assert_int_equal(output_form_of("-"), OUTPUT_TEXT);
    assert_int_equal(output_form_of("x"), OUTPUT_TEXT);
    assert_int_equal(output_form_of("x.log"), OUTPUT_TEXT);
    assert_int_equal(output_form_of("x.log.gz"), OUTPUT_TEXT_GZ);
    assert_int_equal(output_form_of("x.gz"), OUTPUT_TEXT_GZ);
    assert_int_equal(output_form_of("a.json/x"), OUTPUT_TEXT);
    assert_int_equal(output_form_of("x.json"), OUTPUT_JSON);
    assert_int_equal(output_form_of("x.json.gz"), OUTPUT_JSON_GZ);
    assert_int_equal(output_form_of("x.csv"), OUTPUT_CSV);
    assert_int_equal(output_form_of("x.csv.gz"), OUTPUT_CSV_GZ);
    assert_false(output_form_is_gzip(OUTPUT_CSV));
    assert_true(output_form_is_gzip(OUTPUT_TEXT_GZ));
}

/* The name appears whole: beside it while it is written, in place at the end. */
static void test_file_is_put_in_place_at_the_end(void **state)
{
    (void)state;
    struct output *output = opened("a.log", true);
    write_records(output, 2);
    assert_false(exists("a.log"));
    assert_int_equal(output_close(output, NULL), 0);
    assert_file("a.log", "start end\n0 -\n1 -\n");
    assert_false(exists("a.log.tmp"));
}

static void test_abandoned_file_leaves_the_old_one(void **state)
{
    (void)state;
    struct output *output = opened("a.log", false);
    write_records(output, 1);
    assert_int_equal(output_close(output, NULL), 0);
    output = opened("a.log", false);
    write_records(output, 100000);
    output_abandon(output);
    assert_file("a.log", "0 -\n");
    assert_false(exists("a.log.tmp"));
}

static void test_link_stays_a_link(void **state)
{
    (void)state;
    assert_int_equal(file_replace("b.log", "old", 3, NULL), 0);
    assert_int_equal(symlink("b.log", "link.log"), 0);
    struct output *output = opened("link.log", false);
    write_records(output, 1);
    assert_int_equal(output_close(output, NULL), 0);
    struct stat status;
    assert_int_equal(lstat("link.log", &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_file("b.log", "0 -\n");
}

/* /dev/null is written into, not replaced: root may run us. */
static void test_devices_are_not_replaced(void **state)
{
    (void)state;
    struct output *output = opened("/dev/null", false);
    write_records(output, 10);
    assert_int_equal(output_close(output, NULL), 0);
    struct stat status;
    assert_int_equal(stat("/dev/null", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
}

static void test_full_disk_is_an_error(void **state)
{
    (void)state;
    struct output *output = opened("/dev/full", false);
    write_records(output, 10);
    struct fault fault = {0};
    assert_int_equal(output_close(output, &fault), -ENOSPC);
    assert_non_null(strstr(fault.text, "/dev/full"));
    output = opened("/dev/full", false);
    struct record record = {0};
    int r = 0;
    for (unsigned i = 0; i < 200000 && r == 0; i++)
        r = output_write(output, &record, &fault);
    assert_int_equal(r, -ENOSPC); /* noticed on the way, not only at the end */
    output_abandon(output);
}

static void test_what_cannot_be_created(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int error;
    } cases[] = {{"/nowhere/a.log", -ENOENT}, {"a.parquet", -ENOTSUP}, {"a.log.zst", -ENOTSUP}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct format format;
        struct output *output = NULL;
        struct fault fault = {0};
        format_set_default(&format);
        assert_int_equal(
            output_open(&output, cases[i].path, output_form_of(cases[i].path), &format, false, &fault),
            cases[i].error);
        assert_null(output);
        assert_non_null(strstr(fault.text, cases[i].path));
    }
}

static void test_gzip_is_one_member_of_the_text(void **state)
{
    (void)state;
    struct output *output = opened("a.log.gz", true);
    write_records(output, 100000);
    assert_int_equal(output_close(output, NULL), 0);
    struct source *source;
    struct lines lines;
    const char *line;
    size_t len;
    assert_int_equal(source_open(&source, "a.log.gz", NULL), 0);
    assert_int_equal(lines_init(&lines, source, 1000, NULL), 0);
    assert_int_equal(lines_next(&lines, &line, &len, NULL), LINES_LINE);
    assert_memory_equal(line, "start end", len);
    for (unsigned i = 0; i < 100000; i++) {
        char expected[32];
        (void)snprintf(expected, sizeof expected, "%u -", i);
        assert_int_equal(lines_next(&lines, &line, &len, NULL), LINES_LINE);
        assert_int_equal(len, strlen(expected));
        assert_memory_equal(line, expected, len);
    }
    assert_int_equal(lines_next(&lines, &line, &len, NULL), LINES_END);
    lines_done(&lines);
    source_free(source);
    AUTO_BUF struct buf packed = BUF_INIT(1 << 20);
    assert_int_equal(file_read("a.log.gz", &packed, NULL), 0);
    for (size_t at = 1; at + 4 <= packed.len; at++) /* no second member's header, with name and flags zero */
        assert_memory_not_equal(packed.data + at, "\x1f\x8b\x08\x00", 4);
}

static void test_json_takes_other_fields(void **state)
{
    (void)state;
    struct output *output = opened("a.json", true);
    struct format format;
    write_records(output, 1);
    assert_int_equal(format_parse(&format, "${vpc-id}", NULL), 0);
    output_set_format(output, &format);
    write_records(output, 1);
    assert_int_equal(output_close(output, NULL), 0);
    assert_file("a.json", "{\"start\":0,\"end\":null}\n{\"vpc-id\":null}\n");
}

static void test_flush_shows_what_was_written(void **state)
{
    (void)state;
    struct output *output = opened("a.log", false);
    write_records(output, 1);
    assert_file("a.log.tmp", "");
    assert_int_equal(output_flush(output, NULL), 0);
    assert_file("a.log.tmp", "0 -\n");
    output_abandon(output);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms_by_name),
        IN_FOLDER(test_file_is_put_in_place_at_the_end),
        IN_FOLDER(test_abandoned_file_leaves_the_old_one),
        IN_FOLDER(test_link_stays_a_link),
        IN_FOLDER(test_devices_are_not_replaced),
        IN_FOLDER(test_full_disk_is_an_error),
        IN_FOLDER(test_what_cannot_be_created),
        IN_FOLDER(test_gzip_is_one_member_of_the_text),
        IN_FOLDER(test_json_takes_other_fields),
        IN_FOLDER(test_flush_shows_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
