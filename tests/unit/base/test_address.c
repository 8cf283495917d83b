/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macro.h"

static struct address parsed(const char *text)
{
    struct address address = {0};
    if (!address_parse(text, strlen(text), &address))
        fail_msg("%s does not parse", text);
    return address;
}

/* Every octet in every place, against the C library. */
static void test_ipv4_text(void **state)
{
    (void)state;
    for (unsigned octet = 0; octet < 256; octet++) {
        for (unsigned place = 0; place < 4; place++) {
            uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff, [12] = 9, [13] = 99, [14] = 199, [15] = 0};
            bytes[12 + place] = (uint8_t)octet;
            char text[ADDRESS_TEXT_MAX];
            char expected[INET_ADDRSTRLEN];
            assert_non_null(inet_ntop(AF_INET, bytes + 12, expected, sizeof expected));
            size_t len = address_format(text, bytes, 4);
            assert_int_equal(len, strlen(expected));
            assert_memory_equal(text, expected, len);
            struct address back = parsed(expected);
            assert_int_equal(back.family, 4);
            assert_memory_equal(back.bytes, bytes, sizeof bytes);
        }
    }
}

static void test_ipv6_text(void **state)
{
    (void)state;
    static const char *const texts[] = {"::", "::1", "2001:db8:1234:a100:8d6e:3477:df66:f105",
                                        "fe80::1:0:0:1"};
    for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
        struct address address = parsed(texts[i]);
        char text[ADDRESS_TEXT_MAX];
        assert_int_equal(address.family, 6);
        assert_int_equal(address_format(text, address.bytes, 6), strlen(texts[i]));
        assert_memory_equal(text, texts[i], strlen(texts[i]));
    }
}

static void test_what_is_no_address(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",           "1.2.3",     "1.2.3.4.5", "256.1.1.1", "01.2.3.4",
                                        "1.2.3.4 ",   " ::1",      ":",         "1::2::3",   "::g",
                                        "fe80::1%lo", "1.2.3.4/8", "12345::"};
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_false(address_parse(wrong[i], strlen(wrong[i]), &(struct address){0}));
    assert_false(address_parse("::1\0", 4, &(struct address){0}));
}

static bool contains(const char *block_text, const char *address_text)
{
    struct address_block block;
    struct address address = parsed(address_text);
    assert_true(address_block_parse(block_text, strlen(block_text), &block));
    return address_block_contains(&block, &address);
}

static void test_blocks(void **state)
{
    (void)state;
    assert_true(contains("10.77.1.9/24", "10.77.1.255"));
    assert_false(contains("10.77.1.0/24", "10.77.2.0"));
    assert_true(contains("10.0.0.0/9", "10.127.255.255"));
    assert_false(contains("10.0.0.0/9", "10.128.0.0"));
    assert_true(contains("0.0.0.0/0", "203.0.113.9"));
    assert_false(contains("0.0.0.0/0", "::1"));
    assert_false(contains("::/0", "10.0.0.1"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(contains("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(contains("192.0.2.7", "192.0.2.7"));
    static const char *const wrong[] = {"10.0.0.0/33", "::/129",   "10.0.0.0/",   "10.0.0.0/-1",
                                        "/8",          "10.0.0/8", "10.0.0.0/8/8"};
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_false(address_block_parse(wrong[i], strlen(wrong[i]), &(struct address_block){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4_text),
        cmocka_unit_test(test_ipv6_text),
        cmocka_unit_test(test_what_is_no_address),
        cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
