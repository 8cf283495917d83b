/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <nettle/base64.h>
#include <string.h>
#include <time.h>

#include "aws/http.h"
#include "base/clock.h"
#include "base/macro.h"
#include "query/engine.h"

/* https://trino.io/docs/current/develop/client-protocol.html */

#define PAGE_MAX (64UL * 1024 * 1024)
#define PAUSE_MS 100 /* after 429, 502, 503, 504: the server is to be asked again */
#define HEADERS_MAX 6

/* A question under way. */
struct asking {
    const struct engine *engine;
    struct http *http;
    uint64_t deadline_ns;
    struct http_header headers[HEADERS_MAX];
    size_t header_count;
    char authorization[8 + BASE64_ENCODE_RAW_LENGTH(2 * ENGINE_PART_MAX) + 1];
};

static void add_header(struct asking *asking, const char *name, const char *value)
{
    if (*value)
        asking->headers[asking->header_count++] = (struct http_header){name, value};
}

static void set_headers(struct asking *asking)
{
    const struct engine *engine = asking->engine;
    add_header(asking, "X-Trino-User", engine->user);
    add_header(asking, "X-Trino-Source", "flowlog");
    add_header(asking, "X-Trino-Catalog", engine->catalog);
    add_header(asking, "X-Trino-Schema", engine->schema);
    add_header(asking, "X-Trino-Time-Zone", "UTC");
    if (!engine->password[0])
        return;
    char pair[2 * ENGINE_PART_MAX];
    size_t len = (size_t)snprintf(pair, sizeof pair, "%s:%s", engine->user, engine->password);
    size_t start = (size_t)snprintf(asking->authorization, sizeof asking->authorization, "Basic ");
    base64_encode_raw(asking->authorization + start, len, (const uint8_t *)pair);
    asking->authorization[start + BASE64_ENCODE_RAW_LENGTH(len)] = '\0';
    add_header(asking, "Authorization", asking->authorization);
}

static int refuse_status(const struct asking *asking, const struct http_answer *answer, struct fault *fault)
{
    char line[256];
    engine_first_line(line, sizeof line, answer->body.data ? answer->body.data : "", answer->body.len);
    int error = answer->status == 401 || answer->status == 403 ? -EACCES : -EIO;
    return fault_set(fault, error, "%s: HTTP status %u%s%s", asking->engine->origin, answer->status,
                     line[0] ? ": " : "", line);
}

/* One exchange, repeated while the server asks for that. */
static int exchange(struct asking *asking, const char *method, const char *url, const struct http_body *body,
                    struct http_answer *ret, struct fault *fault)
{
    for (;;) {
        unsigned left = engine_time_left(asking->engine, asking->deadline_ns, fault);
        if (left == 0)
            return -ETIMEDOUT;
        const struct http_request request = {.method = method,
                                             .url = url,
                                             .headers = asking->headers,
                                             .header_count = asking->header_count,
                                             .body = body,
                                             .total_ms = left};
        int r = http_exchange(asking->http, &request, ret, fault);
        if (r ==
            -ETIMEDOUT) /* a connection has a limit of its own; where it is the question's, that is said */
            (void)engine_time_left(asking->engine, asking->deadline_ns, fault);
        if (r < 0)
            return r == -EIO ? -ECONNREFUSED : r;
        if (ret->status != 429 && (ret->status < 502 || ret->status > 504))
            return ret->status / 100 == 2 ? 0 : refuse_status(asking, ret, fault);
        const struct timespec pause = {.tv_nsec = PAUSE_MS * NS_PER_MS};
        (void)nanosleep(&pause, NULL);
    }
}

static bool is_number_type(const char *type)
{
    static const char *const types[] = {"tinyint", "smallint", "integer", "bigint",
                                        "real",    "double",   "decimal"};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strncmp(type, types[i], strlen(types[i])) == 0)
            return true;
    return false;
}

static int begin(const struct engine *engine, const json_t *columns, const struct engine_sink *sink,
                 struct engine_pages *pages, struct fault *fault)
{
    size_t count = json_array_size(columns);
    AUTO_FREE struct engine_column *list = calloc(count ? count : 1, sizeof *list);
    if (!list)
        return fault_set(fault, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const json_t *column = json_array_get(columns, i);
        const char *name = json_string_value(json_object_get(column, "name"));
        const char *type = json_string_value(json_object_get(column, "type"));
        if (!name || !type)
            return fault_set(fault, -EIO, "%s: a column without name or type", engine->origin);
        list[i] = (struct engine_column){.name = name, .is_number = is_number_type(type)};
    }
    pages->begun = true;
    pages->columns = count;
    int r = sink->begin(sink->userdata, list, count);
    return r < 0 ? fault_set(fault, r, "%s", strerror(-r)) : 0;
}

