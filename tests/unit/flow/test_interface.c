/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/interface.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"

static struct address address(const char *text)
{
    struct address parsed = {0};
    assert_true(address_parse(text, strlen(text), &parsed));
    return parsed;
}

static void test_first_of_a_family_is_primary(void **state)
{
    (void)state;
    CLEANUP(interface_done) struct interface interface = {0};
    static const char *const texts[] = {"10.0.0.5", "10.0.0.6", "2001:db8::5", "10.0.0.5", "2001:db8::6"};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct address own = address(texts[i]);
        assert_int_equal(interface_add_address(&interface, &own), 0);
    }
    assert_int_equal(interface.address_count, 4); /* the repeated one is not kept twice */
    struct address ipv4 = address("10.0.0.5");
    struct address ipv6 = address("2001:db8::5");
    assert_true(address_equal(interface_primary(&interface, 4), &ipv4));
    assert_true(address_equal(interface_primary(&interface, 6), &ipv6));
}

static void test_owns(void **state)
{
    (void)state;
    CLEANUP(interface_done) struct interface interface = {0};
    struct address own = address("10.0.0.5");
    assert_false(interface_owns(&interface, own.bytes, 4));
    assert_null(interface_primary(&interface, 4));
    assert_int_equal(interface_add_address(&interface, &own), 0);
    assert_true(interface_owns(&interface, own.bytes, 4));
    assert_false(interface_owns(&interface, own.bytes, 6)); /* ::ffff:10.0.0.5 in an IPv6 packet is another */
    assert_null(interface_primary(&interface, 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_of_a_family_is_primary),
        cmocka_unit_test(test_owns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
