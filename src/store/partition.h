/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the names of files and folders say of the time of the records in them (delivery.md 2.2, 2.3). */

#include <stdbool.h>
#include <stdint.h>

/* Times at which records end: from_s <= end < until_s. */
struct partition_range {
    uint64_t from_s;
    uint64_t until_s;
};

/*
 * From the finest of: an object's name (…_YYYYMMDDTHHmmZ_…, five minutes), folders of hours and days, plain
 * (2026/01/31/23) or Hive's (year=2026/month=01/day=31/hour=23), of which the first ones are enough. `path`
 * may be that of a folder. False where it says nothing.
 */
bool partition_find_range(const char *path, struct partition_range *ret);

/*
 * Whether something of that name may hold records that reach into since_s..until_s: that end at since_s or
 * later and start at until_s or earlier. True where the name says nothing.
 */
bool partition_may_hold(const char *path, uint64_t since_s, uint64_t until_s);
