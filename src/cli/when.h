/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Times as options name them: RFC 3339, seconds since the epoch, or how long ago ("15m", "2h", "7d"). What
 * names no time zone is UTC. */

#include <stdbool.h>
#include <stdint.h>

bool when_parse(const char *text, uint64_t now_s, uint64_t *ret);

/* The same, but what names no time zone is in this host's. */
bool when_parse_local(const char *text, uint64_t now_s, uint64_t *ret);
