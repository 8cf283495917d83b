/* SPDX-License-Identifier: Apache-2.0 */
#include "record/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/macro.h"

static void cleanup_json(json_t **json)
{
    json_decref(*json);
}
#define AUTO_JSON CLEANUP(cleanup_json)

static json_t *load(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (!json)
        fail_msg("%s: %s", text, error.text);
    return json;
}

static void test_write(void **state)
{
    (void)state;
    static const uint8_t ipv6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct format format;
    assert_int_equal(
        format_parse(&format, "${version} ${srcaddr} ${bytes} ${bytes} ${action} ${pkt-srcaddr}", NULL), 0);
    struct record record = {0};
    record_set_address(&record, FIELD_SRCADDR, ipv6, 6);
    record_set_number(&record, FIELD_BYTES, INT64_MAX);
    record_set_string(&record, FIELD_ACTION, "ACCEPT");
    AUTO_BUF struct buf line = BUF_INIT(4096);
    record_write_json(&line, &format, &record);
    assert_string_equal(buf_string(&line),
                        "{\"version\":3,\"srcaddr\":\"2001:db8::1\",\"bytes\":9223372036854775807,"
                        "\"action\":\"ACCEPT\",\"pkt-srcaddr\":null}\n");
}

static void test_strings_are_escaped(void **state)
{
    (void)state;
    static const char text[] = "a\"b\\c\n\x01\x1f/\xc3\xa9";
    AUTO_BUF struct buf line = BUF_INIT(4096);
    json_write_string(&line, text, strlen(text));
    assert_string_equal(buf_string(&line), "\"a\\\"b\\\\c\\u000a\\u0001\\u001f/\xc3\xa9\"");
    AUTO_JSON json_t *back = json_loads(buf_string(&line), JSON_DECODE_ANY, NULL);
    assert_string_equal(json_string_value(back), text);
}

/* Texts are looked at eight bytes at a time: wherever the byte stands, it is found, and no other one is. */
static void test_escapes_at_every_place(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 25; len++) {
        for (size_t at = 0; at < len; at++) {
            for (unsigned byte = 1; byte < 256; byte++) {
                char text[32];
                AUTO_BUF struct buf line = BUF_INIT(256);
                memset(text, at % 2 ? '!' : '#', len);
                text[at] = (char)byte;
                json_write_string(&line, text, len);
                size_t more = byte < 0x20 ? 5 : byte == '"' || byte == '\\' ? 1 : 0;
                assert_int_equal(line.len, len + 2 + more);
                assert_int_equal(line.data[1 + at], more ? '\\' : (char)byte);
            }
        }
    }
}

static void test_unknown_columns_are_not_written(void **state)
{
    (void)state;
    struct format format;
    static const char header[] = "start new-column end";
    assert_int_equal(format_parse_header(&format, header, strlen(header), NULL), 1);
    AUTO_BUF struct buf line = BUF_INIT(4096);
    record_write_json(&line, &format, &(struct record){0});
    assert_string_equal(buf_string(&line), "{\"start\":null,\"end\":null}\n");
}

static void test_read(void **state)
{
    (void)state;
    AUTO_JSON json_t *object =
        load("{\"log_status\":\"OK\",\"srcport\":443,\"dstport\":\"80\",\"action\":\"-\",\"bytes\":null,"
             "\"other\":[1,{}],\"srcaddr\":\"::1\",\"start\":1505700000123,\"version\":2}");
    struct record record;
    struct format format;
    memset(&record, 0xff, sizeof record); /* what was there before is gone */
    assert_int_equal(record_read_json(&record, &format, object, NULL), 0);
    assert_int_equal(format.count, 8);
    assert_int_equal(record.values[FIELD_SRCPORT].number, 443);
    assert_int_equal(record.values[FIELD_DSTPORT].number, 80);
    assert_int_equal(record.values[FIELD_START].number, 1505700000);
    assert_int_equal(record.values[FIELD_ACTION].kind, VALUE_ABSENT);
    assert_int_equal(record.values[FIELD_BYTES].kind, VALUE_ABSENT);
    assert_int_equal(record.values[FIELD_END].kind, VALUE_ABSENT);
    assert_memory_equal(record.values[FIELD_SRCADDR].text, "::1", 3);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{}", "no member is a record field"},
        {"{\"hello\":1}", "no member is a record field"},
        {"[1]", "no member is a record field"},
        {"{\"srcport\":65536}", "srcport: 65536 is larger"},
        {"{\"srcport\":-1}", "srcport: negative"},
        {"{\"srcport\":1.5}", "srcport: a whole number is due"},
        {"{\"srcport\":true}", "srcport: a whole number is due"},
        {"{\"srcport\":\"x\"}", "srcport: 'x' is not a number"},
        {"{\"srcport\":\"\"}", "srcport: empty"},
        {"{\"account-id\":123456789012}", "account-id: a string is due"},
        {"{\"srcaddr\":\"nowhere\"}", "srcaddr: 'nowhere'"},
        {"{\"action\":\"DROP\"}", "action: 'DROP'"},
        {"{\"vpc-id\":\"a b\"}", "vpc-id: a space"},
        {"{\"vpc-id\":\"a\\u0000b\"}", "vpc-id: a space or control character"},
        {"{\"vpc-id\":\"\"}", "vpc-id: empty"},
        {"{\"vpc-id\":\"a\",\"vpc_id\":\"b\"}", "vpc-id: twice"},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_JSON json_t *json = json_loads(cases[i].text, JSON_ALLOW_NUL, NULL);
        assert_non_null(json);
        struct record record;
        struct format format;
        struct fault fault = {0};
        assert_int_equal(record_read_json(&record, &format, json, &fault), -EINVAL);
        if (!strstr(fault.text, cases[i].says))
            fail_msg("%s: '%s' does not say '%s'", cases[i].text, fault.text, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_strings_are_escaped),
        cmocka_unit_test(test_escapes_at_every_place),
        cmocka_unit_test(test_unknown_columns_are_not_written),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
