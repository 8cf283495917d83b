/* SPDX-License-Identifier: Apache-2.0 */
#include "record/parse.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "record/text.h"

static struct format format_of(const char *text)
{
    struct format format;
    assert_int_equal(format_parse(&format, text, NULL), 0);
    return format;
}

/* The line at the very end of its memory, so that a read beyond it shows under the sanitizers. */
static char *exact_copy(const char *line, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, line, len);
    return copy;
}

/* Both parsers of the line have to agree; returns the errno, and what the record prints as in `printed`. */
static int parse_both(const struct format *format, const char *line, size_t len, struct buf *printed,
                      struct fault *fault)
{
    AUTO_FREE char *copy = exact_copy(line, len);
    struct record quick = {0};
    struct record plain = {0};
    struct fault plain_fault = {0};
    AUTO_BUF struct buf plain_text = BUF_INIT(1 << 24);
    int r = record_parse_text(&quick, format, copy, len, fault);
    assert_int_equal(record_parse_plainly(&plain, format, copy, len, &plain_fault), r);
    if (r < 0) {
        assert_string_equal(fault->text, plain_fault.text);
        return r;
    }
    record_write_text(printed, format, &quick);
    record_write_text(&plain_text, format, &plain);
    assert_string_equal(buf_string(printed), buf_string(&plain_text));
    return r;
}

static void assert_good(const char *format_text, const char *line, const char *expected)
{
    struct format format = format_of(format_text);
    struct fault fault = {0};
    AUTO_BUF struct buf printed = BUF_INIT(1 << 20);
    if (parse_both(&format, line, strlen(line), &printed, &fault) < 0)
        fail_msg("%s: %s", line, fault.text);
    assert_string_equal(buf_string(&printed), expected);
}

static void assert_bad(const char *format_text, const char *line, const char *says)
{
    struct format format = format_of(format_text);
    struct fault fault = {0};
    AUTO_BUF struct buf printed = BUF_INIT(1 << 20);
    assert_int_equal(parse_both(&format, line, strlen(line), &printed, &fault), -EINVAL);
    if (!strstr(fault.text, says))
        fail_msg("%s: '%s' does not say '%s'", line, fault.text, says);
}

static void test_default_lines_come_back(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1 2 ACCEPT OK\n",
        "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA\n",
        "2 unknown eni-11111111aaaaaaaaa - - - - - - - 1431280876 1431280934 - SKIPDATA\n",
        "2 1 eni-1 2001:db8:1234:a100:8d6e:3477:df66:f105 2001:db8::1 34892 22 6 54 8855 1 2 REJECT OK\n",
        "2 - - :: ::1 0 65535 255 9223372036854775807 0 0 9223372036854775807 ACCEPT -\n",
    };
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        AUTO_FREE char *line = exact_copy(lines[i], strlen(lines[i]));
        line[strlen(lines[i]) - 1] = '\0';
        assert_good("default", line, lines[i]);
    }
}

static void test_values(void **state)
{
    (void)state;
    struct format format = format_of("${srcport} ${srcaddr} ${action} ${bytes}");
    struct record record = {0};
    static const char line[] = "443 10.0.0.1 - 12345678901234567";
    assert_int_equal(record_parse_text(&record, &format, line, strlen(line), NULL), 0);
    assert_int_equal(record.values[FIELD_SRCPORT].kind, VALUE_NUMBER);
    assert_int_equal(record.values[FIELD_SRCPORT].number, 443);
    assert_int_equal(record.values[FIELD_SRCADDR].kind, VALUE_TEXT);
    assert_ptr_equal(record.values[FIELD_SRCADDR].text, line + 4);
    assert_int_equal(record.values[FIELD_SRCADDR].len, 8);
    assert_int_equal(record.values[FIELD_ACTION].kind, VALUE_ABSENT);
    assert_true(record.values[FIELD_BYTES].number == 12345678901234567ULL);
    assert_int_equal(record.values[FIELD_DSTADDR].kind, VALUE_ABSENT);
}

/* The version column of a line is read over: what is printed follows the format (contract.md 18). */
static void test_version_follows_the_format(void **state)
{
    (void)state;
    assert_good("${version} ${vpc-id}", "5 vpc-1", "3 vpc-1\n");
}

static void test_every_digit_count(void **state)
{
    (void)state;
    char digits[32] = "";
    for (unsigned count = 1; count <= 19; count++) {
        digits[count - 1] = (char)('0' + (count % 10 == 0 ? 3 : count % 10));
        if (digits[0] == '9' && count == 19)
            break;
        AUTO_BUF struct buf line = BUF_INIT(256);
        AUTO_BUF struct buf expected = BUF_INIT(256);
        buf_printf(&line, "%s 7", digits);
        buf_printf(&expected, "%s 7\n", digits);
        assert_good("${bytes} ${srcport}", buf_string(&line), buf_string(&expected));
        assert_good("${bytes}", digits,
                    (buf_clear(&line), buf_printf(&line, "%s\n", digits), buf_string(&line)));
    }
}

