/* SPDX-License-Identifier: Apache-2.0 */

/* Destinations as people and clients of the API write them. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/destination_text.h"

#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct destination_text parsed;
    struct fault fault = {0};
    AUTO_FREE char *text = strndup((const char *)data, size);
    if (!text)
        return 0;
    int r = destination_text_parse(&parsed, text, &fault);
    assert(r <= 0);
    if (r < 0)
        return 0;
    assert(memchr(parsed.target, 0, sizeof parsed.target) && memchr(parsed.bucket, 0, sizeof parsed.bucket));
    assert(memchr(parsed.brokers, 0, sizeof parsed.brokers) &&
           memchr(parsed.region, 0, sizeof parsed.region));
    if (parsed.kind == DESTINATION_FILE)
        assert(parsed.folder >= text && parsed.folder <= text + strlen(text));
    if (parsed.kind == DESTINATION_S3)
        assert(parsed.bucket[0]);
    return 0;
}
