/* SPDX-License-Identifier: Apache-2.0 */
#include "nftrace/listing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char listing[] = "table inet filter {\n"
                              "\tchain forward { # handle 2\n"
                              "\t\ttype filter hook forward priority filter; policy accept;\n"
                              "\t\tip saddr { 10.0.0.1, 10.0.0.2,\n"
                              "\t\t\t     10.0.0.3 } drop # handle 6\n"
                              "\t\ttcp dport 22 drop comment \"as # handle 9\" # handle 16\n"
                              "\t\ttcp dport 23 reject # handle 9\n"
                              "\t}\n"
                              "}\n";

static void expect(uint64_t handle, const char *text)
{
    AUTO_BUF struct buf rule = BUF_INIT(4096);
    assert_true(listing_pick_rule(listing, handle, &rule));
    assert_string_equal(buf_string(&rule), text);
}

static void test_rules_by_their_handles(void **state)
{
    (void)state;
    AUTO_BUF struct buf rule = BUF_INIT(4096);
    expect(6, "ip saddr { 10.0.0.1, 10.0.0.2, 10.0.0.3 } drop");
    expect(16, "tcp dport 22 drop comment \"as # handle 9\"");
    expect(9, "tcp dport 23 reject");
    assert_false(listing_pick_rule(listing, 1, &rule));
    assert_false(listing_pick_rule(listing, 2, &rule)); /* a chain */
    buf_clear(&rule);
    assert_false(listing_pick_rule("", 1, &rule));
}

static void test_which_rules_reject(void **state)
{
    (void)state;
    assert_true(listing_rejects("tcp dport 23 reject"));
    assert_true(listing_rejects("reject with icmp port-unreachable"));
    assert_false(listing_rejects("tcp dport 23 drop comment \"do not reject this\""));
    assert_false(listing_rejects("ip saddr @reject drop"));
    assert_false(listing_rejects("ip saddr 10.0.0.1 rejected"));
    assert_false(listing_rejects(""));
}

/* What is no plain name would be more words for nft. */
static void test_names_are_no_commands(void **state)
{
    (void)state;
    AUTO_BUF struct buf rule = BUF_INIT(4096);
    struct fault fault;
    assert_int_equal(listing_find_rule(1, "filter", "input; flush ruleset", 1, &rule, &fault), -EINVAL);
    assert_int_equal(listing_find_rule(1, "-f", "input", 1, &rule, &fault), -EINVAL);
    assert_int_equal(listing_find_rule(1, "", "input", 1, &rule, &fault), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_by_their_handles),
        cmocka_unit_test(test_which_rules_reject),
        cmocka_unit_test(test_names_are_no_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
