/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/delta.h"

enum { WINDOW = 29900000 };

static const struct flow_key key = {.ifindex = 7, .window = WINDOW, .protocol = 6, .family = 4};

static uint64_t wall_ns(uint64_t second)
{
    return ((uint64_t)WINDOW * WINDOW_SECONDS + second) * 1000000000;
}

static struct flow_tally tally(uint64_t packets)
{
    return (struct flow_tally){.packets = packets, .bytes = packets * 40, .syn = (uint32_t)packets};
}

/* Of packets in the seconds from `first_s` to `last_s`. */
static struct flow_value counted(uint64_t packets, uint32_t first_s, uint32_t last_s)
{
    return (struct flow_value){.total = tally(packets), .seconds = SECONDS(last_s + 1, 0, first_s + 1)};
}

static void refuse(struct flow_value *value, uint32_t source, uint64_t packets, uint8_t first_s,
                   uint8_t last_s)
{
    value->rejected = tally(packets);
    value->reject = source;
    value->reject_first = first_s + 1;
    value->reject_last = last_s + 1;
}

static void test_accepted_alone(void **state)
{
    (void)state;
    struct flow_value value = counted(5, 3, 59);
    struct flow_delta deltas[2];
    assert_int_equal(delta_split(&key, &value, deltas), 1);
    assert_memory_equal(&deltas[0].key, &key, sizeof key);
    assert_int_equal(deltas[0].counts.packets, 5);
    assert_int_equal(deltas[0].counts.bytes, 200);
    assert_int_equal(deltas[0].counts.syn, 5);
    assert_int_equal(deltas[0].counts.first_ns, wall_ns(3));
    assert_int_equal(deltas[0].counts.last_ns, wall_ns(59));
}

static void test_both(void **state)
{
    (void)state;
    struct flow_value value = counted(5, 3, 40);
    refuse(&value, REJECT_NETFILTER, 2, 10, 11);
    value.reject_reason = 8;
    struct flow_delta deltas[2];
    assert_int_equal(delta_split(&key, &value, deltas), 2);
    assert_int_equal(deltas[0].key.reject, REJECT_NONE);
    assert_int_equal(deltas[0].counts.packets, 3);
    assert_int_equal(deltas[0].counts.drop_reason, 0);
    assert_int_equal(deltas[1].key.reject, REJECT_NETFILTER);
    assert_int_equal(deltas[1].counts.packets, 2);
    assert_int_equal(deltas[1].counts.bytes, 80);
    assert_int_equal(deltas[1].counts.drop_reason, 8);
    assert_int_equal(deltas[0].counts.last_ns, wall_ns(40));
    assert_int_equal(deltas[1].counts.first_ns, wall_ns(10));
    assert_int_equal(deltas[1].counts.last_ns, wall_ns(11));
}

/* Nothing is said of ACCEPT where every packet was refused. */
static void test_rejected_alone(void **state)
{
    (void)state;
    struct flow_value value = {.total = tally(4)};
    refuse(&value, REJECT_TC, 4, 3, 5);
    struct flow_delta deltas[2];
    assert_int_equal(delta_split(&key, &value, deltas), 1);
    assert_int_equal(deltas[0].key.reject, REJECT_TC);
    assert_int_equal(deltas[0].counts.packets, 4);
}

/* Counted in the drain before: what is taken back has no time, so that it widens none. */
static void test_taken_back(void **state)
{
    (void)state;
    struct flow_value value = {0};
    refuse(&value, REJECT_NETFILTER, 1, 2, 2);
    struct flow_delta deltas[2];
    assert_int_equal(delta_split(&key, &value, deltas), 2);
    assert_int_equal((int64_t)deltas[0].counts.packets, -1);
    assert_int_equal((int64_t)deltas[0].counts.bytes, -40);
    assert_int_equal((int32_t)deltas[0].counts.syn, -1);
    assert_true(deltas[0].counts.first_ns == UINT64_MAX);
    assert_int_equal(deltas[0].counts.last_ns, 0);
}

/* A reason of a discard alone, and several entries one after the other. */
static void test_all(void **state)
{
    (void)state;
    struct flow_key keys[3] = {key, key, key};
    struct flow_value values[3] = {{.seconds = 0}, counted(3, 1, 1), {.discard_reason = 3}};
    refuse(&values[1], REJECT_CGROUP, 1, 1, 1);
    struct flow_delta deltas[6];
    assert_int_equal(delta_split_all(keys, values, 3, deltas), 3);
    assert_int_equal(deltas[0].counts.packets, 2);
    assert_int_equal(deltas[1].counts.packets, 1);
    assert_int_equal(deltas[2].counts.drop_reason, 3);
    assert_int_equal(deltas[2].counts.packets, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_alone),
        cmocka_unit_test(test_both),
        cmocka_unit_test(test_rejected_alone),
        cmocka_unit_test(test_taken_back),
        cmocka_unit_test(test_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
