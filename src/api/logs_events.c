/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Records as events. A page's token is a place between events: a second, and how many events of that second
 * lie before it. It stays right when later records come in, and when retention takes the second away; events
 * of one second are in the order of their stream and text.
 */

#include <errno.h>
#include <inttypes.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/logs_actions.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/num.h"
#include "insights/event.h"
#include "insights/insights.h"
#include "insights/pattern.h"
#include "insights/scope.h"
#include "insights/sql.h"

#define SQL_MAX (1024 * 1024)
#define MS_PER_S 1000
#define PAGE_BYTES (1024 * 1024) /* of messages, with what AWS counts for each event */
#define EVENT_BYTES 26
#define LATEST_S (INT64_MAX / MS_PER_S)
#define HEAD_FIRST_MS 1704067200000 /* 2024-01-01: startFromHead = false is not for what is older (AWS) */

struct place {
    int64_t second;
    uint64_t skip; /* events of the second that lie before it */
};

struct page {
    json_t *events;
    struct place place; /* where it begins, in the direction of reading */
    int64_t limit;
    size_t bytes;
    bool more;           /* there were events that did not fit */
    int64_t last_second; /* of the last event */
    uint64_t at_last;    /* events of the page in it */
    bool with_stream;    /* its stream and identity, too */
    uint64_t same;       /* events before it that are its twins */
    char *before;        /* stream and text of the event before; owned */
};

static void page_done(struct page *page)
{
    json_decref(page->events);
    free(page->before);
}

static int64_t seconds_up(int64_t ms)
{
    return ms / MS_PER_S + (ms % MS_PER_S != 0);
}

/* 56 digits: time, and a hash of the rest; two equal events differ. */
static json_t *make_event_id(struct page *page, int64_t second, const char *stream, const char *message)
{
    char *text = NULL;
    if (asprintf(&text, "%" PRId64 " %s %s", second, stream, message) < 0)
        return NULL;
    page->same = page->before && strcmp(page->before, text) == 0 ? page->same + 1 : 0;
    free(page->before);
    page->before = text;
    uint64_t low = hash_bytes(text, strlen(text), page->same);
    uint64_t high = hash_bytes(text, strlen(text), ~page->same);
    const uint64_t digits = 1000000000000000000;
    return json_sprintf("%020" PRId64 "%018" PRIu64 "%018" PRIu64, second * MS_PER_S, high % digits,
                        low % digits);
}

/* second, stream, message, second of ingestion */
static bool add_event(void *context, const char *const *texts, size_t count)
{
    struct page *page = context;
    size_t bytes = strlen(texts[2]) + EVENT_BYTES;
    if ((int64_t)json_array_size(page->events) == page->limit ||
        (page->bytes && page->bytes + bytes > PAGE_BYTES)) {
        page->more = true;
        return false;
    }
    int64_t second = logs_whole(texts[0]);
    int64_t ingested = texts[3] ? logs_whole(texts[3]) : second;
    page->bytes += bytes;
    page->at_last = second == page->last_second ? page->at_last + 1 : 1;
    page->last_second = second;
    json_t *event = json_pack("{s:I, s:s, s:I}", "timestamp", (json_int_t)second * MS_PER_S, "message",
                              texts[2], "ingestionTime", (json_int_t)ingested * MS_PER_S);
    if (event && page->with_stream) {
        (void)json_object_set_new(event, "logStreamName", json_string(texts[1]));
        (void)json_object_set_new(event, "eventId", make_event_id(page, second, texts[1], texts[2]));
    }
    return json_array_append_new(page->events, event) == 0;
}

/* Behind the page's last event, in the direction of reading. */
static struct place behind(const struct page *page)
{
    if (!json_array_size(page->events))
        return page->place;
    return (struct place){page->last_second,
                          page->at_last + (page->last_second == page->place.second ? page->place.skip : 0)};
}

/* "SECOND/SKIP" */
static bool parse_place(struct logs_call *call, const char *text, struct place *ret)
{
    const char *slash = strchr(text, '/');
    uint64_t second;
    if (slash && num_parse_u64(text, (size_t)(slash - text), LATEST_S, &second) &&
        num_parse_u64(slash + 1, strlen(slash + 1), INT64_MAX, &ret->skip)) {
        ret->second = (int64_t)second;
        return true;
    }
    logs_fail(call, "InvalidParameterException", "The specified nextToken is invalid.");
    return false;
}

