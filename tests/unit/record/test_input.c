/* SPDX-License-Identifier: Apache-2.0 */
#include "record/input.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/gzip.h"
#include "record/text.h"

#define DEFAULT_HEADER                                                                                       \
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "      \
    "action "                                                                                                \
    "log-status\n"
#define ACCEPTED "2 123456789010 eni-1 10.0.0.1 10.0.0.2 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n"
#define NODATA "2 unknown eni-1 - - - - - - - 1431280876 1431280934 - NODATA\n"

/* What reading a file gave. */
struct outcome {
    struct buf records; /* as text, each in its own format */
    struct buf reports; /* "line: reason\n" */
    struct buf rejects;
    int error;
    struct fault fault;
    struct input_counts counts;
};

static void outcome_done(struct outcome *outcome)
{
    buf_done(&outcome->records);
    buf_done(&outcome->reports);
    buf_done(&outcome->rejects);
}
#define AUTO_OUTCOME CLEANUP(outcome_done)

static void report(void *userdata, const char *path, uint64_t line, const char *reason)
{
    struct outcome *outcome = userdata;
    assert_non_null(strstr(path, "flowlog-test-input"));
    buf_printf(&outcome->reports, "%" PRIu64 ": %s\n", line, reason);
}

static void reject(void *userdata, const char *text, size_t len)
{
    struct outcome *outcome = userdata;
    buf_append(&outcome->rejects, text, len);
}

static void read_all(struct outcome *outcome, const char *path, const struct format *format)
{
    const struct input_options options = {
        .format = format, .userdata = outcome, .bad_line = report, .bad_text = reject};
    struct input *input;
    outcome->error = input_open(&input, path, &options, &outcome->fault);
    if (outcome->error < 0)
        return;
    const struct record *record;
    while ((outcome->error = input_next(input, &record, &outcome->fault)) > 0)
        record_write_text(&outcome->records, input_format(input), record);
    outcome->counts = input_counts(input);
    input_free(input);
}

static struct outcome read_bytes(const void *bytes, size_t len, const char *format_text)
{
    struct outcome outcome = {
        .records = BUF_INIT(1 << 26), .reports = BUF_INIT(1 << 20), .rejects = BUF_INIT(1 << 26)};
    struct format format;
    if (format_text)
        assert_int_equal(format_parse(&format, format_text, NULL), 0);
    char path[] = "/tmp/flowlog-test-input-XXXXXX";
    AUTO_CLOSE int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, bytes, len), 0);
    read_all(&outcome, path, format_text ? &format : NULL);
    (void)unlink(path);
    return outcome;
}

static struct outcome read_text(const char *text, const char *format_text)
{
    return read_bytes(text, strlen(text), format_text);
}

static void assert_outcome(struct outcome *outcome, const char *records, const char *reports,
                           const char *rejects)
{
    assert_int_equal(outcome->error, 0);
    assert_string_equal(buf_string(&outcome->records), records);
    assert_string_equal(buf_string(&outcome->reports), reports);
    assert_string_equal(buf_string(&outcome->rejects), rejects);
}

static void test_header_and_none(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome with = read_text(DEFAULT_HEADER ACCEPTED NODATA, NULL);
    assert_outcome(&with, ACCEPTED NODATA, "", "");
    assert_int_equal(with.counts.records, 2);
    AUTO_OUTCOME struct outcome without = read_text(ACCEPTED NODATA, NULL);
    assert_outcome(&without, ACCEPTED NODATA, "", "");
    AUTO_OUTCOME struct outcome given = read_text("eni-1 10.0.0.1\neni-2 -\n", "${interface-id} ${srcaddr}");
    assert_outcome(&given, "eni-1 10.0.0.1\neni-2 -\n", "", "");
}

static void test_what_is_not_bad(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome outcome = read_text(
        "\n# comment\r\n  # another\n \t \r\nstart end\r\n\r\n1 2\r\nstart end\n3 4\n# more\n5 6", NULL);
    assert_outcome(&outcome, "1 2\n3 4\n5 6\n", "", "");
}

static void test_changed_header(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome outcome =
        read_text("start end vpc-id\n1 2 vpc-1\nend srcaddr\n3 10.0.0.1\n", NULL);
    assert_outcome(&outcome, "1 2 vpc-1\n3 10.0.0.1\n", "", "");
}

