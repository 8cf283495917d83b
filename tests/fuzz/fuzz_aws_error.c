/* SPDX-License-Identifier: Apache-2.0 */

/* What services answer when they refuse: JSON, XML, or whatever a proxy puts in their place. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "aws/error.h"

#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned statuses[] = {200, 301, 400, 403, 503};
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        struct aws_error error;
        struct fault fault;
        aws_error_read(statuses[i], NULL, (const char *)data, size, &error);
        assert((error.class == AWS_ERROR_NONE) == (statuses[i] == 200));
        assert(memchr(error.code, 0, sizeof error.code) && memchr(error.message, 0, sizeof error.message));
        assert(aws_error_fault(&error, -1, "host", &fault) == -1);
        assert(!strchr(fault.text, '\n'));
    }
    return 0;
}
