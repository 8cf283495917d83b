/* SPDX-License-Identifier: Apache-2.0 */
#include "record/parse.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "record/value.h"

/*
 * Two parsers in one. Nearly every line of nearly every file is usual: ASCII, decimal numbers, plain
 * addresses. The usual line is read in one pass that gives up at the first thing out of the ordinary; what it
 * gives up on goes to record_parse_plainly, which decides whether that is right or wrong and says why.
 */

#define BYTES(byte) (0x0101010101010101ULL * (byte))

/* Eight bytes, the first of them lowest; where the line ends before, a byte that no value contains follows.
 */
static uint64_t load_bytes(const char *at, const char *end)
{
    uint64_t word = BYTES(' ');
    if (end - at >= 8)
        memcpy(&word, at, 8);
    else
        memcpy(&word, at, (size_t)(end - at));
    return le64toh(word);
}

/* A word of ASCII without control characters. */
static const char *scan_word(const char *at, const char *end)
{
    for (;;) {
        uint64_t word = load_bytes(at, end);
        uint64_t low =
            ~((word | BYTES(0x80)) - BYTES(0x21)) & BYTES(0x80); /* below 0x21, but for the top bit */
        uint64_t marks = low | (word & BYTES(0x80));
        if (marks == 0) {
            at += 8;
            continue;
        }
        at += (unsigned)__builtin_ctzll(marks) / 8;
        return at >= end ? end : *at == ' ' ? at : NULL;
    }
}

/* How many of the bytes are digits, from the lowest on; `digits` are the bytes with '0' taken out. */
static unsigned count_leading_digits(uint64_t digits)
{
    uint64_t others = ((digits + BYTES(0x76)) | digits) & BYTES(0x80); /* right up to the first that is set */
    return others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
}

/* Each scan_… returns where the value ends, or NULL when it is not a usual one. */
static const char *scan_number(const char *at, const char *end, uint64_t max, struct value *ret)
{
    uint64_t digits = load_bytes(at, end) ^ BYTES('0');
    unsigned count = count_leading_digits(digits);
    if (count == 0 || (count > 1 && (digits & 0xff) == 0)) /* leading zeros are written differently */
        return NULL;
    uint64_t number = num_sum_digits(digits, count);
    at += count;
    if (count == 8)
        for (; at < end && (unsigned char)(*at - '0') <= 9 && number < UINT64_MAX / 100; at++)
            number = number * 10 + (unsigned char)(*at - '0');
    if (number > max)
        return NULL;
    ret->number = number;
    ret->kind = VALUE_NUMBER;
    return at;
}

/* Four numbers of 0 to 255 without leading zeros. The lengths of numbers are anybody's guess, so none is
 * jumped on. */
static const char *scan_ipv4(const char *at, const char *end)
{
    for (int part = 0; part < 4; part++) {
        uint64_t word = load_bytes(at, end);
        uint64_t digits = word ^ BYTES('0');
        unsigned count = count_leading_digits(digits);
        if (count - 1U > 2)
            return NULL;
        bool zero_leads = (digits & 0xff) == 0 && count > 1;
        bool is_followed = part == 3 || (word >> (8 * count) & 0xff) == '.';
        if (zero_leads | !is_followed | (num_sum_digits(digits, count) > 255))
            return NULL;
        at += count + (part < 3);
    }
    return at;
}

static bool is_hex(char c)
{
    return (unsigned char)(c - '0') <= 9 || (unsigned char)((c | 0x20) - 'a') <= 5;
}

/* Eight groups, or fewer with one "::"; no dotted part. */
static const char *scan_ipv6(const char *at, const char *end)
{
    unsigned groups = 0;
    bool gap = false;
    if (end - at >= 2 && at[0] == ':' && at[1] == ':') {
        gap = true;
        at += 2;
    }
    while (at < end && is_hex(*at)) {
        const char *begin = at;
        while (at < end && is_hex(*at))
            at++;
        groups++;
        if (at - begin > 4 || at == end || *at != ':')
            return at - begin <= 4 && (gap ? groups < 8 : groups == 8) ? at : NULL;
        at++;
        if (at < end && *at == ':') {
            if (gap)
                return NULL;
            gap = true;
            at++;
        }
    }
    /* Only "::" may stand at the end. */
    return gap && groups < 8 && at[-2] == ':' ? at : NULL;
}

