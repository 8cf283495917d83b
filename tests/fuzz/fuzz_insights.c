/* SPDX-License-Identifier: Apache-2.0 */

/* A query of CloudWatch Logs Insights: SQL with balanced quotes and parentheses, or a mistake inside the
 * query. */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "insights/insights.h"

#include "harness.h"

/* Foreign text must not get out of its quotes. */
static void check_sql(struct buf *sql)
{
    int depth = 0;
    char quote = '\0';
    for (const char *at = buf_string(sql); *at; at++) {
        if (quote)
            quote = *at == quote ? '\0' : quote;
        else if (*at == '\'' || *at == '"')
            quote = *at;
        else
            depth += (*at == '(') - (*at == ')');
        require(depth >= 0 && (quote || *at != ';'));
    }
    require(depth == 0 && !quote);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct insights_options options = {.group = "it's", .rows = 10, .pointers = size % 2};
    struct insights_sql sql AUTO_INSIGHTS_SQL = {0};
    struct insights_error error;
    AUTO_FREE char *text = malloc(size + 1);
    require(text);
    memcpy(text, data, size);
    text[size] = '\0';
    int r = insights_translate(text, &options, &sql, &error);
    if (r == 0) {
        check_sql(&sql.rows);
        check_sql(&sql.matched);
    } else {
        require(r == -EINVAL && error.message[0] && error.start <= error.end && error.end <= strlen(text));
    }
    return 0;
}
