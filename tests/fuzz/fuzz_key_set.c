/* SPDX-License-Identifier: Apache-2.0 */

/* Credentials as container endpoints and instance metadata (JSON) and STS (XML) hand them out. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "aws/key_set.h"

#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_KEY_SET struct key_set set = {0};
    struct fault fault = {0};
    int r = key_set_read_json(&set, (const char *)data, size, &fault);
    assert((r == 0) == (set.access_key != NULL));
    key_set_done(&set);
    r = key_set_read_sts(&set, (const char *)data, size, &fault);
    assert((r == 0) == (set.access_key != NULL));
    assert(r < 0 || (set.access_key[0] && set.secret_key[0] && set.session_token));
    return 0;
}
