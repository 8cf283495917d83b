/* SPDX-License-Identifier: Apache-2.0 */

/* What a cluster sends, where one is said to be, and values of a named query's parameters. The first byte
 * says which: T Trino's pages, a NUL between them; C ClickHouse's answer; E --engine; V values, a NUL between
 * them. */

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "query/engine.h"
#include "query/named.h"

#include "harness.h"

#define VALUES_MAX 8

struct counting {
    bool begun;
    size_t columns;
};

static int begin(void *userdata, const struct engine_column *columns, size_t count)
{
    struct counting *counting = userdata;
    assert(!counting->begun);
    for (size_t i = 0; i < count; i++)
        assert(strlen(columns[i].name) < SIZE_MAX);
    *counting = (struct counting){.begun = true, .columns = count};
    return 0;
}

static int add(void *userdata, json_t *row)
{
    const struct counting *counting = userdata;
    assert(counting->begun && json_array_size(row) == counting->columns);
    return 0;
}

static void read_pages(const struct engine *engine, const struct engine_sink *sink, const char *text,
                       size_t size)
{
    struct engine_pages pages = {0};
    struct fault fault = {0};
    int r = 0;
    for (const char *end = text + size; r == 0 && text < end;) {
        size_t len = strnlen(text, (size_t)(end - text));
        r = engine_read_trino(engine, text, len, sink, &pages, &fault);
        assert(!pages.next[0] || strncmp(pages.next, engine->origin, strlen(engine->origin)) == 0);
        text += len + 1;
    }
    assert(r == 0 || (fault.text[0] && !strchr(fault.text, '\n')));
}

/* What is rendered has as many quotes as without the values, or two for each literal: none gets out of its
 * own. */
static void render_values(char *text, size_t size)
{
    const char *values[VALUES_MAX];
    size_t count = 0;
    for (size_t at = 0; at < size && count < VALUES_MAX; at += strlen(text + at) + 1)
        values[count++] = text + at;
    for (const struct named_query *query = named_queries; query->name; query++) {
        struct fault fault = {0};
        AUTO_BUF struct buf sql = BUF_INIT(1024UL * 1024);
        const struct named_options options = {.engine = SQL_SPARK, .values = values, .value_count = count};
        if (named_render(query, &options, &sql, &fault) < 0) {
            assert(fault.text[0]);
            continue;
        }
        size_t quotes = 0;
        for (size_t i = 0; i < sql.len; i++)
            quotes += sql.data[i] == '\'';
        assert(quotes % 2 == 0 && !memchr(sql.data, ';', sql.len) && !memchr(sql.data, '\\', sql.len));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct counting counting = {0};
    const struct engine_sink sink = {.userdata = &counting, .begin = begin, .add = add};
    const struct engine engine = {.origin = "http://h:1", .timeout_s = 1};
    struct fault fault = {0};
    if (size == 0)
        return 0;
    char *text = malloc(size); /* with a NUL in the place of the first byte, at the end */
    assert(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    struct engine parsed;
    if (data[0] == 'T')
        read_pages(&engine, &sink, text, size - 1);
    else if (data[0] == 'C')
        (void)!engine_read_clickhouse(&engine, text, size - 1, &sink, &fault);
    else if (data[0] == 'E')
        assert(engine_parse(&parsed, text, &fault) == 0 || fault.text[0]);
    else if (data[0] == 'V')
        render_values(text, size - 1);
    free(text);
    return 0;
}
