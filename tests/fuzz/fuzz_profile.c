/* SPDX-License-Identifier: Apache-2.0 */

/* The AWS command line's configuration and credentials files, as both kinds. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "aws/profile.h"

#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const profiles[] = {"default", "work", "two words", ""};
    AUTO_BUF struct buf value = BUF_INIT(PROFILE_FILE_MAX);
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(profiles); i++) {
        enum profile_file_kind kind = i % 2 ? PROFILE_FILE_CONFIG : PROFILE_FILE_CREDENTIALS;
        const char *profile = profiles[i / 2];
        bool there = profile_find((const char *)data, size, kind, profile, NULL, NULL);
        bool found = profile_find((const char *)data, size, kind, profile, "aws_access_key_id", &value);
        assert(there || !found);
        assert(value.len <= size);
    }
    return 0;
}