/* A line that begins like a header and holds values is a record. */
static void test_words_that_are_no_header(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome outcome =
        read_text("ingress vpc-1\nversion vpc-2\n", "${instance-tag} ${vpc-id}");
    assert_outcome(&outcome, "ingress vpc-1\nversion vpc-2\n", "", "");
}

static void test_unknown_column(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome outcome = read_text("start new-field end\n1 x 2\n", NULL);
    assert_int_equal(outcome.error, 0);
    assert_int_equal(outcome.counts.bad_lines, 1);
    assert_int_equal(outcome.counts.records, 1);
    assert_non_null(strstr(buf_string(&outcome.reports), "1: left out: unknown field 'new-field'"));
}

static void test_bad_lines(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome outcome =
        read_text("start srcport\n1 2\nx 2\r\n1 65536\n\n1\n1 2 3\n- 5\n3 4", NULL);
    assert_outcome(&outcome, "1 2\n3 4\n",
                   "3: start: 'x' is not a number\n"
                   "4: srcport: 65536 is larger than 65535\n"
                   "6: 1 fields, the format has 2\n"
                   "7: 3 fields, the format has 2\n"
                   "8: start: '-' is not a number\n",
                   "x 2\r\n1 65536\n1\n1 2 3\n- 5\n");
    assert_int_equal(outcome.counts.bad_lines, 5);
}

static void test_guessed_format_is_said(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome outcome = read_text("eni-1 10.0.0.1\n", NULL);
    assert_int_equal(outcome.counts.bad_lines, 1);
    assert_non_null(strstr(buf_string(&outcome.reports), "taken as the default format"));
}

static void test_byte_order_mark(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome outcome = read_text("\xef\xbb\xbfstart end\n1 2\n", NULL);
    assert_outcome(&outcome, "1 2\n", "", "");
}

static void test_endless_line(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1 << 25);
    buf_text(&text, "start end\n");
    size_t begin = text.len;
    while (text.len < 9000000)
        buf_text(&text, "abcdefgh ");
    size_t len = text.len + 1 - begin;
    buf_text(&text, "\n1 2\n");
    AUTO_OUTCOME struct outcome outcome = read_bytes(text.data, text.len, NULL);
    assert_int_equal(outcome.counts.bad_lines, 1);
    assert_string_equal(buf_string(&outcome.records), "1 2\n");
    assert_string_equal(buf_string(&outcome.reports), "2: longer than 1048576 bytes\n");
    assert_int_equal(outcome.rejects.len, len);
    assert_memory_equal(outcome.rejects.data, text.data + begin, len);
}

static void test_json_lines(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome outcome = read_text("{\"start\":1,\"end\":2}\n"
                                                    "{\"start\":1,\"srcport\":65536}\n"
                                                    "not json\n"
                                                    "{\"start\":1\n"
                                                    "\n"
                                                    " {\"vpc-id\":\"vpc-1\",\"start\":\"7\"} \r\n",
                                                    NULL);
    assert_int_equal(outcome.error, 0);
    assert_string_equal(buf_string(&outcome.records), "1 2\nvpc-1 7\n");
    assert_string_equal(buf_string(&outcome.rejects),
                        "{\"start\":1,\"srcport\":65536}\nnot json\n{\"start\":1\n");
    assert_non_null(strstr(buf_string(&outcome.reports), "2: srcport: 65536 is larger than 65535\n"));
    assert_non_null(strstr(buf_string(&outcome.reports), "3: not JSON: column "));
    assert_non_null(strstr(buf_string(&outcome.reports), "4: not JSON"));
}

/* Firehose: objects without anything between them (delivery.md 3.1). */
static void test_firehose_messages(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome outcome = read_text(
        "{\"message\":\"start end\"}{\"message\":\"1 2\"}{\"message\":\"x\"}{\"message\":\"3 4\"}", NULL);
    assert_outcome(&outcome, "1 2\n3 4\n", "1: 1 fields, the format has 2\n", "x\n");
}

/* delivery.md 1: a subscription's document; a control message is no record and no mistake. */
static void test_cloudwatch_documents(void **state)
{
    (void)state;
    static const char text[] =
        "{\"messageType\":\"CONTROL_MESSAGE\",\"logEvents\":[{\"id\":\"\",\"timestamp\":1,\"message\":\"CWL "
        "CONTROL "
        "MESSAGE: Checking health of destination Firehose.\"}]}\n"
        "{\"messageType\":\"DATA_MESSAGE\",\"logGroup\":\"g\",\"logEvents\":[{\"id\":\"1\",\"message\":\"1 "
        "2\"},"
        "{\"id\":\"2\",\"message\":\"bad line\"},{\"id\":\"3\"},{\"id\":\"4\",\"message\":\"3 4\"}]}\n"
        "{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[]}\n";
    AUTO_OUTCOME struct outcome outcome = read_text(text, "${start} ${end}");
    assert_outcome(&outcome, "1 2\n3 4\n",
                   "2: start: 'bad' is not a number\n2: a log event without a message\n",
                   "bad line\n{\"id\":\"3\"}\n");
}

