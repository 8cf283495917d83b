/* SPDX-License-Identifier: Apache-2.0 */
#include "base/numbering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { KEYS = 20011 };

static void keys_keep_their_numbers(void **state)
{
    (void)state;
    struct numbering numbering = {.key_size = sizeof(uint64_t), .max_count = KEYS};
    uint64_t unknown = UINT64_MAX;
    assert_int_equal(numbering_find(&numbering, &unknown), NUMBER_NONE);
    for (uint32_t i = 0; i < KEYS; i++) {
        uint64_t key = i * 4096ULL;
        assert_int_equal(numbering_add(&numbering, &key), i);
        assert_int_equal(numbering_add(&numbering, &key), i);
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        uint64_t key = i * 4096ULL;
        assert_int_equal(numbering_find(&numbering, &key), i);
        assert_int_equal(*(const uint64_t *)numbering_key(&numbering, i), key);
    }
    assert_int_equal(numbering_find(&numbering, &unknown), NUMBER_NONE);
    numbering_done(&numbering);
    assert_int_equal(numbering.count, 0);
}

static void the_bound_holds(void **state)
{
    (void)state;
    struct numbering numbering = {.key_size = 1, .max_count = 2};
    assert_int_equal(numbering_add(&numbering, "a"), 0);
    assert_int_equal(numbering_add(&numbering, "b"), 1);
    assert_int_equal(numbering_add(&numbering, "c"), NUMBER_NONE);
    assert_int_equal(numbering_add(&numbering, "a"), 0);
    numbering_done(&numbering);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_keep_their_numbers),
        cmocka_unit_test(the_bound_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
