/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/attributed.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct flow flow_to(uint16_t port)
{
    return (struct flow){
        .destination_port = port, .protocol = 17, .reject = REJECT_NETFILTER, .packets = port};
}

static void test_one_rule_is_certain(void **state)
{
    (void)state;
    struct attributed known = {0};
    for (uint16_t port = 20; port > 0; port -= 2) {
        struct flow flow = flow_to(port);
        assert_true(attributed_note(&known, &flow, port == 4 ? "four" : "other", 100));
    }
    assert_int_equal(known.count, 10);
    struct flow four = flow_to(4);
    four.packets = 7; /* not of the key */
    four.tcp_flags = 2;
    assert_string_equal(attributed_find(&known, &four)->rule, "four");
    struct flow five = flow_to(5);
    assert_null(attributed_find(&known, &five));
    four.interface = 1;
    assert_null(attributed_find(&known, &four));
    attributed_clear(&known);
    assert_int_equal(known.count, 0);
}

static void test_two_rules_are_not(void **state)
{
    (void)state;
    struct attributed known = {0};
    struct flow one = flow_to(1);
    struct flow two = flow_to(2);
    struct flow three = flow_to(3);
    assert_true(attributed_note(&known, &one, "a", 100));
    assert_true(attributed_note(&known, &one, "b", 101));
    assert_true(attributed_note(&known, &one, "a", 102)); /* stays so */
    assert_null(attributed_find(&known, &one)->rule);
    assert_true(attributed_note(&known, &two, "a", 100));
    assert_true(attributed_note(&known, &two, NULL, 101)); /* a packet was let through */
    assert_null(attributed_find(&known, &two)->rule);
    assert_true(attributed_note(&known, &three, NULL, 100));
    assert_true(attributed_note(&known, &three, "a", 101));
    assert_null(attributed_find(&known, &three)->rule);
    attributed_clear(&known);
}

static void test_what_is_old_goes_and_room_ends(void **state)
{
    (void)state;
    struct attributed known = {0};
    for (uint16_t port = 0; port < ATTRIBUTED_MAX; port++) {
        struct flow flow = flow_to(port);
        assert_true(attributed_note(&known, &flow, "rule", port));
    }
    struct flow more = flow_to(ATTRIBUTED_MAX);
    struct flow last = flow_to(ATTRIBUTED_MAX - 1);
    assert_false(attributed_note(&known, &more, "rule", 20000));
    assert_true(attributed_note(&known, &last, "rule", 20000)); /* is known */
    attributed_forget(&known, ATTRIBUTED_MAX - 2);
    assert_int_equal(known.count, 2);
    assert_true(attributed_note(&known, &more, "rule", 20000));
    assert_int_equal(attributed_find(&known, &last)->seen_s, 20000);
    attributed_clear(&known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_rule_is_certain),
        cmocka_unit_test(test_two_rules_are_not),
        cmocka_unit_test(test_what_is_old_goes_and_room_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