/* Errors of the question, in the answer to it. */
static int refuse_error(const struct engine *engine, const json_t *error, struct fault *fault)
{
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *type = json_string_value(json_object_get(error, "errorType"));
    bool of_user = type && strcmp(type, "USER_ERROR") == 0;
    char line[512];
    engine_first_line(line, sizeof line, message ? message : "", message ? strlen(message) : 0);
    return fault_set(fault, of_user ? -EINVAL : -EIO, "%s: %s", engine->origin,
                     line[0] ? line : "the question failed without a message");
}

static int take_rows(const struct engine *engine, const json_t *data, const struct engine_sink *sink,
                     const struct engine_pages *pages, struct fault *fault)
{
    size_t index;
    json_t *row;
    json_array_foreach(data, index, row)
    {
        if (!pages->begun || json_array_size(row) != pages->columns)
            return fault_set(fault, -EIO, "%s: a row that does not fit its columns", engine->origin);
        int r = sink->add(sink->userdata, row);
        if (r < 0)
            return fault_set(fault, r, "%s", strerror(-r));
    }
    return 0;
}

/* Where the next page is: at the same server, as the headers with the password go there. */
static int take_next(const struct engine *engine, const char *uri, struct engine_pages *pages,
                     struct fault *fault)
{
    size_t len = strlen(engine->origin);
    if (strncmp(uri, engine->origin, len) != 0 || uri[len] != '/' || strlen(uri) >= sizeof pages->next)
        return fault_set(fault, -EIO, "%s: it sends on to another server, which is not followed",
                         engine->origin);
    (void)snprintf(pages->next, sizeof pages->next, "%s", uri);
    return 0;
}

int engine_read_trino(const struct engine *engine, const char *text, size_t len,
                      const struct engine_sink *sink, struct engine_pages *pages, struct fault *fault)
{
    json_error_t place;
    json_t *page = json_loadb(text, len, 0, &place);
    const char *uri = json_string_value(json_object_get(page, "nextUri"));
    const json_t *error = json_object_get(page, "error");
    const json_t *columns = json_object_get(page, "columns");
    int r = 0;
    pages->next[0] = '\0';
    if (!json_is_object(page))
        r = fault_set(fault, -EIO, "%s: the answer is not Trino's: %s", engine->origin, place.text);
    else if (uri)
        r = take_next(engine, uri, pages, fault);
    if (r == 0 && json_is_object(error))
        r = refuse_error(engine, error, fault);
    if (r == 0 && !pages->begun && json_is_array(columns))
        r = begin(engine, columns, sink, pages, fault);
    if (r == 0)
        r = take_rows(engine, json_object_get(page, "data"), sink, pages, fault);
    json_decref(page);
    return r;
}

/* A question that nobody waits for is ended; whether that reaches the server does not matter. */
static void give_up(struct asking *asking, const char *next)
{
    struct http_answer answer AUTO_HTTP_ANSWER = HTTP_ANSWER_INIT(64UL * 1024);
    const struct http_request request = {.method = "DELETE",
                                         .url = next,
                                         .headers = asking->headers,
                                         .header_count = asking->header_count,
                                         .total_ms = 1000};
    if (http_exchange(asking->http, &request, &answer, NULL) < 0)
        return;
}

int engine_ask_trino(const struct engine *engine, struct http *http, const char *sql,
                     const struct engine_sink *sink, struct fault *fault)
{
    struct asking asking = {
        .engine = engine, .http = http, .deadline_ns = clock_monotonic_ns() + engine->timeout_s * NS_PER_S};
    set_headers(&asking);
    struct http_answer answer AUTO_HTTP_ANSWER = HTTP_ANSWER_INIT(PAGE_MAX);
    const struct http_body body = {.data = sql, .len = strlen(sql)};
    struct engine_pages pages = {0};
    char first[ENGINE_PART_MAX + 64];
    (void)snprintf(first, sizeof first, "%s/v1/statement", engine->origin);
    int r = exchange(&asking, "POST", first, &body, &answer, fault);
    while (r == 0) {
        const char *text = answer.body.data ? answer.body.data : "";
        r = engine_read_trino(engine, text, answer.body.len, sink, &pages, fault);
        if (r < 0 || !pages.next[0])
            break;
        r = exchange(&asking, "GET", pages.next, NULL, &answer, fault);
    }
    if (r < 0 && pages.next[0])
        give_up(&asking, pages.next);
    return r;
}
