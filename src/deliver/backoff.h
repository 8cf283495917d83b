/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How long to wait before the next attempt: exponential, with full jitter, so that many that failed together
 * do not come back together. */

#include <stdint.h>

struct backoff {
    uint64_t random; /* state of the generator; any seed but 0 */
    uint32_t failures;
    uint32_t max_s;
};

/* After one more failure: nanoseconds from 0 to the lesser of 1 s doubled with each failure and max_s. */
uint64_t backoff_next(struct backoff *backoff);
void backoff_reset(struct backoff *backoff);
