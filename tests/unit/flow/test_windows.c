/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "flow/windows.h"

enum { MINUTE = 29900000 };

static struct windows windows;

static int setup(void **state)
{
    (void)state;
    windows_init(&windows, 4);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    windows_done(&windows);
    return 0;
}

static bool not_turned(void *context, uint16_t interface)
{
    (void)context;
    (void)interface;
    return false;
}

static const struct windows_interfaces interfaces = {.turned = not_turned};

static struct flow_key key_of(uint32_t window, uint16_t port, uint8_t reject)
{
    struct flow_key key = {.window = window,
                           .source_port = port,
                           .destination_port = 22,
                           .protocol = 6,
                           .family = 4,
                           .direction = FLOW_INGRESS,
                           .reject = reject};
    key.source[15] = 1;
    return key;
}

static int add(uint32_t window, uint16_t port, uint8_t reject, int64_t packets)
{
    struct flow_key key = key_of(window, port, reject);
    uint64_t second = (uint64_t)window * WINDOW_SECONDS + 7;
    struct flow_counts counts = {.packets = (uint64_t)packets,
                                 .bytes = (uint64_t)(packets * 40),
                                 .first_ns = second * NS_PER_S,
                                 .last_ns = (second + 3) * NS_PER_S,
                                 .syn = 1};
    return windows_add(&windows, 0, false, &key, &counts);
}

static const struct flow *find(const struct flow_table *table, uint16_t port, uint8_t reject)
{
    struct flow flow = {.source_port = port, .destination_port = 22, .protocol = 6, .reject = reject};
    flow.source[15] = 1;
    return flow_table_find(table, &flow);
}

static struct flow_table take(uint32_t before)
{
    struct flow_table table;
    assert_true(windows_take(&windows, before, &interfaces, &table));
    return table;
}

static const struct ledger_side *ingress(uint32_t window)
{
    const struct ledger_row *row = ledger_find(&windows.ledger, window, 0);
    assert_non_null(row);
    return &row->side[FLOW_INGRESS];
}

static void test_deltas_of_several_drains_add_up(void **state)
{
    (void)state;
    assert_int_equal(add(MINUTE, 1000, REJECT_NONE, 5), 0);
    assert_int_equal(add(MINUTE, 1000, REJECT_NONE, -2), 0);
    assert_int_equal(add(MINUTE, 1000, REJECT_NETFILTER, 2), 0);
    struct flow_table table = take(MINUTE + 1);
    assert_int_equal(find(&table, 1000, REJECT_NONE)->packets, 3);
    assert_int_equal(find(&table, 1000, REJECT_NETFILTER)->packets, 2);
    assert_int_equal(find(&table, 1000, REJECT_NONE)->first_s, 7);
    assert_int_equal(find(&table, 1000, REJECT_NONE)->last_s, 10);
    assert_int_equal(find(&table, 1000, REJECT_NONE)->tcp_flags, TCP_SYN);
    assert_int_equal(ingress(MINUTE)->recorded, 5);
    flow_table_done(&table);
}

/* Counted at 59.999 s, discarded at 0.001 s: both belong to the earlier minute. */
static void test_reject_across_the_minute(void **state)
{
    (void)state;
    assert_int_equal(add(MINUTE, 1000, REJECT_NONE, 1), 0);
    assert_int_equal(add(MINUTE + 1, 1000, REJECT_NONE, -1), 0);
    assert_int_equal(add(MINUTE + 1, 1000, REJECT_NETFILTER, 1), 0);
    struct flow_table table = take(MINUTE + 1);
    assert_int_equal(find(&table, 1000, REJECT_NONE)->packets, 0);
    assert_int_equal(find(&table, 1000, REJECT_NETFILTER)->packets, 1);
    flow_table_done(&table);
    table = take(MINUTE + 2);
    assert_int_equal(find(&table, 1000, REJECT_NETFILTER)->packets, 0);
    assert_int_equal(ingress(MINUTE)->recorded, 1);
    flow_table_done(&table);
}

static void test_reject_without_its_twin_stays_accept(void **state)
{
    (void)state;
    assert_int_equal(add(MINUTE, 1000, REJECT_NONE, -2), 0);
    assert_int_equal(add(MINUTE, 1000, REJECT_NETFILTER, 2), 0);
    struct flow_table table = take(MINUTE + 1);
    assert_int_equal(find(&table, 1000, REJECT_NONE)->packets, 0);
    assert_int_equal(find(&table, 1000, REJECT_NETFILTER)->packets, 0);
    assert_int_equal(ingress(MINUTE)->unmatched, 2);
    flow_table_done(&table);
}

