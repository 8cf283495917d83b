/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where objects lie and what they are called (delivery.md 2.2, 2.3). */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

#define LAYOUT_SLOT_SECONDS 300
#define LAYOUT_KEY_MAX 1024 /* S3's bound */

/* Text is borrowed. */
struct layout {
    const char *account;
    const char *region;
    const char *flow_log_id;
    const char *extension; /* "log.gz" */
    bool hive;
    bool hourly;
    uint64_t
        origin; /* hash of machine and state folder: daemons that share a place name objects differently */
};

static inline uint64_t layout_slot_of(uint64_t end)
{
    return end - end % LAYOUT_SLOT_SECONDS;
}

/*
 * "AWSLogs/…", unlike that of any other object: `sequence` is that of the object's first batch, `part` tells
 * objects of one slot and sequence apart. -ERANGE for a time no calendar has, -ENAMETOOLONG.
 */
int layout_print_key(const struct layout *layout, uint64_t slot, uint64_t sequence, uint32_t part,
                     char ret[static LAYOUT_KEY_MAX]) MUST_USE;

/* The key that takes the place of one that other bytes have: another hash, found from the key and `salt`
 * alone. */
void layout_print_successor(const char *key, unsigned salt, char ret[static LAYOUT_KEY_MAX]);

/* What an object's name tells (delivery.md 2.3). */
struct layout_name {
    char account[32];
    char region[32];
    char flow_log_id[32];
    char extension[16]; /* "log.gz", "log.parquet", … */
    uint64_t slot;      /* seconds since the epoch */
    bool of_hour;       /* layout_print_hour_name(): not of five minutes but from `slot` to the hour's end */
};

/*
 * The name, without folders, of an object that holds records from a slot on to the end of the slot's hour.
 * Its hash has 16 digits where AWS's names have 8, so that it is not taken for one of five minutes. -ERANGE,
 * -ENAMETOOLONG.
 */
int layout_print_hour_name(const struct layout *layout, uint64_t slot, uint64_t hash,
                           char ret[static LAYOUT_KEY_MAX]) MUST_USE;

/* False for a name, without folders, that is no object's of AWS's form. */
bool layout_parse_name(const char *name, struct layout_name *ret) MUST_USE;