/* SELECT … FROM (events in from_s <= second < until_s). Conditions may follow. */
static void put_events(struct buf *sql, int64_t from_s, int64_t until_s)
{
    buf_text(sql, "SELECT t, s, m, e FROM (SELECT \"start\" AS t, " EVENT_STREAM " AS s, ");
    event_put_message(sql);
    buf_printf(sql,
               " AS m, \"end\" AS e FROM flow_logs WHERE \"start\" >= %" PRId64 " AND \"start\" < %" PRId64
               ") WHERE true",
               from_s, until_s);
}

/* Of the events before the place, `events` being the question for all, those that are still there count. */
static bool find_skip(struct logs_call *call, struct logs_session *session, const struct buf *events,
                      struct place *place)
{
    struct buf sql AUTO_BUF = BUF_INIT(SQL_MAX);
    uint64_t of_second = 0;
    if (!place->skip)
        return true;
    buf_text(&sql, "SELECT count(*) FROM (");
    buf_append(&sql, events->data, events->len);
    buf_printf(&sql, " AND t = %" PRId64 ")", place->second);
    if (!logs_ask(call, session, buf_string(&sql), NULL, logs_take_number, &of_second))
        return false;
    place->skip = place->skip < of_second ? place->skip : of_second;
    return true;
}

/* ---- GetLogEvents ---- */

struct reading {
    struct logs_call *call;
    struct logs_session session;
    const char *stream;
    int64_t from_s, until_s; /* events with from_s <= second < until_s */
    bool backward;
    struct page page;
};

static void put_stream(const struct reading *reading, struct buf *sql)
{
    put_events(sql, reading->from_s, reading->until_s);
    buf_text(sql, " AND s = ");
    sql_text(sql, reading->stream, strlen(reading->stream));
}

/* The token "f/PLACE" or "b/PLACE" says where and which way; without one it is one of the ends. */
static bool find_place(struct reading *reading)
{
    const char *token = logs_text(reading->call, "nextToken");
    if (!token) {
        reading->backward = !logs_flag(reading->call, "startFromHead", false);
        reading->page.place.second = reading->backward ? reading->until_s : reading->from_s;
        return true;
    }
    reading->backward = token[0] == 'b';
    if ((token[0] == 'b' || token[0] == 'f') && token[1] == '/')
        return parse_place(reading->call, token + 2, &reading->page.place);
    return parse_place(reading->call, "", &reading->page.place);
}

static bool read_page(struct reading *reading)
{
    struct buf sql AUTO_BUF = BUF_INIT(SQL_MAX);
    struct place *place = &reading->page.place;
    if (reading->backward) {
        buf_text(&sql, "SELECT * FROM ((");
        put_stream(reading, &sql);
        buf_printf(&sql, " AND t = %" PRId64 " ORDER BY m LIMIT %" PRIu64 ") UNION ALL (", place->second,
                   place->skip);
        put_stream(reading, &sql);
        buf_printf(&sql, " AND t < %" PRId64 ")) ORDER BY t DESC, m DESC LIMIT %" PRId64, place->second,
                   reading->page.limit);
    } else {
        put_stream(reading, &sql);
        if (!find_skip(reading->call, &reading->session, &sql, place))
            return false;
        buf_printf(&sql, " AND t >= %" PRId64 " ORDER BY t, m LIMIT %" PRId64 " OFFSET %" PRIu64,
                   place->second, reading->page.limit, place->skip);
    }
    return logs_ask(reading->call, &reading->session, buf_string(&sql), NULL, add_event, &reading->page);
}

static bool is_any(void *context, const char *const *texts, size_t count)
{
    *(bool *)context = true;
    return false;
}

/* Before the first event of a page that was read backwards: how many of its second are not of the page. */
static bool find_begin(struct reading *reading, struct place *ret)
{
    const struct page *page = &reading->page;
    struct buf sql AUTO_BUF = BUF_INIT(SQL_MAX);
    uint64_t of_second = page->place.skip;
    *ret = page->place;
    if (!json_array_size(page->events))
        return true;
    if (page->last_second != page->place.second) {
        buf_text(&sql, "SELECT count(*) FROM (");
        put_stream(reading, &sql);
        buf_printf(&sql, " AND t = %" PRId64 ")", page->last_second);
        if (!logs_ask(reading->call, &reading->session, buf_string(&sql), NULL, logs_take_number, &of_second))
            return false;
    }
    *ret = (struct place){page->last_second, of_second - page->at_last};
    return true;
}

static json_t *reversed(json_t *events)
{
    json_t *copy = json_array();
    for (size_t i = json_array_size(events); i > 0; i--)
        (void)json_array_append(copy, json_array_get(events, i - 1));
    return copy;
}

