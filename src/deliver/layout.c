/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/layout.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"

#define HASH_DIGITS 8

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

int layout_print_key(const struct layout *layout, uint64_t slot, uint64_t sequence, uint32_t part,
                     char ret[static LAYOUT_KEY_MAX])
{
    const uint64_t parts[] = {layout->origin, slot, sequence, part};
    uint64_t hash =
        hash_bytes(parts, sizeof parts, hash_bytes(layout->flow_log_id, strlen(layout->flow_log_id), 0));
    time_t seconds = (time_t)slot;
    struct tm utc;
    char minute[32];
    if (!gmtime_r(&seconds, &utc) || utc.tm_year > 9999 - 1900 ||
        !strftime(minute, sizeof minute, "%Y%m%dT%H%MZ", &utc))
        return -ERANGE;
    size_t len = print_folders(layout, &utc, ret);
    size_t room = len < LAYOUT_KEY_MAX ? LAYOUT_KEY_MAX - len : 0;
    int more = snprintf(ret + (room ? len : 0), room, "%s_vpcflowlogs_%s_%s_%s_%08x.%s", layout->account,
                        layout->region, layout->flow_log_id, minute, (uint32_t)hash, layout->extension);
    return (size_t)more < room ? 0 : -ENAMETOOLONG;
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
