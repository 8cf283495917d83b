/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Times as options name them: RFC 3339, seconds since the epoch, or how long ago ("15m", "2h", "7d"). */

#include <stdbool.h>
#include <stdint.h>

bool when_parse(const char *text, uint64_t now_s, uint64_t *ret);
