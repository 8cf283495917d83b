/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"

static void assert_formats(uint64_t number)
{
    char expected[32];
    char digits[32];
    memset(digits, '#', sizeof digits);
    (void)snprintf(expected, sizeof expected, "%" PRIu64, number);
    size_t len = num_format_u64(digits, number);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(digits, expected, len);
    assert_int_equal(digits[len], '#');
    uint64_t back = ~number;
    assert_true(num_parse_u64(digits, len, UINT64_MAX, &back));
    assert_true(back == number);
}

static void test_format_around_every_power(void **state)
{
    (void)state;
    for (uint64_t power = 1;; power *= 10) {
        assert_formats(power - 1);
        assert_formats(power);
        assert_formats(power + 1);
        if (power > UINT64_MAX / 10)
            break;
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_formats(UINT64_C(1) << bit);
        assert_formats((UINT64_C(1) << bit) - 1);
    }
    assert_formats(UINT64_MAX);
}

static void test_parse_refuses(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        " 1",
                                        "1 ",
                                        "+1",
                                        "-1",
                                        "0x1",
                                        "1e1",
                                        "18446744073709551616",
                                        "99999999999999999999",
                                        "000000000000000000018446744073709551616"};
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        uint64_t number = 42;
        assert_false(num_parse_u64(wrong[i], strlen(wrong[i]), UINT64_MAX, &number));
        assert_int_equal(number, 42);
    }
}

static void test_parse_bound_and_zeros(void **state)
{
    (void)state;
    uint64_t number = 42;
    assert_false(num_parse_u64("65536", 5, 65535, &number));
    assert_true(num_parse_u64("65535", 5, 65535, &number));
    assert_int_equal(number, 65535);
    assert_true(num_parse_u64("0000000000000000000000000000017", 31, 65535, &number));
    assert_int_equal(number, 17);
    assert_true(num_parse_u64("18446744073709551615", 20, UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
}

static void test_hexadecimal(void **state)
{
    (void)state;
    uint64_t number = 7;
    assert_true(num_parse_hex("00ff", 4, &number));
    assert_int_equal(number, 255);
    assert_true(num_parse_hex("fedcba9876543210", 16, &number));
    assert_true(number == 0xfedcba9876543210ULL);
    assert_false(num_parse_hex("", 0, &number));
    assert_false(num_parse_hex("FF", 2, &number));
    assert_false(num_parse_hex("0x1", 3, &number));
    assert_false(num_parse_hex("-1", 2, &number));
    assert_false(num_parse_hex("00000000000000001", 17, &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hexadecimal),
        cmocka_unit_test(test_format_around_every_power),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_parse_bound_and_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
