/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/backoff.h"

#include "base/macro.h"

/* Marsaglia's xorshift64: jitter needs no more. */
static uint64_t next_random(struct backoff *backoff)
{
    uint64_t x = backoff->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return backoff->random = x;
}

uint64_t backoff_next(struct backoff *backoff)
{
    uint64_t bound_s = backoff->failures < 31 ? 1ULL << backoff->failures : UINT32_MAX;
    if (bound_s > backoff->max_s)
        bound_s = backoff->max_s;
    backoff->failures++;
    return bound_s ? next_random(backoff) % (bound_s * NS_PER_S) : 0;
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
