/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bits.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { NUMBERS = 1025, WORDS = BITS_WORDS(NUMBERS) };

static void room_is_whole_words(void **state)
{
    (void)state;
    assert_int_equal(BITS_WORDS(1), 1);
    assert_int_equal(BITS_WORDS(64), 1);
    assert_int_equal(BITS_WORDS(65), 2);
    assert_int_equal(WORDS, 17);
}

/* Each number alone: no other is there with it, above all not one that is the same modulo 64 or 32. */
static void each_number_has_its_own_bit(void **state)
{
    (void)state;
    for (size_t number = 0; number < NUMBERS; number++) {
        uint64_t set[WORDS] = {0};
        bits_add(set, number);
        for (size_t other = 0; other < NUMBERS; other++)
            assert_int_equal(bits_has(set, other), other == number);
        assert_false(bits_none(set, WORDS));
        bits_remove(set, number);
        assert_true(bits_none(set, WORDS));
    }
}

static void what_is_removed_leaves_the_others(void **state)
{
    (void)state;
    uint64_t set[WORDS] = {0};
    for (size_t number = 0; number < NUMBERS; number++)
        bits_add(set, number);
    for (size_t number = 0; number < NUMBERS; number += 3) {
        bits_remove(set, number);
        bits_remove(set, number); /* it is gone already */
    }
    for (size_t number = 0; number < NUMBERS; number++)
        assert_int_equal(bits_has(set, number), number % 3 != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_whole_words),
        cmocka_unit_test(each_number_has_its_own_bit),
        cmocka_unit_test(what_is_removed_leaves_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
