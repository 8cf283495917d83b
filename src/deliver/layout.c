/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/layout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/num.h"

#define HASH_DIGITS 8
#define HOUR_HASH_DIGITS 16
#define MINUTE_MAX 16

/* The folders, with a slash behind the last. */
static size_t print_folders(const struct layout *layout, const struct tm *utc,
                            char ret[static LAYOUT_KEY_MAX])
{
    char day[64];
    size_t len = layout->hive ? strftime(day, sizeof day, "year=%Y/month=%m/day=%d/", utc)
                              : strftime(day, sizeof day, "%Y/%m/%d/", utc);
    if (layout->hourly)
        (void)strftime(day + len, sizeof day - len, layout->hive ? "hour=%H/" : "%H/", utc);
    int total = layout->hive ? snprintf(ret, LAYOUT_KEY_MAX,
                                        "AWSLogs/aws-account-id=%s/aws-service=vpcflowlogs/aws-region=%s/%s",
                                        layout->account, layout->region, day)
                             : snprintf(ret, LAYOUT_KEY_MAX, "AWSLogs/%s/vpcflowlogs/%s/%s", layout->account,
                                        layout->region, day);
    return (size_t)total;
}

/* "20180620T1620Z" */
static int print_minute(uint64_t slot, struct tm *utc, char ret[static MINUTE_MAX])
{
    time_t seconds = (time_t)slot;
    if (!gmtime_r(&seconds, utc) || utc->tm_year > 9999 - 1900 ||
        !strftime(ret, MINUTE_MAX, "%Y%m%dT%H%MZ", utc))
        return -ERANGE;
    return 0;
}

int layout_print_key(const struct layout *layout, uint64_t slot, uint64_t sequence, uint32_t part,
                     char ret[static LAYOUT_KEY_MAX])
{
    const uint64_t parts[] = {layout->origin, slot, sequence, part};
    uint64_t hash =
        hash_bytes(parts, sizeof parts, hash_bytes(layout->flow_log_id, strlen(layout->flow_log_id), 0));
    struct tm utc;
    char minute[MINUTE_MAX];
    int r = print_minute(slot, &utc, minute);
    if (r < 0)
        return r;
    size_t len = print_folders(layout, &utc, ret);
    size_t room = len < LAYOUT_KEY_MAX ? LAYOUT_KEY_MAX - len : 0;
    int more = snprintf(ret + (room ? len : 0), room, "%s_vpcflowlogs_%s_%s_%s_%08x.%s", layout->account,
                        layout->region, layout->flow_log_id, minute, (uint32_t)hash, layout->extension);
    return (size_t)more < room ? 0 : -ENAMETOOLONG;
}

int layout_print_hour_name(const struct layout *layout, uint64_t slot, uint64_t hash,
                           char ret[static LAYOUT_KEY_MAX])
{
    struct tm utc;
    char minute[MINUTE_MAX];
    int r = print_minute(slot, &utc, minute);
    if (r < 0)
        return r;
    int len = snprintf(ret, LAYOUT_KEY_MAX, "%s_vpcflowlogs_%s_%s_%s_%016" PRIx64 ".%s", layout->account,
                       layout->region, layout->flow_log_id, minute, hash, layout->extension);
    return len < LAYOUT_KEY_MAX ? 0 : -ENAMETOOLONG;
}

void layout_print_successor(const char *key, unsigned salt, char ret[static LAYOUT_KEY_MAX])
{
    size_t len = strlen(key);
    const char *hash_at = strrchr(key, '_');
    if (!hash_at || strlen(hash_at) <= HASH_DIGITS || len >= LAYOUT_KEY_MAX)
        return;
    uint32_t hash = (uint32_t)hash_bytes(key, len, salt);
    size_t before = (size_t)(hash_at + 1 - key);
    (void)snprintf(ret, LAYOUT_KEY_MAX, "%.*s%08x%s", (int)before, key, hash, hash_at + 1 + HASH_DIGITS);
}

/* The text up to the next '_', which is skipped. */
static bool take_part(const char **at, char *to, size_t room)
{
    size_t len = strcspn(*at, "_");
    if (len == 0 || len >= room || (*at)[len] != '_')
        return false;
    memcpy(to, *at, len);
    to[len] = '\0';
    *at += len + 1;
    return true;
}

static bool parse_minute(const char *text, uint64_t *ret)
{
    struct tm utc = {0};
    const char *end = strptime(text, "%Y%m%dT%H%MZ", &utc);
    if (strlen(text) != strlen("20180620T1620Z") || !end || *end)
        return false;
    time_t seconds = timegm(&utc);
    *ret = (uint64_t)seconds;
    return seconds >= 0;
}

bool layout_parse_name(const char *name, struct layout_name *ret)
{
    struct layout_name parsed;
    char word[16];
    char minute[MINUTE_MAX];
    uint64_t hash;
    const char *at = name;
    if (!take_part(&at, parsed.account, sizeof parsed.account) || !take_part(&at, word, sizeof word) ||
        strcmp(word, "vpcflowlogs") != 0 || !take_part(&at, parsed.region, sizeof parsed.region) ||
        !take_part(&at, parsed.flow_log_id, sizeof parsed.flow_log_id) ||
        !take_part(&at, minute, sizeof minute) || !parse_minute(minute, &parsed.slot))
        return false;
    const char *dot = strchr(at, '.');
    if (!dot || strlen(dot + 1) >= sizeof parsed.extension || !num_parse_hex(at, (size_t)(dot - at), &hash))
        return false;
    parsed.of_hour = dot - at == HOUR_HASH_DIGITS;
    (void)snprintf(parsed.extension, sizeof parsed.extension, "%s", dot + 1);
    *ret = parsed;
    return true;
}
