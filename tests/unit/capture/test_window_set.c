/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/window_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define AUTO_SET CLEANUP(window_set_done)

static void put(struct window_set *set, uint64_t second, uint16_t port)
{
    struct window *window = window_set_find(set, second);
    assert_non_null(window);
    window->batch[window->pending++] = (struct flow){.source_port = port, .packets = 1, .bytes = 40};
    if (window->pending == WINDOW_BATCH)
        assert_int_equal(window_set_flush(set, window), 0);
}

static void test_windows_are_found_by_time(void **state)
{
    (void)state;
    AUTO_SET struct window_set set;
    window_set_init(&set, 60, 1000);
    const struct window *first = window_set_find(&set, 119);
    assert_non_null(first);
    assert_int_equal(first->table.window, 60);
    assert_ptr_equal(set.last, first);
    assert_ptr_equal(window_set_find(&set, 60), first);
    const struct window *later = window_set_find(&set, 120);
    assert_ptr_not_equal(later, first);
    assert_ptr_equal(set.last, later);
    assert_int_equal(set.count, 2);
}

static void test_many_windows_in_any_order(void **state)
{
    enum { WINDOWS = 5000, STEP = 1237 }; /* without a common divisor: every window once */
    (void)state;
    AUTO_SET struct window_set set;
    window_set_init(&set, 60, 1000000);
    for (uint64_t i = 0; i < WINDOWS; i++)
        put(&set, i * STEP % WINDOWS * 60, 1);
    for (uint64_t i = 0; i < WINDOWS; i++)
        put(&set, i * 60 + 59, 1);
    assert_int_equal(set.count, WINDOWS);
    assert_int_equal(window_set_flush_all(&set), 0);
    assert_int_equal(set.flows, WINDOWS);
    window_set_sort(&set);
    for (uint64_t i = 0; i < WINDOWS; i++) {
        assert_int_equal(set.open[i]->table.window, i * 60);
        size_t position = 0;
        assert_int_equal(flow_table_next(&set.open[i]->table, &position)->packets, 2);
    }
}

static void test_the_oldest_close_when_it_is_full(void **state)
{
    enum { BOUND = 1000 };
    (void)state;
    AUTO_SET struct window_set set;
    window_set_init(&set, 60, BOUND);
    for (uint16_t port = 0; port < 400; port++)
        put(&set, 600, port);
    for (uint16_t port = 0; port < 400; port++)
        put(&set, 0, port);
    assert_false(window_set_is_full(&set)); /* 800 flows and two windows */
    for (uint16_t port = 0; port < 160; port++)
        put(&set, 6000, port);
    assert_true(window_set_is_full(&set));
    assert_int_equal(window_set_flush_all(&set), 0);
    window_set_sort(&set);
    assert_int_equal(window_set_surplus(&set), 1);
    assert_int_equal(window_set_close(&set, 1), 0);
    assert_null(set.last);
    assert_false(window_set_is_full(&set));
    assert_int_equal(set.flows, 560);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.open[0]->table.window, 600);
    assert_ptr_equal(window_set_find(&set, 659), set.open[0]); /* the index knows who stayed */
    assert_int_equal(set.count, 2);
    assert_int_equal(window_set_find(&set, 5)->table.count, 0); /* a late packet opens it anew */
    assert_int_equal(set.count, 3);
}

static void test_windows_count_for_the_bound_without_flows(void **state)
{
    (void)state;
    AUTO_SET struct window_set set;
    window_set_init(&set, 60, 100 * WINDOW_COST);
    for (uint64_t i = 0; i < 99; i++)
        assert_non_null(window_set_find(&set, i * 60));
    assert_false(window_set_is_full(&set));
    assert_non_null(window_set_find(&set, 99 * 60));
    assert_true(window_set_is_full(&set));
    window_set_sort(&set);
    assert_int_equal(window_set_surplus(&set), 13); /* an eighth, rounded up */
}

static void test_starts_of_open_and_closed_windows(void **state)
{
    static const uint64_t expected[] = {0, 60, 120, 600};
    (void)state;
    AUTO_SET struct window_set set;
    window_set_init(&set, 60, 1000);
    put(&set, 60, 1);
    put(&set, 0, 1);
    window_set_sort(&set);
    assert_int_equal(window_set_close(&set, 2), 0);
    put(&set, 600, 1);
    put(&set, 60, 1); /* open again */
    put(&set, 120, 1);
    AUTO_FREE uint64_t *starts = NULL;
    size_t count;
    assert_int_equal(window_set_starts(&set, &starts, &count), 0);
    assert_int_equal(count, 4);
    assert_memory_equal(starts, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_are_found_by_time),
        cmocka_unit_test(test_many_windows_in_any_order),
        cmocka_unit_test(test_the_oldest_close_when_it_is_full),
        cmocka_unit_test(test_windows_count_for_the_bound_without_flows),
        cmocka_unit_test(test_starts_of_open_and_closed_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
