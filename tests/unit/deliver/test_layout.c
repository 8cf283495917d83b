/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macro.h"
#include "deliver/layout.h"

static void test_a_name_tells_what_it_was_made_of(void **state)
{
    struct layout_name name;
    assert_true(layout_parse_name(
        "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz", &name));
    assert_string_equal(name.account, "123456789012");
    assert_string_equal(name.region, "us-east-1");
    assert_string_equal(name.flow_log_id, "fl-1234abcd");
    assert_string_equal(name.extension, "log.gz");
    assert_int_equal(name.slot, 1529511600);
    assert_false(name.of_hour);
}

static void test_names_of_hours_are_told_apart(void **state)
{
    char key[LAYOUT_KEY_MAX];
    struct layout_name name;
    const struct layout layout = {
        .account = "1", .region = "r", .flow_log_id = "fl-1", .extension = "log.parquet"};
    assert_int_equal(layout_print_hour_name(&layout, 1529511600, 0xab, key), 0);
    assert_string_equal(key, "1_vpcflowlogs_r_fl-1_20180620T1620Z_00000000000000ab.log.parquet");
    assert_true(layout_parse_name(key, &name));
    assert_true(name.of_hour);
    assert_int_equal(layout_print_hour_name(&layout, UINT64_MAX / 2, 0, key), -34 /* ERANGE */);
}

static void test_other_names_are_none(void **state)
{
    static const char *const names[] = {
        "",
        "records.log",
        "1_vpcflowlogs_r_fl-1_20180620T1620Z_.log.gz",
        "1_vpcflowlogs_r_fl-1_20180620T1620Z_fe123456",
        "1_vpcflowlogs_r_fl-1_20180620T1620Z_fe12345g.log.gz",
        "1_vpcflowlogs_r_fl-1_20180620T16200Z_fe123456.log.gz",
        "1_vpcflowlogs_r_fl-1_20181320T1620Z_fe123456.log.gz",
        "1_flowlogs_r_fl-1_20180620T1620Z_fe123456.log.gz",
        "_vpcflowlogs_r_fl-1_20180620T1620Z_fe123456.log.gz",
        "1_vpcflowlogs_r_20180620T1620Z_fe123456.log.gz",
        "1_vpcflowlogs_r_fl-1_20180620T1620Z_fe123456.an-extension-that-is-too-long",
    };
    struct layout_name name;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_false(layout_parse_name(names[i], &name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_tells_what_it_was_made_of),
        cmocka_unit_test(test_names_of_hours_are_told_apart),
        cmocka_unit_test(test_other_names_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
