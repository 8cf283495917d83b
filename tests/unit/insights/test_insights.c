/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "insights/insights.h"

/* What the queries give is tested with records (tests/system/test_insights.py); here is what is refused,
 * where. */

static void test_mistakes(void **state)
{
    static const struct {
        const char *query;
        size_t start, end;
        const char *message;
    } mistakes[] = {
        {"", 0, 0, "a command is missing"},
        {"felds a", 0, 5, "a command is missing"},
        {"fields srcadr", 7, 13, "the nearest is srcAddr"},
        {"filter srcAddr = \"open", 17, 22, "the closing \" is missing"},
        {"filter srcAddr", 14, 14, "a condition is missing"},
        {"filter (bytes > 1", 17, 17, "closing parenthesis"},
        {"filter action like 5", 19, 20, "regular expression"},
        {"filter action like /a", 19, 20, "closing /"},
        {"filter dstPort in 22", 18, 20, "a list such as"},
        {"filter sum(bytes) > 1", 21, 21, "aggregates are for stats"},
        {"stats bytes", 11, 11, "an aggregate such as"},
        {"stats sum(max(bytes))", 21, 21, "cannot be of another aggregate"},
        {"stats count(*) by sum(bytes)", 28, 28, "cannot be grouped by"},
        {"stats count(*) | stats count(*) | stats count(*)", 40, 45, "at most 2 stats"},
        {"sort bytes | stats count(*)", 19, 24, "behind the last stats"},
        {"stats count(*) as n | filter bytes > 1", 29, 34, "there is no field bytes"},
        {"stats count(*) as n | stats sum(n) by bin(5m)", 45, 45, "needs @timestamp"},
        {"dedup srcAddr | filter bytes > 1", 16, 22, "only limit may follow dedup"},
        {"limit 0", 6, 7, "from 1 to 100000"},
        {"parse @message \"a\" as b", 19, 21, "has no *"},
        {"parse @message \"* *\" as b", 25, 25, "1 names for 2 *"},
        {"parse @message /(a)/", 20, 20, "names no group"},
        {"fields bin(5)", 12, 13, "a unit of time"},
        {"fields nope(1)", 14, 14, "there is no function nope()"},
        {"fields abs(1, 2)", 16, 16, "does not take 2 arguments"},
        {"pattern @message", 0, 7, "pattern is not supported"},
        {"limit 5 fields bytes", 8, 14, "a | is missing"},
    };
    const struct insights_options options = {.group = "g", .rows = 10};
    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
        struct insights_sql sql AUTO_INSIGHTS_SQL = {0};
        struct insights_error error;
        assert_int_not_equal(insights_translate(mistakes[i].query, &options, &sql, &error), 0);
        if (!strstr(error.message, mistakes[i].message))
            fail_msg("%s: %s", mistakes[i].query, error.message);
        assert_int_equal(error.start, mistakes[i].start);
        assert_int_equal(error.end, mistakes[i].end);
    }
}

/* Only the columns that a query has to do with are read; times and groups as they are in the question. */
static void test_reads_what_it_needs(void **state)
{
    const struct insights_options options = {.group = "g", .condition = "\"start\" >= 60", .rows = 10};
    struct insights_sql sql AUTO_INSIGHTS_SQL = {0};
    struct insights_error error;
    assert_int_equal(insights_translate("stats sum(bytes) as b by srcAddr", &options, &sql, &error), 0);
    const char *text = buf_string(&sql.rows);
    assert_non_null(
        strstr(text, "(SELECT \"srcaddr\" AS c3, \"bytes\" AS c9 FROM flow_logs WHERE \"start\" >= 60)"));
    assert_non_null(strstr(text, "LIMIT 10"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mistakes),
                                       cmocka_unit_test(test_reads_what_it_needs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
