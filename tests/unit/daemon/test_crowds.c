/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/crowds.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { TCP = 6 };

static struct flow probe(uint8_t source, uint8_t destination, uint16_t source_port, uint16_t destination_port)
{
    return (struct flow){.source = {[15] = source},
                         .destination = {[15] = destination},
                         .source_port = source_port,
                         .destination_port = destination_port,
                         .protocol = TCP,
                         .interface = 3,
                         .packets = 1};
}

static void add(struct crowds *crowds, struct flow flow)
{
    crowds_note(crowds, &flow, true);
}

static void test_each_kind(void **state)
{
    (void)state;
    struct crowds crowds = {0};
    struct crowd found[8];
    for (uint16_t i = 0; i < 20; i++)
        add(&crowds, probe((uint8_t)i, 200, 1000 + i, 23)); /* many to one port */
    for (uint16_t i = 0; i < 15; i++)
        add(&crowds, probe(201, (uint8_t)i, 53, 1000 + i)); /* one port's answers to many */
    for (uint16_t i = 0; i < 10; i++)
        add(&crowds, probe(202, 203, 1000 + i, 2000 + i)); /* all ports of one host */
    for (uint16_t i = 0; i < CROWD_FLOWS_MIN - 1; i++)
        add(&crowds, probe(204, 205, 1000 + i, 2000 + i));
    assert_int_equal(crowds_largest(&crowds, found, 8), 3);
    assert_int_equal(found[0].kind, CROWD_TO);
    assert_int_equal(found[0].flows, 20);
    assert_int_equal(found[0].common.destination[15], 200);
    assert_int_equal(found[0].common.destination_port, 23);
    assert_int_equal(found[0].common.source_port, 0);
    assert_int_equal(found[0].interface_count, 1);
    assert_int_equal(found[0].interfaces[0], 3);
    assert_int_equal(found[1].kind, CROWD_FROM);
    assert_int_equal(found[1].common.source_port, 53);
    assert_int_equal(found[2].kind, CROWD_BETWEEN);
    assert_int_equal(found[2].common.source[15], 202);
    assert_int_equal(crowds_largest(&crowds, found, 2), 2);
}

/* One scanner that probes one port is the same crowd by the port and by the addresses. */
static void test_a_part_is_passed_over(void **state)
{
    (void)state;
    struct crowds crowds = {0};
    struct crowd found[8];
    for (uint16_t i = 0; i < 20; i++)
        add(&crowds, probe(1, 2, 1000 + i, 23));
    assert_int_equal(crowds_largest(&crowds, found, 8), 1);
    for (uint16_t i = 0; i < 20; i++)
        add(&crowds, probe(1, 3, 1000 + i, 23));
    assert_int_equal(crowds_largest(&crowds, found, 8), 2);
}

/* A large one is found among more others than are held; what is not sure does not count. */
static void test_bounded(void **state)
{
    (void)state;
    struct crowds crowds = {0};
    struct crowd found[8];
    for (uint16_t i = 0; i < 4000; i++) {
        add(&crowds, probe((uint8_t)i, (uint8_t)(i >> 8), i, i));
        if (i % 4 == 0)
            add(&crowds, probe(77, 78, i, 23));
    }
    size_t count = crowds_largest(&crowds, found, 8);
    assert_int_equal(count, 1);
    assert_int_equal(found[0].common.destination[15], 78);
    assert_true(found[0].flows >= 1000 && found[0].flows - found[0].surplus <= 1000);
}

static void test_without_ports(void **state)
{
    (void)state;
    struct crowds crowds = {0};
    struct crowd found[1];
    for (uint16_t i = 0; i < 20; i++) {
        struct flow ping = probe((uint8_t)i, 2, 0, 0);
        crowds_note(&crowds, &ping, false);
    }
    assert_int_equal(crowds_largest(&crowds, found, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind),
        cmocka_unit_test(test_a_part_is_passed_over),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_without_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
