/* SPDX-License-Identifier: Apache-2.0 */

/* A line of a log that may name a time: whatever is found lies in the years that are understood. */

#include <stdint.h>
#include <stdlib.h>

#include "answer/stamp.h"
#include "base/macro.h"

#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct stamp_options options = {.near_ns = 1700000000 * NS_PER_S};
    uint64_t ns;
    if (stamp_find((const char *)data, size, &options, &ns) && ns / NS_PER_S > 7258118400ULL + 86400)
        abort();
    return 0;
}
