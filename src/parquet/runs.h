/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Parquet's hybrid of runs and packed bits, in which it keeps small numbers. */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The bits that numbers up to `max` need; at least one, as some readers take no numbers of none. */
unsigned runs_width(uint32_t max);

/* Appends the numbers, each below 2^width. */
void runs_write(struct buf *to, const uint32_t *numbers, size_t count, unsigned width);

/* The same for one number `count` times. */
void runs_write_one(struct buf *to, uint32_t number, size_t count, unsigned width);
