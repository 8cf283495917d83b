/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/stamp.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"

enum {
    PREFIX_MAX = 96, /* how far into a line a time is looked for */
    YEAR_MIN = 1970,
    YEAR_MAX = 2199,
    UNDER_SECOND = 9, /* digits */
};

#define EPOCH_S_MIN 100000000ULL  /* 1973: smaller numbers are something else */
#define EPOCH_S_MAX 7258118400ULL /* 2200 */
#define JSON_MAX (1024UL * 1024)

/* What is left of the text. */
struct cursor {
    const char *at;
    const char *end;
};

struct moment {
    struct tm parts;
    uint32_t ns;
    int64_t zone_s;
    bool has_zone;
    bool has_year;
};

static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly that many digits, of a number within the bounds. */
static bool take_number(struct cursor *cursor, int digits, int min, int max, int *ret)
{
    int number = 0;
    if (cursor->end - cursor->at < digits)
        return false;
    for (int i = 0; i < digits; i++) {
        if (!is_digit(cursor->at[i]))
            return false;
        number = number * 10 + cursor->at[i] - '0';
    }
    if (number < min || number > max)
        return false;
    cursor->at += digits;
    *ret = number;
    return true;
}

static bool take_char(struct cursor *cursor, const char *any_of)
{
    if (cursor->at == cursor->end || !*cursor->at || !strchr(any_of, *cursor->at))
        return false;
    cursor->at++;
    return true;
}

static bool take_month_name(struct cursor *cursor, int *ret)
{
    for (int i = 0; i < 12; i++) {
        if (cursor->end - cursor->at >= 3 && memcmp(cursor->at, months[i], 3) == 0) {
            cursor->at += 3;
            *ret = i;
            return true;
        }
    }
    return false;
}

/* Of a second: digits behind a point or comma; beyond nanoseconds they are passed over. */
static void take_fraction(struct cursor *cursor, uint32_t *ret_ns)
{
    struct cursor rest = *cursor;
    uint32_t ns = 0;
    int digits = 0;
    if (!take_char(&rest, ".,") || rest.at == rest.end || !is_digit(*rest.at))
        return;
    for (; rest.at < rest.end && is_digit(*rest.at); rest.at++)
        if (digits < UNDER_SECOND) {
            ns = ns * 10 + (uint32_t)(*rest.at - '0');
            digits++;
        }
    for (; digits < UNDER_SECOND; digits++)
        ns *= 10;
    *ret_ns = ns;
    *cursor = rest;
}

/* Z, +02:00, +0200, +02, each maybe behind a blank. */
static void take_zone(struct cursor *cursor, struct moment *moment)
{
    struct cursor rest = *cursor;
    int hours;
    int minutes = 0;
    (void)take_char(&rest, " ");
    if (take_char(&rest, "Zz")) {
        moment->has_zone = true;
        *cursor = rest;
        return;
    }
    bool west = rest.at < rest.end && *rest.at == '-';
    if (!take_char(&rest, "+-") || !take_number(&rest, 2, 0, 23, &hours))
        return;
    struct cursor behind = rest;
    (void)take_char(&behind, ":");
    if (take_number(&behind, 2, 0, 59, &minutes))
        rest = behind;
    moment->zone_s = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    moment->has_zone = true;
    *cursor = rest;
}

static bool take_clock(struct cursor *cursor, struct moment *moment)
{
    struct tm *parts = &moment->parts;
    if (!take_number(cursor, 2, 0, 23, &parts->tm_hour) || !take_char(cursor, ":") ||
        !take_number(cursor, 2, 0, 59, &parts->tm_min) || !take_char(cursor, ":") ||
        !take_number(cursor, 2, 0, 60, &parts->tm_sec))
        return false;
    take_fraction(cursor, &moment->ns);
    return true;
}