/* A tc program that was put before ours drops what we have not counted: the reject stands. */
static void test_reject_before_the_hook_stands(void **state)
{
    (void)state;
    assert_int_equal(add(MINUTE, 1000, REJECT_NONE, -2), 0);
    assert_int_equal(add(MINUTE, 1000, REJECT_TC, 2), 0);
    struct flow_table table = take(MINUTE + 1);
    assert_int_equal(find(&table, 1000, REJECT_TC)->packets, 2);
    assert_int_equal(ingress(MINUTE)->added, 2);
    assert_int_equal(ledger_difference(ingress(MINUTE)), 0);
    flow_table_done(&table);
}

static void test_full_table_is_told(void **state)
{
    (void)state;
    for (uint16_t port = 1; port <= 4; port++)
        assert_int_equal(add(MINUTE, port, REJECT_NONE, 1), 0);
    assert_int_equal(add(MINUTE, 5, REJECT_NONE, 1), -ENOSPC);
    assert_int_equal(add(MINUTE, 4, REJECT_NONE, 1), 0); /* known flows still count */
}

static void test_windows_come_oldest_first(void **state)
{
    (void)state;
    struct flow_table table;
    assert_int_equal(add(MINUTE + 2, 1, REJECT_NONE, 1), 0);
    assert_int_equal(add(MINUTE, 1, REJECT_NONE, 1), 0);
    table = take(MINUTE + 3);
    assert_int_equal(table.window, (uint64_t)MINUTE * WINDOW_SECONDS);
    flow_table_done(&table);
    assert_false(windows_take(&windows, MINUTE + 2, &interfaces, &table));
}

static bool port_is_turned(void *context, uint16_t interface)
{
    (void)context;
    return interface == 2;
}

static int add_flow_at(uint16_t interface, bool egress, uint8_t reject, uint64_t packets, uint64_t second)
{
    struct flow_key key = key_of(MINUTE, 1000, reject);
    uint64_t ns = ((uint64_t)MINUTE * WINDOW_SECONDS + second) * NS_PER_S;
    struct flow_counts counts = {.packets = packets, .bytes = packets * 40, .first_ns = ns, .last_ns = ns};
    return windows_add(&windows, interface, egress, &key, &counts);
}

static int add_at(uint16_t interface, bool egress, uint8_t reject, uint64_t packets)
{
    return add_flow_at(interface, egress, reject, packets, 0);
}

static uint64_t packets_at(const struct flow_table *table, uint16_t interface, bool egress, uint8_t reject)
{
    struct flow flow = {.source_port = 1000, .destination_port = 22, .protocol = 6, .reject = reject};
    flow.source[15] = 1;
    flow.interface = interface;
    flow.bits = egress ? FLOW_BIT_EGRESS : 0;
    const struct flow *found = flow_table_find(table, &flow);
    return found ? found->packets : 0;
}

/* A VLAN device (0) over a bridge (1) with two ports, one of them a guest's (2): what is rejected at the top
 * came in by the guest's port and the bridge. */
static const struct stacked stacks[] = {{0, 1}, {1, 2}, {1, 3}};
static const struct windows_interfaces stacked = {
    .turned = port_is_turned, .stacks = stacks, .stack_count = ARRAY_SIZE(stacks)};

static void test_reject_above_is_a_reject_below(void **state)
{
    (void)state;
    struct flow_table table;
    windows.max_flows = 16;
    assert_int_equal(add_at(2, true, REJECT_NONE, 9), 0);
    assert_int_equal(add_at(2, true, REJECT_NETFILTER, 1), 0); /* by a filter of the bridge */
    assert_int_equal(add_at(1, false, REJECT_NONE, 7), 0);
    assert_int_equal(add_at(1, false, REJECT_NETFILTER, 2), 0);
    assert_int_equal(add_at(0, false, REJECT_NONE, 4), 0);
    assert_int_equal(add_at(0, false, REJECT_NETFILTER, 3), 0);
    assert_int_equal(add_at(1, true, REJECT_NETFILTER, 8), 0); /* on its way out: nothing came in */
    assert_true(windows_take(&windows, MINUTE + 1, &stacked, &table));
    assert_int_equal(packets_at(&table, 0, false, REJECT_NETFILTER), 3);
    assert_int_equal(packets_at(&table, 1, false, REJECT_NONE), 4);
    assert_int_equal(packets_at(&table, 1, false, REJECT_NETFILTER), 5);
    assert_int_equal(packets_at(&table, 2, true, REJECT_NONE), 4);
    assert_int_equal(packets_at(&table, 2, true, REJECT_NETFILTER), 6);
    flow_table_done(&table);
}

