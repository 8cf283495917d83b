/* SPDX-License-Identifier: Apache-2.0 */

/* What nft lists: a rule that is found in it is one line without its handle. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nftrace/listing.h"

#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf listing = BUF_INIT(1 << 20);
    AUTO_BUF struct buf rule = BUF_INIT(1 << 20);
    buf_append(&listing, data, size);
    for (uint64_t handle = 0; handle < 12; handle++) {
        buf_clear(&rule);
        if (!listing_pick_rule(buf_string(&listing), handle, &rule))
            continue;
        const char *text = buf_string(&rule);
        if (strchr(text, '\n'))
            abort();
        (void)listing_rejects(text);
    }
    return 0;
}
