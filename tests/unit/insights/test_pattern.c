/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "insights/pattern.h"

/* What patterns match is tested with records (tests/system/test_insights.py). */

static void test_mistakes(void **state)
{
    static const struct {
        const char *pattern, *message;
    } mistakes[] = {
        {"[a, b", "position 6: the closing ]"},
        {"[a, ..., b, ...]", "one ... already"},
        {"[a = ]", "a value is missing"},
        {"[a b]", "one of = != < <= > >="},
        {"[a > x]", "only a number"},
        {"[a = 1 || b = 2, b]", "in whose place it stands"},
        {"[(a = 1, b]", "closing parenthesis"},
        {"[a] b", "nothing may follow"},
        {"\"open", "the closing \""},
        {"%open", "the closing %"},
        {"%(a)%", "not allowed in an expression"},
        {"{ $.a = 1 }", "no JSON"},
        {"?", "a term is missing"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
        AUTO_BUF struct buf sql = BUF_INIT(1 << 20);
        struct fault fault = {0};
        assert_int_not_equal(pattern_translate(mistakes[i].pattern, "m", &sql, &fault), 0);
        if (!strstr(fault.text, mistakes[i].message))
            fail_msg("%s: %s", mistakes[i].pattern, fault.text);
    }
}

static void test_terms(void **state)
{
    static const struct {
        const char *pattern, *sql;
    } patterns[] = {
        {"", "true"},
        {"\" \"", "true"},
        {"A \"b c\"", "(contains(m, 'A') AND contains(m, 'b c'))"},
        {"?A ?B", "(contains(m, 'A') OR contains(m, 'B'))"},
        {"?A B", "(contains(m, 'B'))"},
        {"A -%b+%", "(contains(m, 'A') AND NOT regexp_matches(m, 'b+'))"},
        {"it's", "(contains(m, 'it''s'))"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        AUTO_BUF struct buf sql = BUF_INIT(1 << 20);
        assert_int_equal(pattern_translate(patterns[i].pattern, "m", &sql, NULL), 0);
        assert_string_equal(buf_string(&sql), patterns[i].sql);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mistakes), cmocka_unit_test(test_terms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