/* Below, the rejected ones are in the times of all; above, the kernel has told them apart. */
static void test_times_below_are_those_above(void **state)
{
    (void)state;
    struct flow_table table;
    windows.max_flows = 16;
    assert_int_equal(add_flow_at(2, true, REJECT_NONE, 3, 7), 0);
    assert_int_equal(add_flow_at(2, true, REJECT_NONE, 4, 50), 0);
    assert_int_equal(add_flow_at(1, false, REJECT_NONE, 4, 50), 0);
    assert_int_equal(add_flow_at(1, false, REJECT_NETFILTER, 3, 7), 0);
    assert_true(windows_take(&windows, MINUTE + 1, &stacked, &table));
    struct flow flow = {
        .source_port = 1000, .destination_port = 22, .interface = 2, .protocol = 6, .bits = FLOW_BIT_EGRESS};
    flow.source[15] = 1;
    const struct flow *found = flow_table_find(&table, &flow);
    assert_non_null(found);
    assert_int_equal(found->packets, 4);
    assert_int_equal(found->first_s, 50);
    assert_int_equal(found->last_s, 50);
    flow.reject = REJECT_NETFILTER;
    found = flow_table_find(&table, &flow);
    assert_non_null(found);
    assert_int_equal(found->last_s, 7);
    flow_table_done(&table);
}

/* The same tuple at both ports: nobody can say by which the rejected ones came. */
static void test_reject_below_is_not_guessed(void **state)
{
    (void)state;
    struct flow_table table;
    windows.max_flows = 16;
    assert_int_equal(add_at(2, true, REJECT_NONE, 5), 0);
    assert_int_equal(add_at(3, false, REJECT_NONE, 5), 0);
    assert_int_equal(add_at(1, false, REJECT_NETFILTER, 5), 0);
    assert_true(windows_take(&windows, MINUTE + 1, &stacked, &table));
    assert_int_equal(packets_at(&table, 2, true, REJECT_NONE), 5);
    assert_int_equal(packets_at(&table, 3, false, REJECT_NONE), 5);
    flow_table_done(&table);
}

/* A flow goes into a journal and back as it is, a debt of packets included. */
static void test_restored_flow_is_settled_like_any(void **state)
{
    (void)state;
    const uint64_t start = (uint64_t)MINUTE * WINDOW_SECONDS;
    assert_int_equal(add(MINUTE, 1000, REJECT_NONE, 5), 0);
    struct flow debt = *find(windows_find(&windows, MINUTE), 1000, REJECT_NONE);
    struct flow rejected = debt;
    debt.packets = (uint64_t)-2;
    debt.bytes = (uint64_t)-80;
    rejected.packets = 2;
    rejected.bytes = 80;
    rejected.reject = REJECT_NETFILTER;
    windows_restore(&windows, start, &debt, &interfaces);
    windows_restore(&windows, start, &rejected, &interfaces);
    struct flow_table table = take(MINUTE + 1);
    assert_int_equal(find(&table, 1000, REJECT_NONE)->packets, 3);
    assert_int_equal(find(&table, 1000, REJECT_NETFILTER)->packets, 2);
    assert_int_equal(ingress(MINUTE)->recorded, 5);
    flow_table_done(&table);
}

static void test_restored_flow_without_a_place_is_lost(void **state)
{
    (void)state;
    for (uint16_t port = 1; port <= 4; port++)
        assert_int_equal(add(MINUTE, port, REJECT_NONE, 1), 0);
    const struct flow flow = {.source_port = 5, .packets = 7, .bits = FLOW_BIT_EGRESS};
    windows_restore(&windows, (uint64_t)MINUTE * WINDOW_SECONDS, &flow, &interfaces);
    const struct ledger_row *row = ledger_find(&windows.ledger, MINUTE, 0);
    assert_non_null(row);
    assert_int_equal(row->side[FLOW_EGRESS].lost_memory, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_deltas_of_several_drains_add_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reject_across_the_minute, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reject_without_its_twin_stays_accept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reject_before_the_hook_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_table_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_windows_come_oldest_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reject_above_is_a_reject_below, setup, teardown),
        cmocka_unit_test_setup_teardown(test_times_below_are_those_above, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reject_below_is_not_guessed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restored_flow_is_settled_like_any, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restored_flow_without_a_place_is_lost, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