static void test_documents_over_several_lines(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome outcome = read_text("\n{\n  \"events\": [\n    {\"message\": \"1 2\"},\n    "
                                                    "{\"message\": \"3 4\"}\n  ]\n}\n{\n\"start\":\n9\n}\n",
                                                    "${start} ${end}");
    assert_outcome(&outcome, "1 2\n3 4\n9\n", "", "");
}

/* A first line that is cut off must not take the good ones with it. */
static void test_broken_first_json_line(void **state)
{
    (void)state;
    AUTO_OUTCOME struct outcome outcome = read_text("{\"start\":1,\n{\"start\":2}\n{\"start\":3}\n", NULL);
    assert_int_equal(outcome.counts.bad_lines, 1);
    assert_string_equal(buf_string(&outcome.records), "2\n3\n");
    assert_string_equal(buf_string(&outcome.rejects), "{\"start\":1,\n");
}

/* Fields of a JSON record do not show in the text record behind it. */
static void test_json_record_then_message(void **state)
{
    (void)state;
    struct format format;
    assert_int_equal(format_parse(&format, "${start} ${end}", NULL), 0);
    char path[] = "/tmp/flowlog-test-input-XXXXXX";
    AUTO_CLOSE int fd = mkstemp(path);
    static const char text[] = "{\"start\":1,\"vpc-id\":\"vpc-1\"}{\"message\":\"3 4\"}";
    assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
    struct outcome outcome = {.reports = BUF_INIT(4096)};
    const struct input_options options = {.format = &format, .userdata = &outcome, .bad_line = report};
    struct input *input;
    const struct record *record;
    assert_int_equal(input_open(&input, path, &options, NULL), 0);
    assert_int_equal(input_next(input, &record, NULL), 1);
    assert_int_equal(record->values[FIELD_VPC_ID].kind, VALUE_TEXT);
    assert_int_equal(input_next(input, &record, NULL), 1);
    assert_int_equal(record->values[FIELD_VPC_ID].kind, VALUE_ABSENT);
    assert_int_equal(record->values[FIELD_END].number, 4);
    input_free(input);
    (void)unlink(path);
    outcome_done(&outcome);
}

static void test_cut_gzip_gives_what_is_there(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1 << 24);
    AUTO_BUF struct buf packed = BUF_INIT(1 << 24);
    for (unsigned i = 0; i < 20000; i++)
        buf_printf(&text, "%u %u\n", i * 2654435761U, i);
    struct gzip_writer *writer;
    assert_int_equal(gzip_writer_new(&writer), 0);
    assert_int_equal(gzip_writer_add(writer, text.data, text.len, true, &packed), 0);
    gzip_writer_free(writer);
    AUTO_OUTCOME struct outcome outcome = read_bytes(packed.data, packed.len / 2, "${start} ${end}");
    assert_int_equal(outcome.error, -EBADMSG);
    assert_non_null(strstr(outcome.fault.text, "cut off"));
    assert_in_range(outcome.counts.records, 5000, 15000);
    assert_true(outcome.records.len + outcome.rejects.len <= text.len + 1); /* and nothing made up */
    assert_memory_equal(outcome.records.data, text.data, outcome.records.len);
    assert_int_equal(outcome.counts.bad_lines, outcome.rejects.len > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_and_none),
        cmocka_unit_test(test_what_is_not_bad),
        cmocka_unit_test(test_changed_header),
        cmocka_unit_test(test_words_that_are_no_header),
        cmocka_unit_test(test_unknown_column),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_guessed_format_is_said),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_json_lines),
        cmocka_unit_test(test_firehose_messages),
        cmocka_unit_test(test_cloudwatch_documents),
        cmocka_unit_test(test_documents_over_several_lines),
        cmocka_unit_test(test_broken_first_json_line),
        cmocka_unit_test(test_json_record_then_message),
        cmocka_unit_test(test_cut_gzip_gives_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
