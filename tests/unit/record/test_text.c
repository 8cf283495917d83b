/* SPDX-License-Identifier: Apache-2.0 */
#include "record/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct format format_of(const char *text)
{
    struct format format;
    assert_int_equal(format_parse(&format, text, NULL), 0);
    return format;
}

static void test_every_kind_of_value(void **state)
{
    (void)state;
    static const uint8_t ipv4[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 255};
    static const uint8_t ipv6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct format format =
        format_of("${version} ${srcaddr} ${dstaddr} ${bytes} ${vpc-id} ${x-drop-reason} ${region}");
    struct record record = {0};
    record_set_number(&record, FIELD_VERSION, 9); /* the format decides, not this */
    record_set_address(&record, FIELD_SRCADDR, ipv4, 4);
    record_set_address(&record, FIELD_DSTADDR, ipv6, 6);
    record_set_number(&record, FIELD_BYTES, UINT64_MAX);
    record_set_text(&record, FIELD_VPC_ID, "vpc-0a1b and more", 8);
    record_set_string(&record, FIELD_X_DROP_REASON, "NETFILTER_DROP");
    record_set_string(&record, FIELD_REGION, "");
    AUTO_BUF struct buf line = BUF_INIT(4096);
    record_write_text(&line, &format, &record);
    assert_string_equal(buf_string(&line),
                        "4 192.0.2.255 2001:db8::1 18446744073709551615 vpc-0a1b NETFILTER_DROP -\n");
    record_clear(&record, FIELD_BYTES);
    buf_clear(&line);
    record_write_text(&line, &format, &record);
    assert_string_equal(buf_string(&line), "4 192.0.2.255 2001:db8::1 - vpc-0a1b NETFILTER_DROP -\n");
}

/* record.md 5.7: the shape of a NODATA line in the default format. */
static void test_nodata(void **state)
{
    (void)state;
    struct format format = format_of("default");
    struct record record = {0};
    record_set_string(&record, FIELD_ACCOUNT_ID, "123456789010");
    record_set_string(&record, FIELD_INTERFACE_ID, "eni-1235b8ca123456789");
    record_set_number(&record, FIELD_START, 1431280876);
    record_set_number(&record, FIELD_END, 1431280934);
    record_set_string(&record, FIELD_LOG_STATUS, "NODATA");
    AUTO_BUF struct buf line = BUF_INIT(4096);
    record_write_text(&line, &format, &record);
    assert_string_equal(
        buf_string(&line),
        "2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA\n");
}

static void test_long_values_and_many_lines(void **state)
{
    (void)state;
    static char tag[100000];
    memset(tag, 'x', sizeof tag);
    struct format format = format_of("${instance-tag} ${instance-tag} ${srcport}");
    struct record record = {0};
    record_set_text(&record, FIELD_INSTANCE_TAG, tag, sizeof tag);
    record_set_number(&record, FIELD_SRCPORT, 1);
    AUTO_BUF struct buf lines = BUF_INIT(1 << 24);
    const size_t line_len = 2 * (sizeof tag + 1) + 2;
    for (unsigned i = 1; i <= 20; i++) {
        record_write_text(&lines, &format, &record);
        assert_int_equal(lines.len, i * line_len);
    }
    assert_memory_equal(lines.data + lines.len - 5, "xx 1\n", 5);
}

static void test_no_half_lines_at_the_maximum(void **state)
{
    (void)state;
    struct format format = format_of("default");
    AUTO_BUF struct buf lines = BUF_INIT(3000);
    size_t len = 0;
    for (unsigned i = 0; i < 200 && !lines.failed; i++) {
        len = lines.len;
        record_write_text(&lines, &format, &(struct record){0});
    }
    assert_true(lines.failed);
    assert_int_equal(lines.len, len);
    assert_int_equal(lines.data[len - 1], '\n');
}

static void test_percent_encoding(void **state)
{
    (void)state;
    static const char text[] = "AZaz09-._~ a/b%\xc3\xa9\n\0z";
    AUTO_BUF struct buf encoded = BUF_INIT(4096);
    record_encode_text(&encoded, text, sizeof text - 1);
    assert_string_equal(buf_string(&encoded), "AZaz09-._~%20a%2Fb%25%C3%A9%0A%00z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_value),
        cmocka_unit_test(test_nodata),
        cmocka_unit_test(test_long_values_and_many_lines),
        cmocka_unit_test(test_no_half_lines_at_the_maximum),
        cmocka_unit_test(test_percent_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