static void test_bounds(void **state)
{
    (void)state;
    assert_good("${srcport}", "65535", "65535\n");
    assert_bad("${srcport}", "65536", "srcport: 65536 is larger than 65535");
    assert_good("${protocol}", "255", "255\n");
    assert_bad("${protocol}", "256", "protocol: 256 is larger than 255");
    assert_good("${tcp-flags}", "2147483647", "2147483647\n");
    assert_bad("${tcp-flags}", "2147483648", "tcp-flags: 2147483648 is larger");
    assert_bad("${bytes}", "9223372036854775808", "is larger than 9223372036854775807");
    assert_bad("${bytes}", "18446744073709551616", "'18446744073709551616' is too large");
    assert_bad("${bytes}", "99999999999999999999999999999", "is too large");
}

static void test_numbers_that_are_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {"-1",   "+1",   "1.0",       "0x10",  "1e3",
                                        "443a", "a443", "12345678x", "1,000", "--"};
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_bad("${packets}", wrong[i], "is not a number");
}

static void test_leading_zeros_are_dropped(void **state)
{
    (void)state;
    assert_good("${srcport} ${bytes}", "00443 0", "443 0\n");
    assert_good("${srcport}", "0000000000000000000000000000000443", "443\n");
}

static void test_milliseconds(void **state)
{
    (void)state;
    assert_good("${start} ${end}", "1505700000123 1505700060999", "1505700000 1505700060\n");
    assert_good("${start} ${bytes}", "99999999999 1505700000123", "99999999999 1505700000123\n");
}

static void test_times_are_never_absent(void **state)
{
    (void)state;
    assert_bad("${start}", "-", "start: '-' is not a number");
    assert_bad("${srcaddr} ${end}", "10.0.0.1 -", "end: '-' is not a number");
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {
        "0.0.0.0",
        "255.255.255.255",
        "10.1.200.31",
        "::",
        "::1",
        "1::",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "fe80::a:b",
        "ABCD:EF01:2345:6789:abcd:ef01:2345:6789",
        "::ffff:192.0.2.1",
        "64:ff9b::10.0.0.1",
    };
    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        AUTO_BUF struct buf expected = BUF_INIT(256);
        buf_printf(&expected, "%s\n", good[i]);
        assert_good("${srcaddr}", good[i], buf_string(&expected)); /* as it was written */
    }
    static const char *const wrong[] = {
        "256.0.0.1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.",
        ".1.2.3.4",
        "01.2.3.4",
        "1.2.3.4/8",
        "1..2.3",
        "1.2.3.4a",
        ":",
        ":::",
        "1:",
        ":1",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "12345::",
        "g::",
        "1:2:",
        "::1:",
        "fe80::1%eth0",
        "host",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8",
    };
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_bad("${dstaddr}", wrong[i], "is not an IPv4 or IPv6 address");
}

static void test_choices(void **state)
{
    (void)state;
    assert_good("${action} ${log-status}", "REJECT SKIPDATA", "REJECT SKIPDATA\n");
    assert_good("${log-status} ${action}", "NODATA -", "NODATA -\n");
    static const char *const actions[] = {"accept", "DROP", "ACCEPTED", "ACCEP", "REJECT,"};
    for (unsigned i = 0; i < ARRAY_SIZE(actions); i++)
        assert_bad("${action}", actions[i], "neither ACCEPT nor REJECT");
    static const char *const statuses[] = {"ok", "OKAY", "O", "NODATAX", "SKIP"};
    for (unsigned i = 0; i < ARRAY_SIZE(statuses); i++)
        assert_bad("${log-status}", statuses[i], "none of OK, NODATA, SKIPDATA");
}

static void test_field_counts(void **state)
{
    (void)state;
    assert_bad("${vpc-id} ${az-id}", "vpc-1", "1 fields, the format has 2");
    assert_bad("${vpc-id} ${az-id}", "vpc-1 a b", "3 fields, the format has 2");
    assert_bad("${vpc-id} ${az-id}", "", "an empty field");
    assert_bad("${vpc-id} ${az-id}", "vpc-1  a", "an empty field");
    assert_bad("${vpc-id} ${az-id}", "vpc-1 ", "an empty field");
    assert_bad("${vpc-id} ${az-id}", " vpc-1", "an empty field");
}

