/* SPDX-License-Identifier: Apache-2.0 */
/* The writer and the reader against each other; what others make of the files is
 * tests/system/test_parquet.py. */
#include "parquet/files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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
#include "parquet/reader.h"
#include "parquet/session.h"
#include "parquet/writer.h"

static char folder[64];

static int enter_folder(void **state)
{
    (void)snprintf(folder, sizeof folder, "/tmp/flowlog-test-parquet-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int leave_folder(void **state)
{
    static const char *const names[] = {"a.parquet", "b.parquet", "c.parquet", "[*].parquet"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        (void)unlink(names[i]);
    return rmdir(folder); /* fails when something else was left */
}

static void no_bad_line(void *userdata, const char *path, uint64_t line, const char *reason)
{
    fail_msg("%s:%lu: %s", path, (unsigned long)line, reason);
}

static void keep_reason(void *userdata, const char *path, uint64_t line, const char *reason)
{
    (void)snprintf(userdata, 256, "%lu: %s", (unsigned long)line, reason);
}

/* A number that is not the same in any two rows, and texts on both sides of what DuckDB keeps inline. */
static void set_record(struct record *record, char text[static 64], uint64_t number)
{
    *record = (struct record){0};
    (void)snprintf(text, 64, "eni-%0*lu", number % 3 ? 17 : 4, (unsigned long)(number % 5));
    record_set_string(record, FIELD_INTERFACE_ID, text);
    record_set_number(record, FIELD_START, number);
    record_set_number(record, FIELD_END, number + 7);
    if (number % 4)
        record_set_number(record, FIELD_SRCPORT, number % 65536);
}

static void write_rows(const char *path, const char *format_text, uint64_t rows)
{
    struct format format;
    struct record record;
    struct output *output;
    struct fault fault = {0};
    char text[64];
    assert_int_equal(format_parse(&format, format_text, NULL), 0);
    if (files_open_output(&output, path, output_form_of(path), &format, false, &fault) < 0)
        fail_msg("%s", fault.text);
    for (uint64_t i = 0; i < rows; i++) {
        set_record(&record, text, i);
        assert_int_equal(output_write(output, &record, NULL), 0);
    }
    assert_int_equal(output_close(output, NULL), 0);
}

static bool is_equal(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == VALUE_NUMBER)
        return a->number == b->number;
    return a->kind == VALUE_ABSENT || (a->len == b->len && memcmp(a->text, b->text, a->len) == 0);
}

static struct input *open_rows(const char *path, char *reason)
{
    const struct input_options options = {.bad_line = reason ? keep_reason : no_bad_line, .userdata = reason};
    struct input *input;
    struct fault fault = {0};
    if (files_open_input(&input, path, &options, &fault) < 0)
        fail_msg("%s", fault.text);
    return input;
}

/* Every row once, whatever the order, with all of its values. */
static void assert_rows(const char *path, uint64_t rows)
{
    AUTO_FREE bool *seen = calloc(rows + 1, sizeof *seen);
    struct input *input = open_rows(path, NULL);
    const struct record *record;
    struct record expected;
    char text[64];
    uint64_t count = 0;
    for (; input_next(input, &record, NULL) > 0; count++) {
        uint64_t number = record->values[FIELD_START].number;
        assert_true(number < rows && !seen[number]);
        seen[number] = true;
        set_record(&expected, text, number);
        for (unsigned field = 0; field < FIELD_COUNT; field++)
            if (field != FIELD_VERSION)
                assert_true(is_equal(&record->values[field], &expected.values[field]));
    }
    assert_int_equal(count, rows);
    assert_int_equal(input_counts(input).records, rows);
    input_free(input);
}

#define FORMAT "${version} ${interface-id} ${srcport} ${start} ${end} ${srcport}"

static void test_what_is_written_is_read(void **state)
{
    static const uint64_t counts[] = {0, 1, 2047, 2048, 2049, 130000}; /* 130000: two row groups */
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        write_rows("a.parquet", FORMAT, counts[i]);
        assert_rows("a.parquet", counts[i]);
    }
}

static void test_a_field_listed_twice_is_one_column(void **state)
{
    write_rows("a.parquet", FORMAT, 3);
    struct input *input = open_rows("a.parquet", NULL);
    struct format expected;
    assert_int_equal(format_parse(&expected, "${version} ${interface-id} ${srcport} ${start} ${end}", NULL),
                     0);
    assert_int_equal(input_format(input)->count, expected.count);
    assert_memory_equal(input_format(input)->fields, expected.fields, expected.count);
    input_free(input);
}

static void test_equal_rows_give_equal_bytes(void **state)
{
    AUTO_BUF struct buf a = BUF_INIT(64 << 20);
    AUTO_BUF struct buf b = BUF_INIT(64 << 20);
    write_rows("a.parquet", FORMAT, 130000);
    write_rows("b.parquet", FORMAT, 130000);
    assert_int_equal(file_read("a.parquet", &a, NULL), 0);
    assert_int_equal(file_read("b.parquet", &b, NULL), 0);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
}

static void test_a_path_is_no_pattern(void **state)
{
    write_rows("a.parquet", FORMAT, 5);
    write_rows("[*].parquet", FORMAT, 3);
    assert_rows("[*].parquet", 3);
}

/* It may be wrong by little, and is the same at each run. */
static void test_the_size_is_known_before_the_end(void **state)
{
    uint64_t sizes[2];
    for (unsigned run = 0; run < 2; run++) {
        struct format format;
        struct record record;
        struct parquet_writer *writer;
        struct stat status;
        char text[64];
        AUTO_CLOSE int fd = open("a.parquet", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_int_equal(format_parse(&format, FORMAT, NULL), 0);
        assert_int_equal(parquet_writer_open(&writer, fd, "a.parquet", &format, PARQUET_ZSTD, NULL), 0);
        for (unsigned i = 0; i < 400000; i++) {
            set_record(&record, text, i);
            assert_int_equal(parquet_writer_add(writer, &record, NULL), 0);
        }
        sizes[run] = parquet_writer_bytes(writer);
        assert_int_equal(parquet_writer_close(writer, NULL), 0);
        assert_int_equal(fstat(fd, &status), 0);
        assert_in_range(sizes[run], (uint64_t)status.st_size * 9 / 10, (uint64_t)status.st_size * 11 / 10);
    }
    assert_int_equal(sizes[0], sizes[1]);
}

/* Row groups are ended by their bytes, too: all of these rows would be more than DuckDB is given. */
static void test_long_texts_make_short_row_groups(void **state)
{
    enum { ROWS = 125000, LEN = 2400 };
    struct format format;
    struct record record = {0};
    struct parquet_writer *writer;
    struct fault fault = {0};
    char text[LEN];
    AUTO_CLOSE int fd = open("a.parquet", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_int_equal(format_parse(&format, "${start} ${ecs-task-arn}", NULL), 0);
    assert_int_equal(parquet_writer_open(&writer, fd, "a.parquet", &format, PARQUET_ZSTD, NULL), 0);
    memset(text, 'x', sizeof text);
    for (unsigned i = 0; i < ROWS; i++) {
        (void)snprintf(text, 16, "%015u", i);
        record_set_number(&record, FIELD_START, i);
        record_set_text(&record, FIELD_ECS_TASK_ARN, text, sizeof text);
        if (parquet_writer_add(writer, &record, &fault) < 0)
            fail_msg("%s", fault.text);
    }
    if (parquet_writer_close(writer, &fault) < 0)
        fail_msg("%s", fault.text);
}

static void *write_in_thread(void *path)
{
    write_rows(path, FORMAT, 130000);
    return NULL;
}

static void test_several_write_at_once(void **state)
{
    static const char *const paths[] = {"a.parquet", "b.parquet", "c.parquet"};
    pthread_t threads[3];
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_in_thread, (void *)paths[i]), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_rows(paths[i], 130000);
}

/* The disk is full from the beginning, and the writer is told at the latest when it closes. */
static void test_a_full_disk_is_a_fault(void **state)
{
    struct format format;
    struct record record;
    struct parquet_writer *writer;
    struct fault fault = {0};
    char text[64];
    AUTO_CLOSE int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(format_parse(&format, FORMAT, NULL), 0);
    assert_int_equal(parquet_writer_open(&writer, fd, "the file", &format, PARQUET_ZSTD, &fault), 0);
    int r = 0;
    for (uint64_t i = 0; i < 600000 && r == 0; i++) {
        set_record(&record, text, i);
        r = parquet_writer_add(writer, &record, &fault);
    }
    if (r == 0)
        r = parquet_writer_close(writer, &fault);
    else
        parquet_writer_abandon(writer);
    assert_int_equal(r, -ENOSPC);
    assert_non_null(strstr(fault.text, "the file: cannot write"));
    assert_null(strstr(fault.text, "/proc/"));
}

static void test_a_writer_can_be_abandoned(void **state)
{
    for (unsigned rows = 0; rows < 200000; rows += 130000) {
        struct format format;
        struct record record;
        struct output *output;
        char text[64];
        assert_int_equal(format_parse(&format, FORMAT, NULL), 0);
        assert_int_equal(files_open_output(&output, "d.parquet", OUTPUT_PARQUET_GZ, &format, false, NULL), 0);
        for (unsigned i = 0; i < rows; i++) {
            set_record(&record, text, i);
            assert_int_equal(output_write(output, &record, NULL), 0);
        }
        output_abandon(output);
        assert_int_equal(access("d.parquet", F_OK), -1);
    }
}

/* Makes a file by SQL, as others might. */
static void make_file(const char *query)
{
    const struct session_options options = {.threads = 1, .memory_bytes = 256 << 20};
    struct session session;
    struct fault fault = {0};
    char sql[512];
    (void)snprintf(sql, sizeof sql, "COPY (%s) TO 'a.parquet' (FORMAT parquet)", query);
    if (session_open(&session, &options, &fault) < 0 || session_run(&session, sql, &fault) < 0)
        fail_msg("%s", fault.text);
    session_close(&session);
}

static void test_columns_of_any_integer_and_text_are_read(void **state)
{
    make_file(
        "SELECT 7::UTINYINT AS srcport, '8' AS dstport, 9::UBIGINT AS packets, 6::SMALLINT AS protocol, "
        "'1.2.3.4'::BLOB AS srcaddr, '-' AS dstaddr, NULL::VARCHAR AS action");
    struct input *input = open_rows("a.parquet", NULL);
    const struct record *record;
    assert_int_equal(input_next(input, &record, NULL), 1);
    assert_int_equal(record->values[FIELD_SRCPORT].number, 7);
    assert_int_equal(record->values[FIELD_DSTPORT].number, 8);
    assert_int_equal(record->values[FIELD_PACKETS].number, 9);
    assert_int_equal(record->values[FIELD_PROTOCOL].number, 6);
    assert_memory_equal(record->values[FIELD_SRCADDR].text, "1.2.3.4", 7);
    assert_int_equal(record->values[FIELD_DSTADDR].kind, VALUE_ABSENT);
    assert_int_equal(record->values[FIELD_ACTION].kind, VALUE_ABSENT);
    assert_int_equal(input_next(input, &record, NULL), 0);
    input_free(input);
}

static void test_bad_rows_are_told_and_left_out(void **state)
{
    static const struct {
        const char *query;
        const char *reason;
        unsigned records;
    } cases[] = {
        {"SELECT -1 AS srcport", "1: srcport: -1 is negative", 0},
        {"SELECT -1::TINYINT AS srcport", "1: srcport: -1 is negative", 0},
        {"SELECT 65535 + i AS srcport FROM range(2) t(i)", "2: srcport: 65536 is larger than 65535", 1},
        {"SELECT 'a b' AS action", "1: action: a space or control character in the value", 0},
        {"SELECT 'x' AS srcaddr", "1: srcaddr: 'x' is not an IPv4 or IPv6 address", 0},
        {"SELECT NULL::INT AS \"end\"", "1: end: null", 0},
        {"SELECT 1 AS srcport, 2 AS colour", "0: left out: column 'colour' is no field", 1},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char reason[256] = "";
        const struct record *record;
        unsigned records = 0;
        make_file(cases[i].query);
        struct input *input = open_rows("a.parquet", reason);
        while (input_next(input, &record, NULL) > 0)
            records++;
        assert_string_equal(reason, cases[i].reason);
        assert_int_equal(records, cases[i].records);
        assert_int_equal(input_counts(input).bad_lines, 1);
        input_free(input);
    }
}

static void test_wrong_types_are_refused(void **state)
{
    static const struct {
        const char *query;
        const char *said;
    } cases[] = {
        {"SELECT 1.5::DOUBLE AS srcport",
         "a.parquet: column srcport is of type DOUBLE, where INT_32 or INT_64 is due"},
        {"SELECT 1 AS action", "a.parquet: column action is of type INTEGER, where STRING is due"},
        {"SELECT [1] AS \"start\"",
         "a.parquet: column start is of type INTEGER[], where INT_32 or INT_64 is due"},
        {"SELECT now() AS \"start\"",
         "a.parquet: column start is of type TIMESTAMP WITH TIME ZONE, where INT_32 or INT_64 is due"},
        {"SELECT 1 AS colour", "a.parquet: no column is a field of flow log records"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char reason[256];
        const struct input_options options = {.bad_line = keep_reason, .userdata = reason};
        struct input *input;
        struct fault fault = {0};
        make_file(cases[i].query);
        assert_int_equal(files_open_input(&input, "a.parquet", &options, &fault), -EINVAL);
        assert_string_equal(fault.text, cases[i].said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_a_field_listed_twice_is_one_column),
        cmocka_unit_test(test_equal_rows_give_equal_bytes),
        cmocka_unit_test(test_a_path_is_no_pattern),
        cmocka_unit_test(test_the_size_is_known_before_the_end),
        cmocka_unit_test(test_long_texts_make_short_row_groups),
        cmocka_unit_test(test_several_write_at_once),
        cmocka_unit_test(test_a_full_disk_is_a_fault),
        cmocka_unit_test(test_a_writer_can_be_abandoned),
        cmocka_unit_test(test_columns_of_any_integer_and_text_are_read),
        cmocka_unit_test(test_bad_rows_are_told_and_left_out),
        cmocka_unit_test(test_wrong_types_are_refused),
    };
    return cmocka_run_group_tests_name("parquet", tests, enter_folder, leave_folder);
}
