/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Nanoseconds since the epoch, and since an arbitrary moment that no clock step moves. */
uint64_t clock_wall_ns(void);
uint64_t clock_monotonic_ns(void);
