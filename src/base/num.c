/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

#include <string.h>

bool num_parse_u64(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
    if (len == 0)
        return false;
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
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

size_t num_format_u64(char *to, uint64_t number)
{
    char digits[NUM_U64_MAX_LEN];
    char *at = digits + sizeof digits;
    while (number >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + number % 100 * 2, 2);
        number /= 100;
    }
    if (number >= 10) {
        at -= 2;
        memcpy(at, digit_pairs + number * 2, 2);
    } else {
        *--at = (char)('0' + number);
    }
    size_t len = (size_t)(digits + sizeof digits - at);
    memcpy(to, at, len);
    return len;
}
