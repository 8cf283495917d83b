/* SPDX-License-Identifier: Apache-2.0 */
#include "store/partition.h"

#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "base/num.h"

#define HOUR 3600U
#define DAY (24 * HOUR)
#define SLOT_SECONDS 300
#define RECORD_SECONDS_MAX                                                                                   \
    600 /* the longest aggregation interval: so long before its end a record may start */

enum { YEAR, MONTH, DAY_OF_MONTH, HOUR_OF_DAY, MINUTE, PARTS };

/* Digits and bounds of the parts. */
static const struct {
    const char *hive;
    uint8_t digits;
    uint16_t min, max;
} parts[PARTS] = {
    [YEAR] = {"year=", 4, 1970, 9999},   [MONTH] = {"month=", 2, 1, 12},
    [DAY_OF_MONTH] = {"day=", 2, 1, 31}, [HOUR_OF_DAY] = {"hour=", 2, 0, 23},
    [MINUTE] = {"minute=", 2, 0, 59},
};

/* The first `known` parts are read. */
struct moment {
    uint64_t values[PARTS];
    unsigned known;
};

static bool read_part(struct moment *moment, const char *text, size_t len)
{
    unsigned part = moment->known;
    uint64_t number;
    if (part >= PARTS || len != parts[part].digits || !num_parse_u64(text, len, parts[part].max, &number) ||
        number < parts[part].min)
        return false;
    moment->values[moment->known++] = number;
    return true;
}

/* "year=2026" as the next part; Spark writes months and days without a leading zero. */
static bool read_hive(struct moment *moment, const char *text, size_t len)
{
    if (moment->known >= MINUTE)
        return false;
    const char *word = parts[moment->known].hive;
    size_t word_len = strlen(word);
    if (len <= word_len || memcmp(text, word, word_len) != 0)
        return false;
    char padded[2] = {'0', text[word_len]};
    return len == word_len + 1 ? read_part(moment, padded, sizeof padded)
                               : read_part(moment, text + word_len, len - word_len);
}

static uint64_t seconds_of(const struct moment *moment)
{
    struct tm parts_of_time = {
        .tm_year = (int)moment->values[YEAR] - 1900,
        .tm_mon = moment->known > MONTH ? (int)moment->values[MONTH] - 1 : 0,
        .tm_mday = moment->known > DAY_OF_MONTH ? (int)moment->values[DAY_OF_MONTH] : 1,
        .tm_hour = moment->known > HOUR_OF_DAY ? (int)moment->values[HOUR_OF_DAY] : 0,
        .tm_min = moment->known > MINUTE ? (int)moment->values[MINUTE] : 0,
    };
    return (uint64_t)timegm(&parts_of_time);
}

/* Up to the next year, month, … */
static struct partition_range range_of(const struct moment *moment)
{
    static const uint32_t seconds[PARTS + 1] = {0, 0, 0, DAY, HOUR, SLOT_SECONDS};
    struct partition_range range = {.from_s = seconds_of(moment)};
    struct moment next = *moment;
    if (moment->known > MONTH + 1) {
        range.until_s = range.from_s + seconds[moment->known];
        return range;
    }
    bool carries = moment->known == MONTH + 1 && moment->values[MONTH] == 12;
    if (moment->known == MONTH + 1)
        next.values[MONTH] = carries ? 1 : moment->values[MONTH] + 1;
    if (carries || moment->known == YEAR + 1)
        next.values[YEAR]++;
    range.until_s = seconds_of(&next);
    return range;
}

/* Whether a stamp is followed by the long hash of an object that goes on to the end of the hour (layout.h).
 */
static bool is_of_hour(const char *behind_stamp)
{
    return behind_stamp[0] == '_' && strspn(behind_stamp + 1, "0123456789abcdef") == 16;
}

/* "20260131T2355Z" between underscores. */
static bool read_object_name(const char *name, struct moment *ret)
{
    for (const char *at = strchr(name, '_'); at; at = strchr(at + 1, '_')) {
        const char *stamp = at + 1;
        size_t len = strcspn(stamp, "_.");
        struct moment moment = {0};
        if (len == 14 && stamp[8] == 'T' && stamp[13] == 'Z' && read_part(&moment, stamp, 4) &&
            read_part(&moment, stamp + 4, 2) && read_part(&moment, stamp + 6, 2) &&
            read_part(&moment, stamp + 9, 2) && read_part(&moment, stamp + 11, 2)) {
            if (is_of_hour(stamp + len))
                moment.known = MINUTE;
            *ret = moment;
            return true;
        }
    }
    return false;
}

bool partition_find_range(const char *path, struct partition_range *ret)
{
    struct moment hive = {0};
    struct moment plain = {0};
    struct moment found = {0};
    const char *component = path;
    for (;;) {
        size_t len = strcspn(component, "/");
        (void)read_hive(&hive, component, len);
        if (plain.known >= MINUTE || !read_part(&plain, component, len)) {
            if (plain.known > DAY_OF_MONTH)
                found = plain;
            plain = (struct moment){0};
            (void)read_part(&plain, component, len);
        }
        if (component[len] == '\0')
            break;
        component += len + 1;
    }
    if (plain.known > DAY_OF_MONTH) /* a year alone is any number of four digits */
        found = plain;
    if (hive.known > found.known)
        found = hive;
    (void)read_object_name(component, &found);
    if (found.known == 0)
        return false;
    *ret = range_of(&found);
    return true;
}

bool partition_may_hold(const char *path, uint64_t since_s, uint64_t until_s)
{
    struct partition_range range;
    if (!partition_find_range(path, &range))
        return true;
    return range.until_s > since_s &&
           (until_s > UINT64_MAX - RECORD_SECONDS_MAX || range.from_s <= until_s + RECORD_SECONDS_MAX);
}
