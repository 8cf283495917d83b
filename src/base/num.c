/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS_WITHOUT_OVERFLOW 19

static bool parse_long(const char *text, size_t len, uint64_t *ret)
{
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret = number;
    return true;
}

bool num_parse_u64(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
    if (len == 0)
        return false;
    uint64_t number = 0;
    if (len > DIGITS_WITHOUT_OVERFLOW) {
        if (!parse_long(text, len, &number))
            return false;
    } else {
        for (size_t i = 0; i < len; i++) {
            unsigned digit = (unsigned char)text[i] - (unsigned)'0';
            if (digit > 9)
                return false;
            number = number * 10 + digit;
        }
    }
    if (number > max)
        return false;
    *ret = number;
    return true;
}

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

static const uint64_t powers_of_ten[NUM_U64_MAX_LEN] = {
    1ULL,
    10ULL,
    100ULL,
    1000ULL,
    10000ULL,
    100000ULL,
    1000000ULL,
    10000000ULL,
    100000000ULL,
    1000000000ULL,
    10000000000ULL,
    100000000000ULL,
    1000000000000ULL,
    10000000000000ULL,
    100000000000000ULL,
    1000000000000000ULL,
    10000000000000000ULL,
    100000000000000000ULL,
    1000000000000000000ULL,
    10000000000000000000ULL,
};

/* 1233/4096 is log10(2), near enough for 64 bits; the table settles what it leaves open. */
static unsigned count_digits(uint64_t number)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(number | 1);
    unsigned digits = bits * 1233 >> 12;
    return digits + (digits < NUM_U64_MAX_LEN && (number | 1) >= powers_of_ten[digits]);
}

bool num_parse_hex(const char *text, size_t len, uint64_t *ret)
{
    uint64_t number = 0;
    if (len == 0 || len > 16)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] >= '0' && text[i] <= '9')
            number = number << 4 | (uint64_t)(text[i] - '0');
        else if (text[i] >= 'a' && text[i] <= 'f')
            number = number << 4 | (uint64_t)(text[i] - 'a' + 10);
        else
            return false;
    }
    *ret = number;
    return true;
}

size_t num_format_u64(char *to, uint64_t number)
{
    unsigned len = count_digits(number);
    char *at = to + len;
    while (number >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10)
        memcpy(at - 2, digit_pairs + number * 2, 2);
    else
        at[-1] = (char)('0' + number);
    return len;
}

double num_read_double(const char *text)
{
    return strtod(text, NULL);
}