/* 2026-01-31T12:00:00, 2026/01/31 12:00:00 */
static bool take_date_first(struct cursor *cursor, struct moment *moment)
{
    struct tm *parts = &moment->parts;
    if (!take_number(cursor, 4, YEAR_MIN, YEAR_MAX, &parts->tm_year) || !take_char(cursor, "-/") ||
        !take_number(cursor, 2, 1, 12, &parts->tm_mon) || !take_char(cursor, "-/") ||
        !take_number(cursor, 2, 1, 31, &parts->tm_mday) || !take_char(cursor, "Tt _") ||
        !take_clock(cursor, moment))
        return false;
    parts->tm_year -= 1900;
    parts->tm_mon--;
    moment->has_year = true;
    take_zone(cursor, moment);
    return true;
}

/* 31/Jan/2026:12:00:00 +0000 */
static bool take_apache(struct cursor *cursor, struct moment *moment)
{
    struct tm *parts = &moment->parts;
    if (!take_number(cursor, 2, 1, 31, &parts->tm_mday) || !take_char(cursor, "/") ||
        !take_month_name(cursor, &parts->tm_mon) || !take_char(cursor, "/") ||
        !take_number(cursor, 4, YEAR_MIN, YEAR_MAX, &parts->tm_year) || !take_char(cursor, ":") ||
        !take_clock(cursor, moment))
        return false;
    parts->tm_year -= 1900;
    moment->has_year = true;
    take_zone(cursor, moment);
    return true;
}

/* "Jan 31 12:00:00", "Jan  1 12:00:00"; "Sat Jan 31 12:00:00 2026" without its weekday. */
static bool take_syslog(struct cursor *cursor, struct moment *moment)
{
    struct tm *parts = &moment->parts;
    int year;
    if (!take_month_name(cursor, &parts->tm_mon) || !take_char(cursor, " "))
        return false;
    bool one_digit = take_char(cursor, " ");
    if (!take_number(cursor, one_digit ? 1 : 2, 1, 31, &parts->tm_mday) || !take_char(cursor, " ") ||
        !take_clock(cursor, moment))
        return false;
    struct cursor rest = *cursor;
    if (take_char(&rest, " ") && take_number(&rest, 4, YEAR_MIN, YEAR_MAX, &year) &&
        (rest.at == rest.end || !is_digit(*rest.at))) {
        parts->tm_year = year - 1900;
        moment->has_year = true;
    }
    return true;
}

/* False for what is no day of the calendar, and for what lies before the epoch. */
static bool to_ns(const struct moment *moment, bool local_time, uint64_t *ret_ns)
{
    struct tm parts = moment->parts;
    int day = parts.tm_mday;
    parts.tm_isdst = -1;
    time_t seconds = moment->has_zone || !local_time ? timegm(&parts) : mktime(&parts);
    if (parts.tm_mday != day && moment->parts.tm_sec < 60)
        return false;
    seconds -= moment->zone_s;
    if (seconds < 0)
        return false;
    *ret_ns = (uint64_t)seconds * NS_PER_S + moment->ns;
    return true;
}

/* The year that brings it nearest. */
static bool guess_year(struct moment *moment, const struct stamp_options *options, uint64_t *ret_ns)
{
    struct tm near;
    time_t second = (time_t)(options->near_ns / NS_PER_S);
    uint64_t least = UINT64_MAX;
    if (!gmtime_r(&second, &near))
        return false;
    for (int year = near.tm_year - 1; year <= near.tm_year + 1; year++) {
        uint64_t ns;
        moment->parts.tm_year = year;
        if (!to_ns(moment, options->local_time, &ns))
            continue;
        uint64_t distance = ns > options->near_ns ? ns - options->near_ns : options->near_ns - ns;
        if (distance < least) {
            least = distance;
            *ret_ns = ns;
        }
    }
    return least < UINT64_MAX;
}