static const char *scan_address(const char *at, const char *end)
{
    const char *ipv4 = scan_ipv4(at, end);
    return ipv4 ? ipv4 : scan_ipv6(at, end);
}

struct choice {
    char word[8];
    unsigned len;
};

#define CHOICE(text)                                                                                         \
    {                                                                                                        \
        .word = text, .len = sizeof(text) - 1                                                                \
    }

static const char *scan_choice(const char *at, const char *end, const struct choice *choices)
{
    uint64_t there = load_bytes(at, end);
    for (; choices->len; choices++) {
        uint64_t word;
        memcpy(&word, choices->word, sizeof word);
        if ((there ^ le64toh(word)) << (64 - 8 * choices->len) == 0)
            return at + choices->len;
    }
    return NULL;
}

static const char *scan_text(const char *at, const char *end, enum field_kind kind, struct value *ret)
{
    static const struct choice actions[] = {CHOICE("ACCEPT"), CHOICE("REJECT"), {.len = 0}};
    static const struct choice statuses[] = {CHOICE("OK"), CHOICE("NODATA"), CHOICE("SKIPDATA"), {.len = 0}};
    const char *stop = NULL;
    if (kind == FIELD_KIND_WORD)
        stop = scan_word(at, end);
    else if (kind == FIELD_KIND_ADDRESS)
        stop = scan_address(at, end);
    else
        stop = scan_choice(at, end, kind == FIELD_KIND_ACTION ? actions : statuses);
    if (!stop || stop == at)
        return NULL;
    *ret = (struct value){.text = at, .len = (uint32_t)(stop - at), .kind = VALUE_TEXT};
    return stop;
}

/* Ten digits hold every time in seconds until 2286; what is longer may be milliseconds. */
#define USUAL_TIME_MAX 9999999999ULL

static const char *scan_value(const char *at, const char *end, enum field_id field, struct value *ret)
{
    const struct field *row = &field_catalogue[field];
    bool time = row->kind == FIELD_KIND_TIME;
    if (at < end && *at == '-' && (at + 1 == end || at[1] == ' ')) {
        ret->kind = VALUE_ABSENT;
        return time ? NULL : at + 1;
    }
    if (row->max == 0)
        return scan_text(at, end, (enum field_kind)row->kind, ret);
    return scan_number(at, end, time ? USUAL_TIME_MAX : row->max, ret);
}

bool record_parse_usual(struct record *record, const struct format *format, const char *line, size_t len)
{
    const char *at = line;
    const char *end = line + len;
    for (unsigned i = 0; i < format->count; i++) {
        enum field_id field = (enum field_id)format->fields[i];
        if (i > 0 && (at == end || *at++ != ' '))
            return false;
        at = scan_value(at, end, field, &record->values[field]);
        if (!at)
            return false;
    }
    return at == end;
}

int record_parse_text(struct record *record, const struct format *format, const char *line, size_t len,
                      struct fault *fault)
{
    if (record_parse_usual(record, format, line, len))
        return 0;
    return record_parse_plainly(record, format, line, len, fault);
}

/* Spaces that separate, and what a line must not hold at all. */
static int check_line(const struct format *format, const char *line, size_t len, struct fault *fault)
{
    unsigned fields = 1;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < ' ')
            return fault_set(fault, -EINVAL, "a control character, such as a tab");
        fields += line[i] == ' ';
    }
    if (len == 0 || memmem(line, len, "  ", 2) || line[0] == ' ' || line[len - 1] == ' ')
        return fault_set(fault, -EINVAL, "an empty field: a space too many");
    if (fields != format->count)
        return fault_set(fault, -EINVAL, "%u fields, the format has %u", fields, format->count);
    if (!value_is_utf8(line, len))
        return fault_set(fault, -EINVAL, "neither ASCII nor UTF-8");
    return 0;
}

int record_parse_plainly(struct record *record, const struct format *format, const char *line, size_t len,
                         struct fault *fault)
{
    int r = check_line(format, line, len, fault);
    for (unsigned i = 0; r == 0 && i < format->count; i++) {
        const char *space = memchr(line, ' ', len);
        size_t value_len = space ? (size_t)(space - line) : len;
        enum field_id field = (enum field_id)format->fields[i];
        r = value_parse(&record->values[field], field, line, value_len, fault);
        line += value_len + 1;
        len -= space ? value_len + 1 : value_len;
    }
    return r;
}
