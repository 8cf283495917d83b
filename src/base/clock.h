/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Nanoseconds since the epoch, and since an arbitrary moment that no clock step moves. */
uint64_t clock_wall_ns(void);
uint64_t clock_monotonic_ns(void);

#define CLOCK_TEXT_MAX 32

/* "2026-01-31T12:00:00Z"; seconds that no calendar holds as their number. */
const char *clock_format_utc(char to[static CLOCK_TEXT_MAX], uint64_t second);
