/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/stamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"

#define NOON 1769860800ULL /* 2026-01-31T12:00:00Z */

static void times_are_found(void **state)
{
    static const struct {
        const char *line;
        uint64_t ns;
    } rows[] = {
        {"2026-01-31T12:00:00Z started", NOON * NS_PER_S},
        {"2026-01-31T14:00:00+02:00 started", NOON * NS_PER_S},
        {"2026-01-31T06:30:00-0530 started", NOON * NS_PER_S},
        {"2026-01-31T12:00:00.25Z x", NOON * NS_PER_S + 250 * NS_PER_MS},
        {"2026-01-31 12:00:00,001 ERROR x", NOON * NS_PER_S + NS_PER_MS},
        {"2026/01/31 12:00:00 [error] 7#7: x", NOON * NS_PER_S},
        {"[2026-01-31 12:00:00] x", NOON * NS_PER_S},
        {"INFO 2026-01-31T12:00:00 x", NOON * NS_PER_S},
        {"2026-01-31T12:00:00+0000 host sshd[7]: x", NOON * NS_PER_S},
        {"Jan 31 12:00:00 host sshd[7]: x", NOON * NS_PER_S},
        {"<13>Jan 31 12:00:00 host x", NOON * NS_PER_S},
        {"Dec 31 23:59:59 host x", 1767225599 * NS_PER_S}, /* of the year before */
        {"Sat Jan 31 12:00:00 2026 x", NOON * NS_PER_S},
        {"10.0.0.1 - - [31/Jan/2026:13:00:00 +0100] \"GET / HTTP/1.1\" 200 7", NOON * NS_PER_S},
        {"1769860800 x", NOON * NS_PER_S},
        {"1769860800.5 x", NOON * NS_PER_S + 500 * NS_PER_MS},
        {"[1769860800123] x", NOON * NS_PER_S + 123 * NS_PER_MS},
        {"1769860800123456789", NOON * NS_PER_S + 123456789},
        {"{\"level\":\"info\",\"ts\":1769860800.5}", NOON * NS_PER_S + 500 * NS_PER_MS},
        {"{\"time\":\"2026-01-31T12:00:00Z\"}", NOON * NS_PER_S},
        {"{\"timestamp\":1769860800123}", NOON * NS_PER_S + 123 * NS_PER_MS},
    };
    const struct stamp_options options = {.near_ns = NOON * NS_PER_S};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t ns = 0;
        if (!stamp_find(rows[i].line, strlen(rows[i].line), &options, &ns) || ns != rows[i].ns)
            fail_msg("%s: %llu", rows[i].line, (unsigned long long)ns);
    }
}

static void other_lines_have_none(void **state)
{
    static const char *const lines[] = {
        "",
        "  at main.c:17",
        "\t2026-01-31T12:00:00Z set in",
        "Traceback (most recent call last):",
        "2026-02-30T12:00:00Z no such day",
        "2026-01-31T25:00:00Z no such hour",
        "17 files",
        "took 1769860800 steps",
        "{\"level\":\"info\"}",
        "{not json",
        "0123456789abcdef0123456789abcdef checksum",
    };
    const struct stamp_options options = {.near_ns = NOON * NS_PER_S};
    uint64_t ns;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        if (stamp_find(lines[i], strlen(lines[i]), &options, &ns))
            fail_msg("%s", lines[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_found),
        cmocka_unit_test(other_lines_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
