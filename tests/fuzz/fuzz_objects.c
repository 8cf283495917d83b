/* SPDX-License-Identifier: Apache-2.0 */

/* What S3 answers when it is asked for a bucket's objects. */

#include <stdint.h>
#include <stdlib.h>

#include "aws/listing.h"

#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_LISTING struct listing listing = {0};
    struct fault fault = {0};
    if (listing_read(&listing, (const char *)data, size, &fault) < 0)
        return 0;
    for (size_t i = 0; i < listing.object_count; i++)
        if (!listing.objects[i].key)
            abort();
    for (size_t i = 0; i < listing.prefix_count; i++)
        if (!listing.prefixes[i])
            abort();
    return 0;
}
