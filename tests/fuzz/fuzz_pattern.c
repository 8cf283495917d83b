/* SPDX-License-Identifier: Apache-2.0 */

/* A filter pattern of CloudWatch Logs: SQL whose quotes and parentheses are balanced, or a mistake. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "insights/pattern.h"

#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf sql = BUF_INIT(1 << 20);
    AUTO_FREE char *text = malloc(size + 1);
    struct fault fault = {0};
    int depth = 0;
    bool quoted = false;
    require(text);
    memcpy(text, data, size);
    text[size] = '\0';
    int r = pattern_translate(text, "message", &sql, &fault);
    require(r == 0 || fault.text[0]);
    for (const char *at = buf_string(&sql); r == 0 && *at; at++) {
        quoted ^= *at == '\'';
        depth += quoted ? 0 : (*at == '(') - (*at == ')');
        require(depth >= 0);
    }
    require(r != 0 || (depth == 0 && !quoted && sql.len));
    return 0;
}
