/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy/rule_set.h"

enum { RULES = 150, PROBES = 2000, EDGE = 1000 };

struct fixture {
    struct spans spans[RULE_AXES];
    struct rule_set set;
};

static void finish(struct fixture *fixture)
{
    for (int axis = 0; axis < RULE_AXES; axis++)
        spans_done(&fixture->spans[axis]);
    rule_set_done(&fixture->set);
}

static bool covers(const struct spans *spans, uint32_t rule, rule_key key)
{
    for (size_t i = 0; i < spans->count; i++)
        if (spans->items[i].rule == rule && spans->items[i].low <= key && key <= spans->items[i].high)
            return true;
    return false;
}

static uint32_t first_by_hand(const struct fixture *fixture, rule_key selector, rule_key address)
{
    for (uint32_t rule = 0; rule < fixture->set.count; rule++)
        if (covers(&fixture->spans[AXIS_SELECTOR], rule, selector) &&
            covers(&fixture->spans[AXIS_IPV4], rule, address))
            return rule;
    return RULE_NONE;
}

static uint32_t first(const struct rule_set *set, rule_key selector, rule_key address)
{
    return rule_set_first(set, rule_set_row(set, AXIS_SELECTOR, selector),
                          rule_set_row(set, AXIS_IPV4, address));
}

static void add_random_spans(struct spans *spans, uint32_t rule)
{
    for (int i = rand() % 3; i >= 0; i--) {
        rule_key low = (rule_key)(rand() % EDGE);
        assert_int_equal(spans_add(spans, rule, low, low + (rule_key)(rand() % 100)), 0);
    }
}

static void test_random_rules(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    srand(1);
    for (uint32_t rule = 0; rule < RULES; rule++) {
        add_random_spans(&fixture.spans[AXIS_SELECTOR], rule);
        add_random_spans(&fixture.spans[AXIS_IPV4], rule);
    }
    assert_int_equal(rule_set_init(&fixture.set, RULES, fixture.spans), 0);
    for (int i = 0; i < PROBES; i++) {
        rule_key selector = (rule_key)(rand() % (EDGE + 200));
        rule_key address = (rule_key)(rand() % (EDGE + 200));
        assert_int_equal(first(&fixture.set, selector, address), first_by_hand(&fixture, selector, address));
    }
    finish(&fixture);
}

static void test_no_rules(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    assert_int_equal(rule_set_init(&fixture.set, 0, fixture.spans), 0);
    assert_int_equal(first(&fixture.set, 0, ~(rule_key)0), RULE_NONE);
    assert_true(rule_set_next(&fixture.set, AXIS_SELECTOR, 0) == 0);
    finish(&fixture);
}

/* The whole of an axis has no end to cut at. */
static void test_ends_of_an_axis(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    const rule_key last = ~(rule_key)0;
    assert_int_equal(spans_add(&fixture.spans[AXIS_SELECTOR], 64, 0, last), 0);
    assert_int_equal(spans_add(&fixture.spans[AXIS_IPV4], 64, last, last), 0);
    assert_int_equal(rule_set_init(&fixture.set, 65, fixture.spans), 0);
    assert_int_equal(first(&fixture.set, last, last), 64);
    assert_int_equal(first(&fixture.set, 0, last), 64);
    assert_int_equal(first(&fixture.set, 0, last - 1), RULE_NONE);
    assert_true(rule_set_next(&fixture.set, AXIS_IPV4, 0) == last);
    assert_true(rule_set_next(&fixture.set, AXIS_IPV4, last) == 0);
    finish(&fixture);
}

static void test_too_large(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    const uint32_t rules = 64 * 1024 * 1024;
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(spans_add(&fixture.spans[AXIS_SELECTOR], i, i * 10, i * 10 + 5), 0);
    assert_int_equal(rule_set_init(&fixture.set, rules, fixture.spans), -E2BIG);
    finish(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_rules),
        cmocka_unit_test(test_no_rules),
        cmocka_unit_test(test_ends_of_an_axis),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
