/* SPDX-License-Identifier: Apache-2.0 */
#include "record/format.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"

static struct format parsed(const char *text)
{
    struct format format;
    struct fault fault = {0};
    if (format_parse(&format, text, &fault) != 0)
        fail_msg("%s: %s", text, fault.text);
    return format;
}

static void assert_header(const struct format *format, const char *expected)
{
    AUTO_BUF struct buf buf = BUF_INIT(65536);
    format_print_header(format, &buf);
    assert_string_equal(buf_string(&buf), expected);
}

static void test_default(void **state)
{
    (void)state;
    struct format format = parsed("default");
    assert_int_equal(format.version, 2);
    assert_header(
        &format,
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
        "end action log-status");
}

static void test_all(void **state)
{
    (void)state;
    struct format format = parsed("all");
    assert_int_equal(format.version, 11);
    assert_int_equal(format.count, 54 + 4);
    for (unsigned i = 0; i < 54; i++)
        assert_int_equal(format.fields[i], i);
    for (unsigned i = 54; i < format.count; i++)
        assert_true(field_is_own((enum field_id)format.fields[i]));
}

static void test_transit_gateway(void **state)
{
    (void)state;
    struct format format = parsed("transit-gateway");
    assert_int_equal(format.version, 6);
    assert_int_equal(format.count, 36);
    unsigned own = 0;
    for (unsigned i = 0; i < format.count; i++) {
        assert_true(field_catalogue[format.fields[i]].scope & FIELD_SCOPE_TRANSIT_GATEWAY);
        own += field_catalogue[format.fields[i]].version == 6;
    }
    assert_int_equal(own, 18);
    assert_int_equal(format.fields[1], FIELD_RESOURCE_TYPE);
    assert_int_equal(format.fields[35], FIELD_PKT_DST_AWS_SERVICE);
}

/* record.md 3: the highest version among the fields listed; ours do not raise it. */
static void test_version(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned version;
    } cases[] = {
        {"${srcaddr}", 2},
        {"${srcaddr} ${vpc-id}", 3},
        {"${az-id} ${srcaddr}", 4},
        {"${traffic-path}", 5},
        {"${tgw-id} ${flow-direction}", 6},
        {"${ecs-task-id}", 7},
        {"${reject-reason}", 8},
        {"${resource-id}", 9},
        {"${encryption-status}", 10},
        {"${next-hop-vpc-id} ${version}", 11},
        {"${x-reject-source}", 2},
        {"${x-reject-rule} ${tcp-flags} ${x-drop-reason} ${x-lost-packets}", 3},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(parsed(cases[i].text).version, cases[i].version);
}

static void test_quotes_and_repeats(void **state)
{
    (void)state;
    struct format format = parsed("'${version} ${end} ${version}'");
    assert_header(&format, "version end version");
    assert_true(format_has(&format, FIELD_END));
    assert_false(format_has(&format, FIELD_START));
}

/* contract.md 21: refused, and the message says where. */
static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "empty"},
        {"''", "empty"},
        {" ${version}", "position 1:"},
        {"${version} ", "position 12:"},
        {"${version}  ${end}", "position 12:"},
        {"$${version}", "position 2:"},
        {"${}", "position 3:"},
        {"${version", "position 3:"},
        {"$version}", "position 2:"},
        {"version", "position 1:"},
        {"${version},${end}", "position 11:"},
        {"${version}, ${end}", "position 11:"},
        {"${version}${end}", "position 11:"},
        {"${version}\t${end}", "position 11:"},
        {"${version}\n", "position 11:"},
        {"${srcadr}", "'srcaddr'"},
        {"${version} ${SrcAddr}", "position 14: unknown field 'SrcAddr'; the nearest is 'srcaddr'"},
        {"${ version}", "'version'"},
        {"${version ${end}", "'version ${end'"},
        {"${log_status}", "'log-status'"},
        {"Default", "position 1:"},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct format format = {.count = 77};
        struct fault fault = {0};
        assert_int_equal(format_parse(&format, cases[i].text, &fault), -EINVAL);
        if (!strstr(fault.text, cases[i].says))
            fail_msg("'%s': '%s' does not say '%s'", cases[i].text, fault.text, cases[i].says);
        assert_int_equal(format.count, 77); /* untouched */
        assert_int_equal(format_parse(&format, cases[i].text, NULL), -EINVAL);
    }
}

static void test_too_many_fields(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(1 << 20);
    for (unsigned i = 0; i < FORMAT_FIELDS_MAX; i++)
        buf_text(&text, i ? " ${end}" : "${end}");
    struct format format = parsed(buf_string(&text));
    assert_int_equal(format.count, FORMAT_FIELDS_MAX);
    assert_int_equal(format_add(&format, FIELD_END), -E2BIG);
    buf_text(&text, " ${end}");
    struct fault fault = {0};
    assert_int_equal(format_parse(&format, buf_string(&text), &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "256"));
}

static void test_print_and_parse_again(void **state)
{
    (void)state;
    static const char *const names[] = {"default", "all", "transit-gateway"};
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        struct format format = parsed(names[i]);
        AUTO_BUF struct buf text = BUF_INIT(65536);
        format_print(&format, &text);
        struct format again = parsed(buf_string(&text));
        assert_int_equal(again.count, format.count);
        assert_int_equal(again.version, format.version);
        assert_memory_equal(again.fields, format.fields, format.count);
    }
}

static int header(struct format *format, const char *line, struct fault *fault)
{
    return format_parse_header(format, line, strlen(line), fault);
}

static void test_header(void **state)
{
    (void)state;
    struct format format;
    struct fault fault = {0};
    assert_int_equal(header(&format, "end action  az_id", &fault), 0);
    assert_header(&format, "end action az-id");
    assert_int_equal(format.version, 4);
    assert_int_equal(header(&format, "version future-field start", &fault), 1);
    assert_int_equal(format.count, 3);
    assert_int_equal(format.fields[1], FIELD_UNKNOWN);
    assert_non_null(strstr(fault.text, "future-field"));
}

static void test_no_header(void **state)
{
    (void)state;
    static const char *const lines[] = {"", " ", "2 123456789012 eni-1", "eni-1235b8ca version 10.0.0.1",
                                        "version nothing"};
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        struct format format = {.count = 77};
        assert_int_equal(header(&format, lines[i], NULL), -EINVAL);
        assert_int_equal(format.count, 77);
    }
}

static void test_columns_by_either_spelling(void **state)
{
    (void)state;
    assert_int_equal(format_find_column("log_status", 10), FIELD_LOG_STATUS);
    assert_int_equal(format_find_column("log-status", 10), FIELD_LOG_STATUS);
    assert_int_equal(format_find_column("x_reject_source", 15), FIELD_X_REJECT_SOURCE);
    assert_int_equal(format_find_column("log status", 10), -1);
    char endless[100];
    memset(endless, 'a', sizeof endless);
    assert_int_equal(format_find_column(endless, sizeof endless), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_transit_gateway),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_quotes_and_repeats),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_print_and_parse_again),
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_no_header),
        cmocka_unit_test(test_columns_by_either_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
