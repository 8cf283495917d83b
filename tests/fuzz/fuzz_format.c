/* SPDX-License-Identifier: Apache-2.0 */

/* A custom format string: refused with a reason, or printed and parsed again to the same. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "record/format.h"

#include "harness.h"

static bool is_same(const struct format *a, const struct format *b)
{
    return a->count == b->count && a->version == b->version && memcmp(a->fields, b->fields, a->count) == 0;
}

static void try_string(const char *text)
{
    struct format format;
    struct format again;
    struct fault fault = {0};
    AUTO_BUF struct buf printed = BUF_INIT(1 << 20);
    if (format_parse(&format, text, &fault) < 0) {
        require(fault.text[0] != '\0');
        return;
    }
    require(format.count > 0 && format.version >= 2);
    format_print(&format, &printed);
    require(format_parse(&again, buf_string(&printed), NULL) == 0 && is_same(&format, &again));
}

static void try_header(const char *text, size_t len)
{
    struct format format;
    struct format again;
    AUTO_BUF struct buf printed = BUF_INIT(1 << 20);
    if (format_parse_header(&format, text, len, NULL) != 0)
        return;
    format_print_header(&format, &printed);
    require(format_parse_header(&again, printed.data, printed.len, NULL) == 0 && is_same(&format, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = strndup((const char *)data, size);
    require(text != NULL);
    try_string(text);
    try_header((const char *)data, size);
    return 0;
}
