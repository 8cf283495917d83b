/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The time that a line of a log begins with, or names early: RFC 3339 and its relatives (blank for T, a
 * comma, no zone, +0000), dates with slashes, syslog's (without a year), Apache's and nginx's
 * [31/Jan/2026:12:00:00 +0000], seconds, milli-, micro- or nanoseconds since the epoch, and JSON objects with
 * a member for it (time, timestamp, ts, …).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stamp_options {
    uint64_t near_ns; /* what syslog's dates, which have no year, lie nearest to */
    bool local_time;  /* times without a zone are of this host's, not UTC */
};

/* Nanoseconds since the epoch; false when the line names none. */
bool stamp_find(const char *line, size_t len, const struct stamp_options *options, uint64_t *ret_ns);