static bool is_stream(struct reading *reading)
{
    struct buf sql AUTO_BUF = BUF_INIT(SQL_MAX);
    bool found = json_array_size(reading->page.events) > 0;
    if (found)
        return true;
    buf_text(&sql, "SELECT 1 FROM flow_logs WHERE " EVENT_STREAM " = ");
    sql_text(&sql, reading->stream, strlen(reading->stream));
    buf_text(&sql, " LIMIT 1");
    struct logs_session all AUTO_LOGS_SESSION = {0};
    if (!logs_open(reading->call, 0, UINT64_MAX, &all) ||
        !logs_ask(reading->call, &all, buf_string(&sql), NULL, is_any, &found))
        return false;
    if (!found)
        logs_fail(reading->call, "ResourceNotFoundException", "The specified log stream does not exist.");
    return found;
}

static json_t *answer_events(struct reading *reading)
{
    struct place begin = reading->page.place;
    struct place end = begin;
    if (!read_page(reading) || !is_stream(reading))
        return NULL;
    if (reading->backward && !find_begin(reading, &begin))
        return NULL;
    if (!reading->backward)
        end = behind(&reading->page);
    json_t *events = reading->backward ? reversed(reading->page.events) : json_incref(reading->page.events);
    return json_pack("{s:o, s:o, s:o}", "events", events, "nextForwardToken",
                     json_sprintf("f/%" PRId64 "/%" PRIu64, end.second, end.skip), "nextBackwardToken",
                     json_sprintf("b/%" PRId64 "/%" PRIu64, begin.second, begin.skip));
}

static void reading_done(struct reading *reading)
{
    page_done(&reading->page);
    logs_close(&reading->session);
}

json_t *logs_get_log_events(struct logs_call *call)
{
    int64_t end_ms = logs_number(call, "endTime", -1);
    struct reading reading CLEANUP(reading_done) = {
        .call = call,
        .stream = logs_text(call, "logStreamName"),
        .from_s = seconds_up(logs_number(call, "startTime", 0)),
        .until_s = end_ms < 0 ? LATEST_S : seconds_up(end_ms),
        .page = {.events = json_array(), .limit = logs_number(call, "limit", 10000)}};
    if (!logs_is_group(call) || !find_place(&reading) ||
        !logs_open(call, (uint64_t)reading.from_s, (uint64_t)reading.until_s, &reading.session))
        return NULL;
    return answer_events(&reading);
}

/* ---- FilterLogEvents ---- */

/* What a logStreamName… member lets through. */
static bool put_stream_filter(struct logs_call *call, struct buf *sql)
{
    const json_t *names = json_object_get(call->input, "logStreamNames");
    const char *prefix = logs_text(call, "logStreamNamePrefix");
    const json_t *name;
    size_t i;
    if (names && prefix) {
        logs_fail(call, "InvalidParameterException",
                  "logStreamNames and logStreamNamePrefix exclude each other");
        return false;
    }
    json_array_foreach((json_t *)names, i, name)
    {
        buf_text(sql, i ? ", " : " AND s IN (");
        sql_text(sql, json_string_value(name), json_string_length(name));
    }
    buf_text(sql, json_array_size(names) ? ")" : "");
    if (prefix) {
        buf_text(sql, " AND starts_with(s, ");
        sql_text(sql, prefix, strlen(prefix));
        buf_char(sql, ')');
    }
    return true;
}

static bool put_pattern(struct logs_call *call, struct buf *sql)
{
    const char *pattern = logs_text(call, "filterPattern");
    struct fault fault = {0};
    buf_text(sql, " AND ");
    if (pattern_translate(pattern ? pattern : "", "m", sql, &fault) == 0)
        return true;
    logs_fail(call, "InvalidParameterException", "Invalid filter pattern: %s", fault.text);
    return false;
}

/* Which way, and from where. */
static bool begin_page(struct logs_call *call, int64_t from_s, int64_t until_s, struct page *page,
                       bool *backward)
{
    const char *token = logs_text(call, "nextToken");
    *backward = !logs_flag(call, "startFromHead", true);
    if (*backward && logs_number(call, "startTime", 0) < HEAD_FIRST_MS) {
        logs_fail(call, "InvalidParameterException",
                  "startFromHead false needs a startTime of 2024-01-01 or later");
        return false;
    }
    page->place.second = *backward ? until_s : from_s;
    return !token || parse_place(call, token, &page->place);
}

static json_t *answer_page(const struct page *page)
{
    struct place end = behind(page);
    json_t *answer = json_pack("{s:O, s:[]}", "events", page->events, "searchedLogStreams");
    if (page->more)
        (void)json_object_set_new(answer, "nextToken",
                                  json_sprintf("%" PRId64 "/%" PRIu64, end.second, end.skip));
    return answer;
}

