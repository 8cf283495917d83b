/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/busiest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

struct row {
    const char *source, *destination;
    uint64_t packets, bytes;
};

static struct flow make_flow(const struct row *row)
{
    struct flow made = {.packets = row->packets, .bytes = row->bytes};
    struct address source;
    struct address destination;
    assert_true(address_parse(row->source, strlen(row->source), &source));
    assert_true(address_parse(row->destination, strlen(row->destination), &destination));
    memcpy(made.source, source.bytes, sizeof made.source);
    memcpy(made.destination, destination.bytes, sizeof made.destination);
    made.bits = source.family == 6 ? FLOW_BIT_IPV6 : 0;
    return made;
}

static void expect_busiest(const struct row *rows, size_t count, const char *expected)
{
    CLEANUP(busiest_done) struct busiest busiest;
    assert_int_equal(busiest_init(&busiest, 1000), 0);
    while (busiest_next_pass(&busiest)) {
        for (size_t i = 0; i < count; i++) {
            struct flow one = make_flow(&rows[i]);
            busiest_add(&busiest, &one);
        }
    }
    struct address found;
    if (!expected) {
        assert_false(busiest_result(&busiest, &found));
        return;
    }
    char text[ADDRESS_TEXT_MAX + 1];
    assert_true(busiest_result(&busiest, &found));
    text[address_format(text, found.bytes, found.family)] = '\0';
    assert_string_equal(text, expected);
}

#define EXPECT(expected, ...)                                                                                \
    do {                                                                                                     \
        static const struct row rows[] = {__VA_ARGS__};                                                      \
        expect_busiest(rows, sizeof rows / sizeof *rows, expected);                                          \
    } while (0)

static void test_most_packets_of_both_directions(void **state)
{
    (void)state;
    EXPECT("192.0.2.3", {"192.0.2.1", "192.0.2.3", 5, 1}, {"192.0.2.3", "192.0.2.2", 4, 1},
           {"192.0.2.2", "192.0.2.4", 4, 1000000});
    EXPECT("2001:db8::5", {"2001:db8::5", "2001:db8::6", 9, 1}, {"192.0.2.3", "192.0.2.2", 4, 1},
           {"2001:db8::7", "2001:db8::5", 1, 1});
}

static void test_ties(void **state)
{
    (void)state;
    EXPECT("192.0.2.1", {"192.0.2.2", "192.0.2.1", 5, 100}, {"192.0.2.2", "192.0.2.9", 2, 1},
           {"192.0.2.1", "192.0.2.9", 2, 50}); /* more bytes */
    EXPECT("10.0.0.9", {"8.8.8.8", "10.0.0.9", 5, 100});
    EXPECT("172.31.0.1", {"172.31.0.1", "172.32.0.1", 5, 100});
    EXPECT("192.168.0.1", {"1.1.1.1", "192.168.0.1", 5, 100});
    EXPECT("fd00::1", {"2001:db8::1", "fd00::1", 5, 100});
    EXPECT("10.0.0.1", {"10.0.0.2", "10.0.0.1", 5, 100}); /* the smaller one */
}

static void test_what_no_interface_owns(void **state)
{
    (void)state;
    EXPECT("192.0.2.1", {"192.0.2.1", "224.0.0.1", 1, 1}, {"192.0.2.2", "239.255.255.250", 9, 1},
           {"192.0.2.1", "255.255.255.255", 9, 1}, {"0.0.0.0", "255.255.255.255", 90, 1});
    EXPECT("fe80::1", {"::", "ff02::1", 90, 1}, {"fe80::1", "ff02::1", 1, 1});
    EXPECT(NULL, {"0.0.0.0", "255.255.255.255", 90, 1});
    expect_busiest(NULL, 0, NULL);
}

/* More addresses than groups and nothing outstanding: all of the heavy groups have to be looked into. */
static void test_many_of_nearly_equal_weight(void **state)
{
    enum { ADDRESSES = 200000, BEST = 123456 };
    (void)state;
    CLEANUP(busiest_done) struct busiest busiest;
    assert_int_equal(busiest_init(&busiest, ADDRESSES), 0);
    unsigned passes = 0;
    for (; busiest_next_pass(&busiest); passes++) {
        for (uint32_t i = 0; i < ADDRESSES; i++) {
            struct flow one = {
                .source =
                    {[10] = 0xff, [11] = 0xff, [12] = 11, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i},
                .destination = {[10] = 0xff, [11] = 0xff, [12] = 224, [15] = 1},
                .packets = i == BEST ? 3 : 2};
            busiest_add(&busiest, &one);
        }
    }
    assert_int_equal(passes, 3);
    struct address found;
    assert_true(busiest_result(&busiest, &found));
    assert_int_equal(found.bytes[13] << 16 | found.bytes[14] << 8 | found.bytes[15], BEST);
}

static void test_one_that_stands_out_needs_no_place_for_the_others(void **state)
{
    enum { PEERS = 100000, PLACES = 64 };
    (void)state;
    CLEANUP(busiest_done) struct busiest busiest;
    assert_int_equal(busiest_init(&busiest, PLACES), 0);
    while (busiest_next_pass(&busiest)) {
        for (uint32_t i = 0; i < PEERS; i++) {
            struct flow one = {
                .source =
                    {[10] = 0xff, [11] = 0xff, [12] = 11, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i},
                .destination = {[10] = 0xff, [11] = 0xff, [12] = 192, [15] = 77},
                .packets = 1};
            busiest_add(&busiest, &one);
        }
    }
    struct address found;
    assert_true(busiest_result(&busiest, &found));
    assert_int_equal(found.bytes[15], 77);
    assert_true(busiest.table.count < PLACES);
    struct busiest none;
    assert_int_equal(busiest_init(&none, 0), -EINVAL);
    busiest_done(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_packets_of_both_directions),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_what_no_interface_owns),
        cmocka_unit_test(test_many_of_nearly_equal_weight),
        cmocka_unit_test(test_one_that_stands_out_needs_no_place_for_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
