/* SPDX-License-Identifier: Apache-2.0 */

/* Files that a fuzzer does not make: larger than one range, with lines of every length at the borders. What
 * is required of them stands in tests/fuzz/fuzz_lines.c. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t state = 1;

static uint32_t next_random(uint32_t below)
{
    state = state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)state * below >> 32);
}

static void check(struct buf *text)
{
    assert_false(text->failed);
    (void)LLVMFuzzerTestOneInput((const uint8_t *)text->data, text->len);
}

#define HEADER                                                                                               \
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "      \
    "action log-status"
#define RECORD "2 123456789012 eni-0abc 10.0.0.1 10.0.0.2 %u 443 6 10 %u 1700000000 1700000059 ACCEPT OK"
#define OTHER_HEADER "end start dstaddr srcaddr bytes interface-id"

static void add_line(struct buf *text, unsigned number, bool *other)
{
    static const char *const odd[] = {"",
                                      "  \t",
                                      "# a comment",
                                      "2 1 eni-1 - - - - - - - 1 2 - NODATA",
                                      "no record at all",
                                      "\xff\xfe",
                                      "2 1 eni-1 1.2.3.4 5.6.7.8 65536 1 6 1 1 1 2 ACCEPT OK",
                                      "- - -",
                                      "2  1"};
    switch (next_random(200)) {
    case 0:
        buf_text(text, odd[next_random(sizeof odd / sizeof *odd)]);
        break;
    case 1:
        *other = next_random(2);
        buf_text(text, *other ? OTHER_HEADER : HEADER);
        break;
    default:
        if (*other)
            buf_printf(text, "1700000059 1700000000 10.0.0.2 2001:db8::%x %u eni-%u", number & 0xffff, number,
                       next_random(1000));
        else
            buf_printf(text, RECORD, next_random(65536), number);
    }
    buf_text(text, next_random(50) ? "\n" : "\r\n");
}

static void test_large_files(void **context)
{
    for (unsigned round = 0; round < 3; round++) {
        AUTO_BUF struct buf text = BUF_INIT(64UL << 20);
        bool other = false;
        for (unsigned i = 0; i < 20000; i++)
            add_line(&text, i, &other);
        text.len -= round; /* the last line without its end, and cut */
        check(&text);
    }
}

/* Lines that are longer than ranges, and as long as lines may be. */
static void test_long_lines(void **context)
{
    static const unsigned lengths[] = {1048575, 1048576, 1048577, 3000000, 524288, 524287, 1};
    AUTO_BUF struct buf text = BUF_INIT(64UL << 20);
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        buf_printf(&text, RECORD "\n", i, i);
        for (unsigned at = 0; at < lengths[i]; at++)
            buf_char(&text, at % 100 ? 'x' : ' ');
        buf_char(&text, '\n');
    }
    check(&text);
    buf_text(&text, "2 the end ");
    for (unsigned at = 0; at < 2000000; at++)
        buf_char(&text, 'y');
    check(&text);
}

/* A newline at each of the places around the border of a range. */
static void test_borders(void **context)
{
    for (int shift = -3; shift <= 3; shift++) {
        AUTO_BUF struct buf text = BUF_INIT(64UL << 20);
        buf_char(&text, '#');
        while (text.len < (size_t)(524288 + shift))
            buf_char(&text, 'c');
        buf_char(&text, '\n');
        for (unsigned i = 0; i < 10000; i++)
            buf_printf(&text, RECORD "\n", i, i);
        check(&text);
    }
}

/* Values at the bounds of what the short cuts take. */
static void test_mutations(void **context)
{
    static const char *const values[] = {"-",
                                         "0",
                                         "00",
                                         "9",
                                         "255",
                                         "256",
                                         "0255",
                                         "65535",
                                         "65536",
                                         "99999",
                                         "2147483647",
                                         "2147483648",
                                         "999999999999",
                                         "1700000000000",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "18446744073709551616",
                                         "1.2.3.4",
                                         "1.2.3",
                                         "1.2.3.4.5",
                                         "01.2.3.4",
                                         "1.2.3.256",
                                         "1..3.4",
                                         "255.255.255.255",
                                         "0.0.0.0",
                                         "1.2.3.4 ",
                                         "::",
                                         "::1",
                                         "1::",
                                         "1:::2",
                                         "1:2:3:4:5:6:7:8",
                                         "1:2:3:4:5:6:7::",
                                         "1:2:3:4:5:6:7:8::",
                                         "12345::",
                                         ":1::2",
                                         "1::2:",
                                         "::ffff:1.2.3.4",
                                         "2001:DB8::A",
                                         "g::",
                                         "ACCEPT",
                                         "REJECT",
                                         "ACCEPTS",
                                         "accept",
                                         "OK",
                                         "NODATA",
                                         "SKIPDATA",
                                         "SKIP",
                                         "a",
                                         "\xc3\xa4",
                                         "\xc3",
                                         "a\tb",
                                         "1a",
                                         "--",
                                         "-1"};
    const size_t count = sizeof values / sizeof *values;
    static const char *const usual[] = {"2",
                                        "123456789012",
                                        "eni-0abcdef0123456789",
                                        "10.0.0.1",
                                        "fd00::1:2",
                                        "40000",
                                        "443",
                                        "6",
                                        "10",
                                        "1000",
                                        "1700000000",
                                        "1700000059",
                                        "ACCEPT",
                                        "OK"};
    AUTO_BUF struct buf text = BUF_INIT(64UL << 20);
    for (size_t field = 0; field < 14; field++) {
        for (size_t i = 0; i < count; i++) {
            for (size_t at = 0; at < 14; at++)
                buf_printf(&text, "%s%s", at ? " " : "", at == field ? values[i] : usual[at]);
            buf_char(&text, '\n');
        }
    }
    check(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_files),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_borders),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
