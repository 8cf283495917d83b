/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Times as options name them: RFC 3339, seconds since the epoch, or how long ago ("15m", "2h", "7d"). What
 * names no time zone is UTC. */

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

#define WHEN_SINCE_HELP                                                                                      \
    "leave out what ends before: 2026-01-31T12:00:00Z, seconds since the epoch, or 15m, 2h, 7d ago"
#define WHEN_UNTIL_HELP "leave out what starts after"

bool when_parse(const char *text, uint64_t now_s, uint64_t *ret);

/* The same, but what names no time zone is in this host's. */
bool when_parse_local(const char *text, uint64_t now_s, uint64_t *ret);

/* The times of --since and --until; NULL leaves an end open (0, UINT64_MAX). -EINVAL. */
int when_read_range(const char *since, const char *until, uint64_t *ret_since_s, uint64_t *ret_until_s,
                    struct fault *fault) MUST_USE;

/* The time of one option; untouched when it was not given. */
int when_read(const char *option, const char *text, uint64_t *ret, struct fault *fault) MUST_USE;
