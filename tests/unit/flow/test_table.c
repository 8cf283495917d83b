/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/table.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define AUTO_TABLE CLEANUP(flow_table_done)

enum { MANY = 300000 }; /* passes from the heap to mapped arrays, for flows and for the index */

static struct flow numbered_flow(uint32_t number)
{
    struct flow flow = {.source = {[10] = 0xff, [11] = 0xff, [12] = 10},
                        .destination = {[10] = 0xff, [11] = 0xff, [12] = 192, [15] = 1},
                        .source_port = (uint16_t)number,
                        .destination_port = 443,
                        .protocol = 6,
                        .first_s = 7,
                        .last_s = 7,
                        .packets = 1,
                        .bytes = 40};
    flow.source[13] = (uint8_t)(number >> 24);
    flow.source[14] = (uint8_t)(number >> 16);
    return flow;
}

static void test_sums_flags_and_times(void **state)
{
    (void)state;
    AUTO_TABLE struct flow_table table;
    assert_int_equal(flow_table_init(&table, 60, 60, 10), 0);
    struct flow flow = numbered_flow(1);
    assert_non_null(flow_table_add(&table, &flow));
    flow.tcp_flags = TCP_SYN;
    flow.first_s = flow.last_s = 3;
    flow.drop_reason = 9;
    assert_non_null(flow_table_add(&table, &flow));
    flow.tcp_flags = TCP_FIN;
    flow.first_s = flow.last_s = 59;
    flow.drop_reason = 0;
    struct flow *sum = flow_table_add(&table, &flow);
    assert_non_null(sum);
    assert_int_equal(table.count, 1);
    assert_int_equal(sum->packets, 3);
    assert_int_equal(sum->bytes, 120);
    assert_int_equal(sum->tcp_flags, TCP_SYN | TCP_FIN);
    assert_int_equal(sum->first_s, 3);
    assert_int_equal(sum->last_s, 59);
    assert_int_equal(sum->drop_reason, 9);
}

static void test_signed_deltas_cancel(void **state)
{
    (void)state;
    AUTO_TABLE struct flow_table table;
    assert_int_equal(flow_table_init(&table, 60, 60, 10), 0);
    struct flow flow = numbered_flow(1);
    flow.packets = UINT64_MAX; /* -1: a packet counted before a drain, rejected after it */
    flow.bytes = (uint64_t)-40;
    assert_non_null(flow_table_add(&table, &flow));
    flow.packets = 1;
    flow.bytes = 40;
    struct flow *sum = flow_table_add(&table, &flow);
    assert_non_null(sum);
    assert_int_equal(sum->packets, 0);
    assert_int_equal(sum->bytes, 0);
}

/* Every member of the key tells flows apart, and nothing else does. */
static void test_key(void **state)
{
    (void)state;
    AUTO_TABLE struct flow_table table;
    assert_int_equal(flow_table_init(&table, 0, 60, 100), 0);
    struct flow base = numbered_flow(1);
    for (size_t byte = 0; byte <= FLOW_KEY_SIZE; byte++) {
        struct flow other = base;
        ((uint8_t *)&other)[byte] ^= 1; /* the last one is tcp_flags, no part of the key */
        assert_non_null(flow_table_add(&table, &other));
    }
    assert_int_equal(table.count, FLOW_KEY_SIZE + 1);
    assert_non_null(flow_table_find(&table, &base));
    base.reject = REJECT_NETWORK_ACL;
    assert_null(flow_table_find(&table, &base));
}

static void test_many_in_batches(void **state)
{
    (void)state;
    AUTO_TABLE struct flow_table table;
    assert_int_equal(flow_table_init(&table, 0, 60, MANY), 0);
    AUTO_FREE struct flow *flows = calloc(MANY, sizeof *flows);
    assert_non_null(flows);
    for (uint32_t i = 0; i < MANY; i++)
        flows[i] = numbered_flow(i);
    assert_int_equal(flow_table_add_many(&table, flows, MANY), MANY);
    assert_int_equal(flow_table_add_many(&table, flows, MANY / 3), MANY / 3);
    assert_int_equal(table.count, MANY);
    size_t position = 0;
    uint32_t number = 0;
    for (const struct flow *flow; (flow = flow_table_next(&table, &position)); number++) {
        assert_memory_equal(flow, &flows[number], FLOW_KEY_SIZE);
        assert_int_equal(flow->packets, number < MANY / 3 ? 2 : 1);
        assert_ptr_equal(flow_table_find(&table, &flows[number]), flow);
    }
    assert_int_equal(number, MANY);
}

static void test_a_batch_may_repeat_a_flow(void **state)
{
    (void)state;
    AUTO_TABLE struct flow_table table;
    assert_int_equal(flow_table_init(&table, 0, 60, 10), 0);
    struct flow flows[40];
    for (uint32_t i = 0; i < 40; i++)
        flows[i] = numbered_flow(i % 3);
    assert_int_equal(flow_table_add_many(&table, flows, 40), 40);
    assert_int_equal(table.count, 3);
    assert_int_equal(flow_table_find(&table, &flows[0])->packets, 14);
    assert_int_equal(flow_table_find(&table, &flows[1])->packets, 13);
    assert_int_equal(flow_table_find(&table, &flows[2])->packets, 13);
}

static void test_bound(void **state)
{
    (void)state;
    AUTO_TABLE struct flow_table table;
    assert_int_equal(flow_table_init(&table, 0, 60, 20), 0);
    struct flow flows[32];
    for (uint32_t i = 0; i < 32; i++)
        flows[i] = numbered_flow(i);
    assert_int_equal(flow_table_add_many(&table, flows, 32), 20);
    assert_null(flow_table_add(&table, &flows[20]));
    assert_non_null(flow_table_add(&table, &flows[19])); /* one that is there still counts */
    assert_int_equal(table.count, 20);
    assert_int_equal(flow_table_find(&table, &flows[19])->packets, 2);
}

static void test_empty(void **state)
{
    (void)state;
    AUTO_TABLE struct flow_table table;
    struct flow flow = numbered_flow(1);
    assert_int_equal(flow_table_init(&table, 0, 60, 0), -EINVAL);
    assert_int_equal(flow_table_init(&table, 0, 60, FLOW_TABLE_MAX + 1), -EINVAL);
    assert_int_equal(flow_table_init(&table, 0, 60, 1), 0);
    assert_null(flow_table_find(&table, &flow));
    size_t position = 0;
    assert_null(flow_table_next(&table, &position));
    assert_int_equal(flow_table_add_many(&table, NULL, 0), 0);
}

static void test_used_again_after_done(void **state)
{
    (void)state;
    AUTO_TABLE struct flow_table table;
    struct flow flow = numbered_flow(1);
    assert_int_equal(flow_table_init(&table, 0, 60, 5), 0);
    assert_non_null(flow_table_add(&table, &flow));
    flow_table_done(&table);
    assert_null(flow_table_find(&table, &flow));
    assert_int_equal(flow_table_init(&table, 60, 60, 5), 0);
    assert_non_null(flow_table_add(&table, &flow));
    assert_int_equal(table.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_flags_and_times),
        cmocka_unit_test(test_signed_deltas_cancel),
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_many_in_batches),
        cmocka_unit_test(test_a_batch_may_repeat_a_flow),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_used_again_after_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
