/* SPDX-License-Identifier: Apache-2.0 */
#include "record/value.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/address.h"
#include "base/macro.h"
#include "base/num.h"

/* Thirteen digits: 2001 to 2286 in milliseconds, and no date anybody logs in seconds. */
#define MILLISECONDS_MIN 1000000000000ULL
#define MILLISECONDS_MAX 9999999999999ULL

const char *value_excerpt(char to[static VALUE_EXCERPT_MAX], const char *text, size_t len)
{
    size_t shown = len < VALUE_EXCERPT_MAX ? len : VALUE_EXCERPT_MAX - 4;
    for (size_t i = 0; i < shown; i++)
        to[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    memcpy(to + shown, "...", shown < len ? 4 : 0);
    if (shown == len)
        to[shown] = '\0';
    return to;
}

static int refuse(enum field_id field, const char *text, size_t len, const char *why, struct fault *fault)
{
    char shown[VALUE_EXCERPT_MAX];
    return fault_set(fault, -EINVAL, "%s: '%s' %s", field_catalogue[field].name,
                     value_excerpt(shown, text, len), why);
}

static void set_number(struct value *ret, uint64_t number)
{
    *ret = (struct value){.number = number, .kind = VALUE_NUMBER};
}

static void set_text(struct value *ret, const char *text, size_t len)
{
    *ret = (struct value){.text = text, .len = (uint32_t)len, .kind = VALUE_TEXT};
}

int value_check_number(struct value *ret, enum field_id field, uint64_t number, struct fault *fault)
{
    const struct field *row = &field_catalogue[field];
    if (number > row->max)
        return fault_set(fault, -EINVAL, "%s: %" PRIu64 " is larger than %" PRIu64, row->name, number,
                         row->max);
    if (row->kind == FIELD_KIND_TIME && number >= MILLISECONDS_MIN && number <= MILLISECONDS_MAX)
        number /= 1000;
    set_number(ret, number);
    return 0;
}

static bool is_all_digits(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

static int parse_number(struct value *ret, enum field_id field, const char *text, size_t len,
                        struct fault *fault)
{
    uint64_t number;
    if (num_parse_u64(text, len, UINT64_MAX, &number))
        return value_check_number(ret, field, number, fault);
    if (len == 0)
        return fault_set(fault, -EINVAL, "%s: empty", field_catalogue[field].name);
    return refuse(field, text, len, is_all_digits(text, len) ? "is too large" : "is not a number", fault);
}

static int parse_address(struct value *ret, enum field_id field, const char *text, size_t len,
                         struct fault *fault)
{
    struct address address;
    if (!address_parse(text, len, &address))
        return refuse(field, text, len, "is not an IPv4 or IPv6 address", fault);
    set_text(ret, text, len);
    return 0;
}

static bool is_word(const char *text, size_t len, const char *word, size_t word_len)
{
    return len == word_len && memcmp(text, word, word_len) == 0;
}
#define IS_WORD(text, len, word) is_word(text, len, word, sizeof(word) - 1)

static int parse_action(struct value *ret, enum field_id field, const char *text, size_t len,
                        struct fault *fault)
{
    if (!IS_WORD(text, len, "ACCEPT") && !IS_WORD(text, len, "REJECT"))
        return refuse(field, text, len, "is neither ACCEPT nor REJECT", fault);
    set_text(ret, text, len);
    return 0;
}

static int parse_status(struct value *ret, enum field_id field, const char *text, size_t len,
                        struct fault *fault)
{
    if (!IS_WORD(text, len, "OK") && !IS_WORD(text, len, "NODATA") && !IS_WORD(text, len, "SKIPDATA"))
        return refuse(field, text, len, "is none of OK, NODATA, SKIPDATA", fault);
    set_text(ret, text, len);
    return 0;
}

/* What is no number of the usual kind: absent, too large, or none at all. */
static int parse_odd_number(struct value *ret, enum field_id field, const char *text, size_t len,
                            struct fault *fault)
{
    if (IS_WORD(text, len, "-") && field_catalogue[field].kind != FIELD_KIND_TIME) {
        ret->kind = VALUE_ABSENT;
        return 0;
    }
    return parse_number(ret, field, text, len, fault);
}

/* A record has fourteen fields and there are millions of records: the usual value takes the shortest way. */
int value_parse(struct value *ret, enum field_id field, const char *text, size_t len, struct fault *fault)
{
    const struct field *row = &field_catalogue[field];
    if (row->max != 0) {
        uint64_t number;
        if (!num_parse_u64(text, len, row->max, &number) || number >= MILLISECONDS_MIN)
            return parse_odd_number(ret, field, text, len, fault);
        set_number(ret, number);
        return 0;
    }
    if (len == 0)
        return fault_set(fault, -EINVAL, "%s: empty", row->name);
    if (IS_WORD(text, len, "-")) {
        ret->kind = VALUE_ABSENT;
        return 0;
    }
    switch ((enum field_kind)row->kind) {
    case FIELD_KIND_ADDRESS:
        return parse_address(ret, field, text, len, fault);
    case FIELD_KIND_ACTION:
        return parse_action(ret, field, text, len, fault);
    case FIELD_KIND_LOG_STATUS:
        return parse_status(ret, field, text, len, fault);
    case FIELD_KIND_WORD:
    case FIELD_KIND_NUMBER:
    case FIELD_KIND_TIME:
        break;
    }
    set_text(ret, text, len);
    return 0;
}

int value_parse_string(struct value *ret, enum field_id field, const char *text, size_t len,
                       struct fault *fault)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= ' ')
            return fault_set(fault, -EINVAL, "%s: a space or control character in the value",
                             field_catalogue[field].name);
    return value_parse(ret, field, text, len, fault);
}

size_t value_utf8_sequence(const char *bytes, size_t len)
{
    const unsigned char *text = (const unsigned char *)bytes;
    static const struct {
        unsigned char mask, lead, len;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 1, 0}, {0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};
    for (size_t i = 0; len > 0 && i < ARRAY_SIZE(forms); i++) {
        if ((text[0] & forms[i].mask) != forms[i].lead)
            continue;
        if (forms[i].len > len)
            return 0;
        uint32_t point = text[0] & (unsigned char)~forms[i].mask;
        for (size_t j = 1; j < forms[i].len; j++) {
            if ((text[j] & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (text[j] & 0x3fU);
        }
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        return point < forms[i].least || point > 0x10ffff || surrogate ? 0 : forms[i].len;
    }
    return 0;
}

bool value_is_utf8(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t step = value_utf8_sequence(text + at, len - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}