/* Digits that make sense as a time since the epoch: how many there are tells the unit. */
static bool take_epoch(struct cursor *cursor, uint64_t *ret_ns)
{
    uint64_t number = 0;
    int digits = 0;
    uint32_t ns = 0;
    for (; cursor->at < cursor->end && is_digit(*cursor->at) && digits < 20; cursor->at++, digits++)
        number = number * 10 + (uint64_t)(*cursor->at - '0');
    uint64_t per_second = digits <= 11 ? 1 : digits <= 14 ? 1000 : digits <= 17 ? 1000000 : NS_PER_S;
    if (digits < 9 || digits > 19 || number / per_second < EPOCH_S_MIN || number / per_second > EPOCH_S_MAX)
        return false;
    if (per_second == 1)
        take_fraction(cursor, &ns);
    *ret_ns = number / per_second * NS_PER_S + number % per_second * (NS_PER_S / per_second) + ns;
    return cursor->at == cursor->end || !*cursor->at || !strchr("0123456789abcdefABCDEF-_", *cursor->at);
}

static bool date_at(const char *text, size_t len, const struct stamp_options *options, uint64_t *ret_ns)
{
    static bool (*const forms[])(struct cursor * cursor, struct moment * moment) = {take_date_first,
                                                                                    take_apache, take_syslog};
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        struct cursor cursor = {text, text + len};
        struct moment moment = {0};
        if (forms[i](&cursor, &moment))
            return moment.has_year ? to_ns(&moment, options->local_time, ret_ns)
                                   : guess_year(&moment, options, ret_ns);
    }
    return false;
}

static bool stamp_at(const char *text, size_t len, const struct stamp_options *options, uint64_t *ret_ns)
{
    struct cursor cursor = {text, text + len};
    return date_at(text, len, options, ret_ns) || take_epoch(&cursor, ret_ns);
}

static bool stamp_of_json(const json_t *value, const struct stamp_options *options, uint64_t *ret_ns)
{
    if (json_is_string(value))
        return stamp_at(json_string_value(value), json_string_length(value), options, ret_ns);
    if (json_is_real(value)) {
        double seconds = json_real_value(value);
        if (seconds >= (double)EPOCH_S_MIN * 1000 && seconds <= (double)EPOCH_S_MAX * 1000)
            seconds /= 1000;
        if (!(seconds >= (double)EPOCH_S_MIN && seconds <= (double)EPOCH_S_MAX))
            return false;
        *ret_ns = (uint64_t)(seconds * 1e6) * 1000;
        return true;
    }
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return stamp_at(digits, (size_t)len, options, ret_ns);
}

static bool find_in_json(const char *line, size_t len, const struct stamp_options *options, uint64_t *ret_ns)
{
    static const char *const names[] = {"timestamp", "time",       "ts",   "@timestamp", "eventTime",
                                        "datetime",  "date",       "t",    "when",       "asctime",
                                        "Timestamp", "time_local", "Time", "timeMillis"};
    json_t *object = len <= JSON_MAX ? json_loadb(line, len, JSON_ALLOW_NUL, NULL) : NULL;
    bool found = false;
    for (size_t i = 0; json_is_object(object) && i < ARRAY_SIZE(names) && !found; i++)
        found = stamp_of_json(json_object_get(object, names[i]), options, ret_ns);
    json_decref(object);
    return found;
}

/* Where a word begins, as a time may. */
static bool begins_word(const char *line, size_t at)
{
    return at == 0 || (line[at - 1] && strchr(" \t[(\"'=|<>", line[at - 1]));
}

bool stamp_find(const char *line, size_t len, const struct stamp_options *options, uint64_t *ret_ns)
{
    if (len && line[0] == '{' && find_in_json(line, len, options, ret_ns))
        return true;
    /* What begins with white space goes on with what stands before. */
    if (len == 0 || line[0] == ' ' || line[0] == '\t')
        return false;
    for (size_t at = 0; at < len && at < PREFIX_MAX; at++) {
        struct cursor cursor = {line + at, line + len};
        if (!begins_word(line, at))
            continue;
        if (date_at(line + at, len - at, options, ret_ns))
            return true;
        if (at <= 1 && take_epoch(&cursor, ret_ns)) /* a number further on is most likely something else */
            return true;
    }
    return false;
}
