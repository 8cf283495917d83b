/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/partition.h"

#define DAY 1769817600U /* 2026-01-31 */
#define HOUR 3600U

static void test_ranges(void **state)
{
    static const struct {
        const char *path;
        uint64_t from_s, until_s;
    } rows[] = {
        {"AWSLogs/1/vpcflowlogs/eu-central-1/2026/01/31", DAY, DAY + 24 * HOUR},
        {"AWSLogs/1/vpcflowlogs/eu-central-1/2026/01/31/", DAY, DAY + 24 * HOUR},
        {"2026/01/31/23/part.parquet", DAY + 23 * HOUR, DAY + 24 * HOUR},
        {"aws-region=x/year=2026/month=01/day=31/hour=05/x", DAY + 5 * HOUR, DAY + 6 * HOUR},
        {"year=2026/month=1/day=31", DAY, DAY + 24 * HOUR},
        {"year=2026/month=12", DAY - 30 * 24 * HOUR + 334 * 24 * HOUR,
         DAY - 30 * 24 * HOUR + 365 * 24 * HOUR},
        {"year=2026", DAY - 30 * 24 * HOUR, DAY - 30 * 24 * HOUR + 365 * 24 * HOUR},
        {"x/1_vpcflowlogs_eu_fl-0_20260131T0110Z_0123abcd.log.gz", DAY + HOUR + 600, DAY + HOUR + 900},
        {"2025/06/01/1_vpcflowlogs_eu_fl-0_20260131T0110Z_0a.log.parquet", DAY + HOUR + 600,
         DAY + HOUR + 900},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct partition_range range = {0};
        if (!partition_find_range(rows[i].path, &range) || range.from_s != rows[i].from_s ||
            range.until_s != rows[i].until_s)
            fail_msg("%s: %llu to %llu", rows[i].path, (unsigned long long)range.from_s,
                     (unsigned long long)range.until_s);
    }
}

static void test_names_that_say_nothing(void **state)
{
    static const char *const paths[] = {
        "",         "2026",       "2026/01",       "2026/13/01/x",       "2026/1/31/x",
        "month=01", "a/b.log",    "year=26/month", "x_2026T0110Z_y.log", "x_20261331T0110Z_y.log",
        "1/2/3",    "99999/01/31"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct partition_range range;
        if (partition_find_range(paths[i], &range))
            fail_msg("%s", paths[i]);
        assert_true(partition_may_hold(paths[i], DAY, DAY + 1));
    }
}

/* A record that ends in a slot may have started ten minutes before. */
static void test_borders(void **state)
{
    const char *slot = "1_vpcflowlogs_eu_fl-0_20260131T0100Z_0a.log.gz";
    const uint64_t begin = DAY + HOUR;
    assert_true(partition_may_hold(slot, 0, UINT64_MAX));
    assert_true(partition_may_hold(slot, begin + 299, UINT64_MAX));
    assert_false(partition_may_hold(slot, begin + 300, UINT64_MAX));
    assert_true(partition_may_hold(slot, 0, begin - 600));
    assert_false(partition_may_hold(slot, 0, begin - 601));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_names_that_say_nothing),
        cmocka_unit_test(test_borders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