static void test_bytes_that_do_not_belong(void **state)
{
    (void)state;
    assert_bad("${vpc-id} ${az-id}", "vpc-1\ta", "control character");
    assert_bad("${vpc-id}", "vpc\x01", "control character");
    assert_bad("${vpc-id}", "vpc-\xff", "neither ASCII nor UTF-8");
    assert_bad("${vpc-id}", "\xc0\xaf", "neither ASCII nor UTF-8");     /* overlong */
    assert_bad("${vpc-id}", "\xed\xa0\x80", "neither ASCII nor UTF-8"); /* surrogate */
    assert_bad("${vpc-id}", "\xe2\x82", "neither ASCII nor UTF-8");     /* cut */
    assert_good("${vpc-id} ${az-id}", "\xe2\x82\xac \xf0\x9f\x90\xbb", "\xe2\x82\xac \xf0\x9f\x90\xbb\n");
    struct format format = format_of("${vpc-id}");
    struct fault fault = {0};
    AUTO_BUF struct buf printed = BUF_INIT(256);
    assert_int_equal(parse_both(&format, "vpc\0id", 6, &printed, &fault), -EINVAL);
}

/* A terminal must not be steered by a log line. */
static void test_messages_are_printable(void **state)
{
    (void)state;
    struct format format = format_of("${srcport}");
    struct fault fault = {0};
    static const char line[] =
        "\xc2\x9b\x7f"
        "evil-and-so-long-that-nobody-would-want-to-read-all-of-it-in-a-single-message";
    assert_int_equal(record_parse_text(&(struct record){0}, &format, line, strlen(line), &fault), -EINVAL);
    assert_true(strlen(fault.text) < 120);
    for (const char *c = fault.text; *c; c++)
        assert_in_range(*c, ' ', '~');
}

static void test_unknown_columns_are_read_over(void **state)
{
    (void)state;
    struct format format;
    static const char header[] = "start new-column vpc-id";
    assert_int_equal(format_parse_header(&format, header, strlen(header), NULL), 1);
    struct record record = {0};
    static const char line[] = "17 what-ever vpc-1";
    assert_int_equal(record_parse_text(&record, &format, line, strlen(line), NULL), 0);
    assert_int_equal(record.values[FIELD_START].number, 17);
    assert_memory_equal(record.values[FIELD_VPC_ID].text, "vpc-1", 5);
    assert_int_equal(record_parse_text(&record, &format, "17 vpc-1", 8, NULL), -EINVAL);
}

static void test_long_and_wide_lines(void **state)
{
    (void)state;
    struct format format;
    format_clear(&format);
    AUTO_BUF struct buf line = BUF_INIT(1 << 22);
    for (unsigned i = 0; i < FORMAT_FIELDS_MAX; i++) {
        assert_int_equal(format_add(&format, FIELD_VPC_ID), 0);
        buf_text(&line, i ? " vpc" : "vpc");
    }
    struct record record = {0};
    assert_int_equal(record_parse_text(&record, &format, line.data, line.len, NULL), 0);
    for (unsigned i = 0; i < 100000; i++)
        buf_text(&line, " vpc");
    assert_int_equal(record_parse_text(&record, &format, line.data, line.len, NULL), -EINVAL);
}

/* A small change anywhere in a line never makes the two parsers disagree. */
static void test_parsers_agree_on_damaged_lines(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "2 123456789010 eni-1235b8ca 172.31.16.139 2001:db8::f105 20641 22 6 20 4249 1418530010 1418530070 "
        "ACCEPT OK",
        "2 - eni-1 - - - - - - - 1431280876 1431280934 - NODATA",
    };
    static const char bytes[] = " -0159:.axAO\t\x80\n";
    struct format format = format_of("default");
    unsigned long seed = 12345;
    for (unsigned round = 0; round < 40000; round++) {
        char line[256];
        const char *base = lines[round % ARRAY_SIZE(lines)];
        size_t len = strlen(base);
        memcpy(line, base, len + 1);
        for (unsigned change = 0; change <= round % 3; change++) {
            seed = seed * 6364136223846793005UL + 1442695040888963407UL;
            size_t at = (seed >> 33) % len;
            if (seed >> 63)
                memmove(line + at, line + at + 1, len-- - at);
            else
                line[at] = bytes[(seed >> 20) % (sizeof bytes - 1)];
        }
        struct fault fault = {0};
        AUTO_BUF struct buf printed = BUF_INIT(4096);
        (void)parse_both(&format, line, len, &printed, &fault);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_lines_come_back),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_version_follows_the_format),
        cmocka_unit_test(test_every_digit_count),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_numbers_that_are_none),
        cmocka_unit_test(test_leading_zeros_are_dropped),
        cmocka_unit_test(test_milliseconds),
        cmocka_unit_test(test_times_are_never_absent),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_field_counts),
        cmocka_unit_test(test_bytes_that_do_not_belong),
        cmocka_unit_test(test_messages_are_printable),
        cmocka_unit_test(test_unknown_columns_are_read_over),
        cmocka_unit_test(test_long_and_wide_lines),
        cmocka_unit_test(test_parsers_agree_on_damaged_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
