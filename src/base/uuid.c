/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

void uuid_make(char ret[static UUID_MAX])
{
    uint8_t b[16] = {0};
    (void)!getrandom(b, sizeof b, 0); /* small requests are never cut short */
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    size_t at = 0;
    for (size_t i = 0; i < sizeof b; i++)
        at += (size_t)snprintf(ret + at, UUID_MAX - at, "%s%02x",
                               i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
}
