/* SPDX-License-Identifier: Apache-2.0 */

/* What services answer when they have taken something: JSON of CloudWatch Logs, XML of S3. */

#include <assert.h>
#include <stdint.h>

#include "aws/xml.h"
#include "deliver/service.h"

#include "harness.h"

static void read_events(const char *text, size_t size)
{
    json_t *answer = json_loadb(text, size, 0, NULL);
    for (size_t count = 1; count <= 10000; count *= 10) {
        struct rejected_events rejected;
        service_rejected_events(answer, count, &rejected);
        assert(rejected.first_end <= rejected.second_end && rejected.second_end <= rejected.too_new);
        assert(rejected.too_new <= count && rejected.first != rejected.second);
    }
    json_decref(answer);
}

static void read_texts(const char *text, size_t size)
{
    static const char *const elements[] = {"UploadId", "ETag", "Key", "Code"};
    for (size_t i = 0; i < ARRAY_SIZE(elements); i++) {
        AUTO_BUF struct buf found = BUF_INIT(64);
        int r = xml_find_text(text, size, elements[i], &found);
        assert(r <= 0 && found.len <= 64);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_events((const char *)data, size);
    read_texts((const char *)data, size);
    return 0;
}