json_t *logs_filter_log_events(struct logs_call *call)
{
    int64_t end_ms = logs_number(call, "endTime", -1);
    int64_t from_s = seconds_up(logs_number(call, "startTime", 0));
    int64_t until_s = end_ms < 0 ? LATEST_S : end_ms / MS_PER_S + 1;
    bool backward;
    struct buf sql AUTO_BUF = BUF_INIT(SQL_MAX);
    struct logs_session session AUTO_LOGS_SESSION = {0};
    struct page page CLEANUP(page_done) = {
        .events = json_array(), .limit = logs_number(call, "limit", 10000), .with_stream = true};
    put_events(&sql, from_s, until_s);
    if (!logs_is_group(call) || !put_stream_filter(call, &sql) || !put_pattern(call, &sql) ||
        !begin_page(call, from_s, until_s, &page, &backward) ||
        !logs_open(call, (uint64_t)from_s, (uint64_t)until_s, &session) ||
        !find_skip(call, &session, &sql, &page.place))
        return NULL;
    const char *direction = backward ? "DESC" : "ASC";
    buf_printf(&sql, " AND t %s %" PRId64 " ORDER BY t %s, s %s, m %s LIMIT %" PRId64 " OFFSET %" PRIu64,
               backward ? "<=" : ">=", page.place.second, direction, direction, direction, page.limit + 1,
               page.place.skip);
    if (!logs_ask(call, &session, buf_string(&sql), NULL, add_event, &page))
        return NULL;
    return answer_page(&page);
}

/* ---- GetLogRecord ---- */

#define POINTER_MAX 512

struct record {
    const struct scope *scope;
    json_t *fields;
};

static bool add_fields(void *context, const char *const *texts, size_t count)
{
    const struct record *record = context;
    for (size_t i = 0; i < count; i++)
        if (texts[i])
            (void)json_object_set_new(record->fields, record->scope->fields[i].name, json_string(texts[i]));
    return false;
}

/* The second that a pointer begins with; false for what is none. */
static bool parse_pointer(const char *pointer, uint64_t *ret_second)
{
    uint8_t text[BASE64_DECODE_LENGTH(POINTER_MAX)];
    struct base64_decode_ctx base64;
    size_t len = sizeof text;
    base64_decode_init(&base64);
    if (strlen(pointer) > POINTER_MAX ||
        !base64_decode_update(&base64, &len, text, strlen(pointer), pointer) || !base64_decode_final(&base64))
        return false;
    const uint8_t *slash = memchr(text, '/', len);
    return slash && num_parse_u64((const char *)text, (size_t)(slash - text), LATEST_S, ret_second);
}

/* All fields there are, as a query for them. */
static int translate_record(struct logs_call *call, const struct scope *scope, uint64_t second,
                            const char *pointer, struct insights_sql *ret)
{
    struct buf query AUTO_BUF = BUF_INIT(INSIGHTS_QUERY_MAX);
    struct buf condition AUTO_BUF = BUF_INIT(SQL_MAX);
    struct insights_error error;
    buf_printf(&condition, "\"start\" = %" PRIu64 " AND ", second);
    event_put_pointer(&condition);
    buf_text(&condition, " = ");
    sql_text(&condition, pointer, strlen(pointer));
    for (size_t i = 0; i < scope->count; i++)
        buf_printf(&query, "%s`%s`", i ? ", " : "display ", scope->fields[i].name);
    const struct insights_options options = {
        .group = call->host->group, .condition = buf_string(&condition), .rows = 1};
    return insights_translate(buf_string(&query), &options, ret, &error);
}

json_t *logs_get_log_record(struct logs_call *call)
{
    const char *pointer = logs_text(call, "logRecordPointer");
    uint64_t second;
    struct scope scope CLEANUP(scope_done) = {0};
    struct insights_sql sql AUTO_INSIGHTS_SQL = {0};
    struct logs_session session AUTO_LOGS_SESSION = {0};
    if (!parse_pointer(pointer, &second))
        return logs_fail(call, "InvalidParameterException", "logRecordPointer is none of GetQueryResults");
    if (scope_begin(&scope) < 0 || translate_record(call, &scope, second, pointer, &sql) < 0)
        return logs_fail_unavailable(call, &(struct fault){.text = "out of memory"});
    struct record record = {&scope, json_object()};
    if (!logs_open(call, second, second, &session) ||
        !logs_ask(call, &session, buf_string(&sql.rows), NULL, add_fields, &record)) {
        json_decref(record.fields);
        return NULL;
    }
    if (json_object_size(record.fields))
        return json_pack("{s:o}", "logRecord", record.fields);
    json_decref(record.fields);
    return logs_fail(call, "ResourceNotFoundException", "The record is not in the store any more.");
}
