/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(nearest_distance("kitten", 6, "sitting", 7), 3);
    assert_int_equal(nearest_distance("", 0, "abc", 3), 3);
    assert_int_equal(nearest_distance("abc", 3, "", 0), 3);
    assert_int_equal(nearest_distance("ABC", 3, "abc", 3), 0);
    assert_int_equal(nearest_distance("abcd", 4, "acbd", 4), 2);
}

static void test_nearest_of_several(void **state)
{
    (void)state;
    struct nearest nearest = {.wanted = "formt", .len = 5};
    nearest_consider(&nearest, "strict");
    assert_string_equal(nearest.name, "strict");
    nearest_consider(&nearest, "format");
    nearest_consider(&nearest, "form");
    assert_string_equal(nearest.name, "format"); /* the first of equal ones */
    assert_int_equal(nearest.distance, 1);
}

static void test_endless_names_are_bounded(void **state)
{
    (void)state;
    static char endless[100000];
    memset(endless, 'a', sizeof endless);
    assert_int_equal(nearest_distance(endless, sizeof endless, "b", 1), NEAREST_LEN_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_nearest_of_several),
        cmocka_unit_test(test_endless_names_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
