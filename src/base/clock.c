/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/macro.h"

static uint64_t clock_read(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now); /* cannot fail for the two ids used here */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_wall_ns(void)
{
    return clock_read(CLOCK_REALTIME);
}

uint64_t clock_monotonic_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

const char *clock_format_utc(char to[static CLOCK_TEXT_MAX], uint64_t second)
{
    time_t when = (time_t)second;
    struct tm parts;
    if (second > INT64_MAX || !gmtime_r(&when, &parts) ||
        strftime(to, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        (void)snprintf(to, CLOCK_TEXT_MAX, "%" PRIu64, second);
    return to;
}
