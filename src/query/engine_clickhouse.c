/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aws/http.h"
#include "aws/uri.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/num.h"
#include "query/engine.h"

/* https://clickhouse.com/docs/interfaces/http. Settings are left alone, as a user who may only read cannot
 * change them. */

#define ANSWER_MAX (256UL * 1024 * 1024)
#define FORMAT "JSONCompactEachRowWithNamesAndTypes"

/* Codes of errors in what was asked: of syntax, names, types, arguments. */
static const unsigned user_errors[] = {6,  8,  16, 35,  36,  42,  43,  44,  46,  47,  48,  53,
                                       60, 62, 81, 115, 120, 179, 182, 184, 190, 215, 352, 386};
static const unsigned refused_users[] = {192, 193, 194, 195, 497, 516};

static bool is_among(const unsigned *list, size_t count, unsigned code)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == code)
            return true;
    return false;
}

/* "Code: 62. DB::Exception: Syntax error …" */
static int refuse(const struct engine *engine, const struct http_answer *answer, struct fault *fault)
{
    char line[512];
    engine_first_line(line, sizeof line, answer->body.data ? answer->body.data : "", answer->body.len);
    uint64_t code = 0;
    if (strncmp(line, "Code: ", 6) == 0)
        (void)num_parse_u64(line + 6, strspn(line + 6, "0123456789"), UINT32_MAX, &code);
    const char *said = strstr(line, "DB::Exception: ");
    int error = -EIO;
    if (is_among(user_errors, ARRAY_SIZE(user_errors), (unsigned)code))
        error = -EINVAL;
    else if (answer->status == 401 || answer->status == 403 ||
             is_among(refused_users, ARRAY_SIZE(refused_users), (unsigned)code))
        error = -EACCES;
    if (said)
        return fault_set(fault, error, "%s: %s", engine->origin, said + strlen("DB::Exception: "));
    return fault_set(fault, error, "%s: HTTP status %u%s%s", engine->origin, answer->status,
                     line[0] ? ": " : "", line);
}

/* "Nullable(Int64)", "LowCardinality(Nullable(UInt8))", "Decimal(18, 3)" … */
static bool is_number_type(const char *type)
{
    static const char *const wrappers[] = {"Nullable(", "LowCardinality("};
    static const char *const types[] = {"Int", "UInt", "Float", "Decimal", "BFloat"};
    for (size_t i = 0; i < ARRAY_SIZE(wrappers); i++)
        if (strncmp(type, wrappers[i], strlen(wrappers[i])) == 0)
            return is_number_type(type + strlen(wrappers[i]));
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strncmp(type, types[i], strlen(types[i])) == 0)
            return true;
    return false;
}

static int begin(const struct engine *engine, const struct engine_sink *sink, const json_t *names,
                 const json_t *types, struct fault *fault)
{
    size_t count = json_array_size(names);
    AUTO_FREE struct engine_column *list = calloc(count ? count : 1, sizeof *list);
    if (!list)
        return fault_set(fault, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        const char *type = json_string_value(json_array_get(types, i));
        if (!name || !type)
            return fault_set(fault, -EIO, "%s: a column without name or type", engine->origin);
        list[i] = (struct engine_column){.name = name, .is_number = is_number_type(type)};
    }
    int r = sink->begin(sink->userdata, list, count);
    return r < 0 ? fault_set(fault, r, "%s", strerror(-r)) : 0;
}

/* The lines of an answer: names, types, and a row each. */
struct lines {
    const char *at;
    const char *end;
};

/* An array; NULL at the end, and after a fault. */
static json_t *next_line(struct lines *lines, const struct engine *engine, struct fault *fault)
{
    const char *newline = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
    size_t len = (size_t)((newline ? newline : lines->end) - lines->at);
    json_error_t place;
    json_t *line = json_loadb(lines->at, len, 0, &place);
    if (!json_is_array(line)) {
        (void)fault_set(fault, -EIO,
                        "%s: the answer is not in the form " FORMAT ": leave FORMAT out of the SQL",
                        engine->origin);
        json_decref(line);
        return NULL;
    }
    lines->at += len + (newline != NULL);
    return line;
}

int engine_read_clickhouse(const struct engine *engine, const char *text, size_t len,
                           const struct engine_sink *sink, struct fault *fault)
{
    struct lines lines = {.at = text, .end = text + len};
    json_t *names = next_line(&lines, engine, fault);
    json_t *types = names ? next_line(&lines, engine, fault) : NULL;
    size_t columns = json_array_size(names);
    int r = types ? begin(engine, sink, names, types, fault) : -EIO;
    while (r == 0 && lines.at < lines.end) {
        json_t *row = next_line(&lines, engine, fault);
        if (!row)
            r = -EIO;
        else if (json_array_size(row) != columns)
            r = fault_set(fault, -EIO, "%s: a row that does not fit its columns", engine->origin);
        else if ((r = sink->add(sink->userdata, row)) < 0)
            (void)fault_set(fault, r, "%s", strerror(-r));
        json_decref(row);
    }
    json_decref(names);
    json_decref(types);
    return r;
}

int engine_ask_clickhouse(const struct engine *engine, struct http *http, const char *sql,
                          const struct engine_sink *sink, struct fault *fault)
{
    AUTO_BUF struct buf url = BUF_INIT(4096);
    buf_text(&url, engine->origin);
    /* The whole answer is made before it begins, so that an error has a status of its own. */
    buf_text(&url, "/?default_format=" FORMAT "&wait_end_of_query=1");
    if (engine->schema[0]) {
        buf_text(&url, "&database=");
        uri_encode(&url, engine->schema, strlen(engine->schema), false);
    }
    unsigned left = engine_time_left(engine, clock_monotonic_ns() + engine->timeout_s * NS_PER_S, fault);
    const struct http_header headers[] = {{"X-ClickHouse-User", engine->user},
                                          {"X-ClickHouse-Key", engine->password}};
    const struct http_body body = {.data = sql, .len = strlen(sql)};
    const struct http_request request = {.method = "POST",
                                         .url = buf_string(&url),
                                         .headers = headers,
                                         .header_count = engine->password[0] ? 2 : 1,
                                         .body = &body,
                                         .total_ms = left};
    struct http_answer answer AUTO_HTTP_ANSWER = HTTP_ANSWER_INIT(ANSWER_MAX);
    int r = http_exchange(http, &request, &answer, fault);
    if (r < 0)
        return r == -EIO ? -ECONNREFUSED : r;
    if (answer.status != 200)
        return refuse(engine, &answer, fault);
    if (answer.body.len == 0)
        return 0; /* a statement without a result */
    return engine_read_clickhouse(engine, answer.body.data, answer.body.len, sink, fault);
}
