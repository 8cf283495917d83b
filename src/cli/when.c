/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/when.h"

#include <string.h>
#include <time.h>

#include "base/num.h"

/* Seconds of "s", "m", "h", "d", "w"; 0 for anything else. */
static uint64_t unit_seconds(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return 7ULL * 86400;
    default:
        return 0;
    }
}

/* "Z", "+02:00" or nothing behind the seconds; false for anything else. */
static bool parse_zone(const char *text, int64_t *ret_seconds)
{
    uint64_t hours;
    uint64_t minutes;
    *ret_seconds = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0 || text[0] == '\0')
        return true;
    if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6 || text[3] != ':' ||
        !num_parse_u64(text + 1, 2, 23, &hours) || !num_parse_u64(text + 4, 2, 59, &minutes))
        return false;
    *ret_seconds = (int64_t)(hours * 3600 + minutes * 60) * (text[0] == '-' ? -1 : 1);
    return true;
}

/* Of a time without a zone; false for one that no calendar has. */
static bool count_seconds(struct tm *parts, bool local, time_t *ret)
{
    parts->tm_isdst = -1;
    *ret = local ? mktime(parts) : timegm(parts);
    return *ret >= 0;
}

static bool parse_date(const char *text, bool local, uint64_t *ret)
{
    struct tm parts = {0};
    int64_t zone;
    const char *rest = strptime(text, "%Y-%m-%d", &parts);
    if (rest && (*rest == 'T' || *rest == ' '))
        rest = strptime(rest + 1, "%H:%M:%S", &parts);
    time_t seconds;
    if (!rest || !parse_zone(rest, &zone) || !count_seconds(&parts, local && !*rest, &seconds) ||
        seconds < zone)
        return false;
    *ret = (uint64_t)(seconds - zone);
    return true;
}

static bool parse(const char *text, uint64_t now_s, bool local, uint64_t *ret)
{
    size_t len = strlen(text);
    uint64_t number;
    uint64_t unit = len ? unit_seconds(text[len - 1]) : 0;
    if (unit && num_parse_u64(text, len - 1, UINT32_MAX, &number)) {
        *ret = number * unit < now_s ? now_s - number * unit : 0;
        return true;
    }
    return num_parse_u64(text, len, INT64_MAX, ret) || parse_date(text, local, ret);
}

bool when_parse(const char *text, uint64_t now_s, uint64_t *ret)
{
    return parse(text, now_s, false, ret);
}

bool when_parse_local(const char *text, uint64_t now_s, uint64_t *ret)
{
    return parse(text, now_s, true, ret);
}
