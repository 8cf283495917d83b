/* SPDX-License-Identifier: Apache-2.0 */

/* Memory that runs out while a drain is being read: linked with --wrap=aligned_alloc and --wrap=reallocarray.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "flow/windows.h"

enum { MINUTE = 29900000 };

static unsigned tables_left; /* how many allocations of tables still succeed */
static bool rows_left;

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__real_reallocarray(void *array, size_t count, size_t size);
void *__wrap_reallocarray(void *array, size_t count, size_t size);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    if (tables_left == 0)
        return NULL;
    tables_left--;
    return __real_aligned_alloc(alignment, size);
}

void *__wrap_reallocarray(void *array, size_t count, size_t size)
{
    return rows_left ? __real_reallocarray(array, count, size) : NULL;
}

static int add(struct windows *windows, uint16_t port, uint64_t packets)
{
    const struct flow_key key = {
        .window = MINUTE, .source_port = port, .protocol = 17, .family = 4, .direction = FLOW_EGRESS};
    const struct flow_counts counts = {.packets = packets, .bytes = packets * 100};
    return windows_add(windows, 0, true, &key, &counts);
}

static bool not_turned(void *context, uint16_t interface)
{
    (void)context;
    (void)interface;
    return false;
}

/* The first flow has room; the 17th needs a larger table, which is not to be had. Those that are known go on.
 */
static void test_what_finds_no_memory_is_lost_and_told(void **state)
{
    (void)state;
    struct windows windows;
    struct flow_table table;
    struct account account = {.side[FLOW_EGRESS].packets = 16 * 3 + 5 + 7 - 2 + 1};
    windows_init(&windows, 1000);
    tables_left = 2; /* the flows' array and the index */
    rows_left = true;
    for (uint16_t port = 1; port <= 16; port++)
        assert_int_equal(add(&windows, port, 3), 0);
    assert_int_equal(add(&windows, 17, 5), 0);
    assert_int_equal(add(&windows, 18, 7), 0);
    assert_int_equal(add(&windows, 18, (uint64_t)-2), 0);
    assert_int_equal(add(&windows, 1, 1), 0);
    assert_true(
        windows_take(&windows, MINUTE + 1, &(struct windows_interfaces){.turned = not_turned}, &table));
    struct ledger_row *row = ledger_find(&windows.ledger, MINUTE, 0);
    assert_non_null(row);
    ledger_add_account(row, &account);
    assert_int_equal(row->side[FLOW_EGRESS].lost_memory, 10);
    assert_int_equal(row->side[FLOW_EGRESS].recorded, 49);
    assert_int_equal(ledger_difference(&row->side[FLOW_EGRESS]), 0);
    assert_int_equal(ledger_lost(row, 60), 10);
    flow_table_done(&table);
    windows_done(&windows);
}

static void test_not_even_the_ledger_has_memory(void **state)
{
    (void)state;
    struct windows windows;
    windows_init(&windows, 1000);
    tables_left = 0;
    rows_left = false;
    assert_int_equal(add(&windows, 1, 3), -ENOMEM);
    windows_done(&windows);
}

static void test_ten_minutes_lose_more_than_one(void **state)
{
    (void)state;
    const struct ledger_row row = {.lost_long = 3, .side[FLOW_INGRESS] = {.lost_full = 2, .lost_memory = 1}};
    assert_int_equal(ledger_lost(&row, 60), 3);
    assert_int_equal(ledger_lost(&row, 600), 6);
    uint64_t by_cause[LOST_CAUSES] = {0};
    ledger_add_lost(&row, 60, by_cause);
    ledger_add_lost(&row, 600, by_cause);
    assert_int_equal(by_cause[LOST_MAP_FULL], 4);
    assert_int_equal(by_cause[LOST_NO_MEMORY], 5);
}

static void test_discards_are_known_by_reason_and_direction(void **state)
{
    (void)state;
    struct ledger_row row = {0};
    const struct discard_key key = {.reason = 7, .direction = FLOW_INGRESS};
    ledger_add_discards(&row, &key, 5);
    ledger_add_discards(&row, &(struct discard_key){.reason = 7, .direction = FLOW_EGRESS}, 3);
    ledger_add_discards(&row, &(struct discard_key){.reason = 8, .direction = FLOW_INGRESS}, 2);
    ledger_add_discards(&row, &key, 11);
    assert_int_equal(row.reasons[0].packets, 16);
    assert_int_equal(row.reasons[1].packets, 3);
    assert_int_equal(row.reasons[2].packets, 2);
    assert_int_equal(row.reasons[3].packets, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_finds_no_memory_is_lost_and_told),
        cmocka_unit_test(test_not_even_the_ledger_has_memory),
        cmocka_unit_test(test_ten_minutes_lose_more_than_one),
        cmocka_unit_test(test_discards_are_known_by_reason_and_direction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
