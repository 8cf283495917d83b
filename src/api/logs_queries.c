/* SPDX-License-Identifier: Apache-2.0 */

/* Queries of Logs Insights: begun by one request, fetched by others. */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/logs_actions.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/uuid.h"
#include "insights/insights.h"

#define QUERIES_MAX 100                   /* kept, also those that have ended */
#define UNFINISHED_MAX 30                 /* of them; a person waits for each */
#define RESULTS_MAX (128UL * 1024 * 1024) /* bytes of answers kept */
#define RESULT_MAX (64UL * 1024 * 1024)   /* of one */
#define CELL_BYTES 160                    /* of a cell without its text, about */

enum state { SCHEDULED, RUNNING, COMPLETE, FAILED, CANCELLED };

static const char *const state_names[] = {"Scheduled", "Running", "Complete", "Failed", "Cancelled"};

struct query_run {
    struct query_run *next; /* newest first */
    char id[UUID_MAX];
    char *text;
    struct logs_host host; /* a copy; without queries */
    struct insights_sql sql;
    uint64_t from_s, until_s;
    uint64_t created_ms;
    enum state state;
    bool busy;                    /* the thread has it */
    struct flow_session *session; /* while it runs */
    json_t *names;                /* of the columns */
    json_t *rows;                 /* arrays of {field, value} */
    size_t bytes;
    uint64_t matched, scanned, scanned_bytes;
};

struct logs_queries {
    pthread_mutex_t lock; /* of everything below */
    pthread_cond_t changed;
    pthread_t thread;
    bool begun; /* the thread */
    bool stopping;
    struct query_run *list;
};

static void run_free(struct query_run *run)
{
    free(run->text);
    logs_host_done(&run->host);
    insights_sql_done(&run->sql);
    json_decref(run->names);
    json_decref(run->rows);
    free(run);
}

static bool has_ended(const struct query_run *run)
{
    return run->state != SCHEDULED && run->state != RUNNING;
}

static bool take_names(void *context, const char *const *texts, size_t count)
{
    struct query_run *run = context;
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(run->names, json_string(texts[i]));
    return true;
}

/* A field without a value is left out (AWS). */
static bool take_row(void *context, const char *const *texts, size_t count)
{
    struct query_run *run = context;
    json_t *row = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!texts[i])
            continue;
        run->bytes += strlen(texts[i]) + CELL_BYTES;
        (void)json_array_append_new(
            row, json_pack("{s:O, s:s}", "field", json_array_get(run->names, i), "value", texts[i]));
    }
    return json_array_append_new(run->rows, row) == 0 && run->bytes <= RESULT_MAX;
}

static void set_session(struct logs_queries *queries, struct query_run *run, struct flow_session *session)
{
    pthread_mutex_lock(&queries->lock);
    run->session = session;
    if (session && run->state == CANCELLED)
        flow_session_interrupt(session);
    pthread_mutex_unlock(&queries->lock);
}

/* Rows, and how many records there were and met the filters. */
static bool ask(struct logs_queries *queries, struct query_run *run, struct logs_call *call)
{
    struct logs_session session AUTO_LOGS_SESSION = {0};
    struct buf all AUTO_BUF = BUF_INIT(1024);
    buf_printf(&all, "SELECT count(*) FROM flow_logs WHERE \"start\" BETWEEN %" PRIu64 " AND %" PRIu64,
               run->from_s, run->until_s);
    if (!logs_open(call, run->from_s, run->until_s, &session))
        return false;
    run->scanned_bytes = logs_bytes(&session);
    set_session(queries, run, session.flow);
    bool asked =
        logs_ask(call, &session, buf_string(&run->sql.rows), take_names, take_row, run) &&
        logs_ask(call, &session, buf_string(&run->sql.matched), NULL, logs_take_number, &run->matched) &&
        logs_ask(call, &session, buf_string(&all), NULL, logs_take_number, &run->scanned);
    set_session(queries, run, NULL);
    return asked && run->bytes <= RESULT_MAX;
}

static void run_query(struct logs_queries *queries, struct query_run *run)
{
    struct logs_call call = {.host = &run->host};
    bool asked = ask(queries, run, &call);
    pthread_mutex_lock(&queries->lock);
    if (run->state == RUNNING)
        run->state = asked ? COMPLETE : FAILED;
    if (run->state != COMPLETE)
        (void)json_array_clear(run->rows);
    run->busy = false;
    pthread_mutex_unlock(&queries->lock);
}

/* The oldest that waits. */
static struct query_run *find_waiting(const struct logs_queries *queries)
{
    struct query_run *oldest = NULL;
    for (struct query_run *run = queries->list; run; run = run->next)
        if (run->state == SCHEDULED)
            oldest = run;
    return oldest;
}

static void *run_queries(void *context)
{
    struct logs_queries *queries = context;
    pthread_mutex_lock(&queries->lock);
    while (!queries->stopping) {
        struct query_run *run = find_waiting(queries);
        if (!run) {
            pthread_cond_wait(&queries->changed, &queries->lock);
            continue;
        }
        run->state = RUNNING;
        run->busy = true;
        pthread_mutex_unlock(&queries->lock);
        run_query(queries, run);
        pthread_mutex_lock(&queries->lock);
    }
    pthread_mutex_unlock(&queries->lock);
    return NULL;
}

struct logs_queries *logs_queries_new(void)
{
    struct logs_queries *queries = calloc(1, sizeof *queries);
    if (!queries)
        return NULL;
    pthread_mutex_init(&queries->lock, NULL);
    pthread_cond_init(&queries->changed, NULL);
    return queries;
}

void logs_queries_free(struct logs_queries *queries)
{
    if (!queries)
        return;
    pthread_mutex_lock(&queries->lock);
    queries->stopping = true;
    for (struct query_run *run = queries->list; run; run = run->next)
        if (run->session)
            flow_session_interrupt(run->session);
    pthread_cond_signal(&queries->changed);
    pthread_mutex_unlock(&queries->lock);
    if (queries->begun)
        (void)pthread_join(queries->thread, NULL);
    while (queries->list) {
        struct query_run *run = queries->list;
        queries->list = run->next;
        run_free(run);
    }
    pthread_cond_destroy(&queries->changed);
    pthread_mutex_destroy(&queries->lock);
    free(queries);
}

/* The oldest that have ended go where there are too many, or they hold too much. */
static void forget_oldest(struct logs_queries *queries)
{
    for (;;) {
        size_t count = 0, bytes = 0;
        struct query_run **oldest = NULL;
        for (struct query_run **at = &queries->list; *at; at = &(*at)->next) {
            count++;
            bytes += (*at)->bytes;
            if (has_ended(*at) && !(*at)->busy)
                oldest = at;
        }
        if (!oldest || (count <= QUERIES_MAX && bytes <= RESULTS_MAX))
            return;
        struct query_run *run = *oldest;
        *oldest = run->next;
        run_free(run);
    }
}

/* Takes over the run. */
static bool add_run(struct logs_call *call, struct query_run *run)
{
    struct logs_queries *queries = call->host->queries;
    size_t unfinished = 0;
    pthread_mutex_lock(&queries->lock);
    for (const struct query_run *other = queries->list; other; other = other->next)
        unfinished += !has_ended(other);
    if (unfinished >= UNFINISHED_MAX)
        logs_fail(call, "LimitExceededException", "%d queries are under way already", UNFINISHED_MAX);
    else if (!queries->begun && pthread_create(&queries->thread, NULL, run_queries, queries) != 0)
        logs_fail_unavailable(call, &(struct fault){.text = "no thread can be begun for queries"});
    if (!call->status) {
        queries->begun = true;
        run->next = queries->list;
        queries->list = run;
        forget_oldest(queries);
        pthread_cond_signal(&queries->changed);
    }
    pthread_mutex_unlock(&queries->lock);
    if (call->status)
        run_free(run);
    return !call->status;
}

/* ---- StartQuery ---- */

/* One of the three members, and nothing but the store in it. */
static bool check_groups(struct logs_call *call)
{
    const char *name = logs_text(call, "logGroupName");
    const json_t *lists[] = {json_object_get(call->input, "logGroupNames"),
                             json_object_get(call->input, "logGroupIdentifiers")};
    const json_t *group;
    size_t i;
    int given = (name != NULL) + (json_array_size(lists[0]) > 0) + (json_array_size(lists[1]) > 0);
    bool known = !name || logs_is_group_name(call->host, name);
    for (size_t list = 0; list < ARRAY_SIZE(lists); list++)
        json_array_foreach((json_t *)lists[list], i, group) known &=
            logs_is_group_name(call->host, json_string_value(group));
    if (given != 1)
        logs_fail(call, "InvalidParameterException",
                  "exactly one of logGroupName, logGroupNames and logGroupIdentifiers must be given");
    else if (!known)
        logs_fail(call, "ResourceNotFoundException",
                  "Log group does not exist. There is %s, the local store.", call->host->group);
    return !call->status;
}

static bool check_question(struct logs_call *call)
{
    const char *language = logs_text(call, "queryLanguage");
    if (language && strcmp(language, "CWLI") != 0)
        logs_fail(call, "InvalidParameterException", "queryLanguage: only CWLI is supported here");
    else if (logs_number(call, "startTime", 0) > logs_number(call, "endTime", 0))
        logs_fail(call, "InvalidParameterException", "startTime lies behind endTime");
    return !call->status;
}

static bool translate(struct logs_call *call, struct query_run *run)
{
    struct buf condition AUTO_BUF = BUF_INIT(256);
    struct insights_error error;
    buf_printf(&condition, "\"start\" BETWEEN %" PRIu64 " AND %" PRIu64, run->from_s, run->until_s);
    const struct insights_options options = {.group = run->host.group,
                                             .condition = buf_string(&condition),
                                             .rows =
                                                 (uint32_t)logs_number(call, "limit", INSIGHTS_ROWS_DEFAULT),
                                             .pointers = true};
    int r = insights_translate(run->text, &options, &run->sql, &error);
    if (r == 0)
        return true;
    if (r == -ENOMEM)
        logs_fail_unavailable(call, &(struct fault){.text = "out of memory"});
    else
        logs_fail(call, "MalformedQueryException", "%s", error.message);
    if (r != -ENOMEM)
        call->details =
            json_pack("{s:{s:{s:i, s:i}, s:s}}", "queryCompileError", "location", "startCharOffset",
                      (int)error.start, "endCharOffset", (int)error.end, "message", error.message);
    return false;
}

static struct query_run *make_run(struct logs_call *call)
{
    const struct logs_host *host = call->host;
    struct query_run *run = calloc(1, sizeof *run);
    if (!run)
        return NULL;
    uuid_make(run->id);
    run->text = strdup(logs_text(call, "queryString"));
    bool copied = logs_host_copy(&run->host, host) == 0;
    run->names = json_array();
    run->rows = json_array();
    run->from_s = (uint64_t)logs_number(call, "startTime", 0);
    run->until_s = (uint64_t)logs_number(call, "endTime", 0);
    run->created_ms = clock_wall_ns() / NS_PER_MS;
    if (run->text && copied && run->names && run->rows)
        return run;
    run_free(run);
    return NULL;
}

json_t *logs_start_query(struct logs_call *call)
{
    if (!check_groups(call) || !check_question(call))
        return NULL;
    struct query_run *run = make_run(call);
    if (!run)
        return logs_fail_unavailable(call, &(struct fault){.text = "out of memory"});
    if (!translate(call, run)) {
        run_free(run);
        return NULL;
    }
    json_t *answer = json_pack("{s:s}", "queryId", run->id);
    if (add_run(call, run))
        return answer;
    json_decref(answer);
    return NULL;
}

/* ---- What is asked of them ---- */

/* With the lock held. */
static struct query_run *find_run(struct logs_call *call)
{
    const char *id = logs_text(call, "queryId");
    struct query_run *run = call->host->queries->list;
    while (run && strcmp(run->id, id) != 0)
        run = run->next;
    if (!run)
        logs_fail(call, "ResourceNotFoundException", "Query %.100s is not known.", id);
    return run;
}

/* They are settled when it has ended. */
static json_t *put_statistics(const struct query_run *run)
{
    static const struct query_run none;
    run = run->state == COMPLETE ? run : &none;
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "recordsMatched", (double)run->matched,
                     "recordsScanned", (double)run->scanned, "bytesScanned", (double)run->scanned_bytes,
                     "estimatedRecordsSkipped", 0.0, "estimatedBytesSkipped", 0.0, "logGroupsScanned", 1.0);
}

/* Rows from the token's on. */
static json_t *put_results(struct logs_call *call, const struct query_run *run)
{
    const char *token = logs_text(call, "nextToken");
    size_t rows = run->state == COMPLETE ? json_array_size(run->rows) : 0;
    size_t most = (size_t)logs_number(call, "maxItems", INSIGHTS_ROWS_MAX);
    uint64_t first = 0;
    if (token && !num_parse_u64(token, strlen(token), rows, &first))
        return logs_fail(call, "InvalidParameterException", "The specified nextToken is invalid.");
    size_t end = rows - first > most ? first + most : rows;
    json_t *results = json_array();
    for (size_t i = first; i < end; i++)
        (void)json_array_append(results, json_array_get(run->rows, i));
    json_t *answer =
        json_pack("{s:s, s:s, s:o, s:o}", "queryLanguage", "CWLI", "status", state_names[run->state],
                  "results", results, "statistics", put_statistics(run));
    if (end < rows)
        (void)json_object_set_new(answer, "nextToken", json_sprintf("%zu", end));
    return answer;
}

/* A copy, as others may forget the query while the answer is written. */
json_t *logs_get_query_results(struct logs_call *call)
{
    struct logs_queries *queries = call->host->queries;
    pthread_mutex_lock(&queries->lock);
    const struct query_run *run = find_run(call);
    json_t *shared = run ? put_results(call, run) : NULL;
    json_t *answer = json_deep_copy(shared);
    json_decref(shared);
    pthread_mutex_unlock(&queries->lock);
    return answer;
}

json_t *logs_stop_query(struct logs_call *call)
{
    struct logs_queries *queries = call->host->queries;
    pthread_mutex_lock(&queries->lock);
    struct query_run *run = find_run(call);
    if (run && has_ended(run)) {
        logs_fail(call, "InvalidParameterException", "Query %s has ended: its status is %s.", run->id,
                  state_names[run->state]);
    } else if (run) {
        run->state = CANCELLED;
        if (run->session)
            flow_session_interrupt(run->session);
    }
    pthread_mutex_unlock(&queries->lock);
    return call->status ? NULL : json_pack("{s:b}", "success", 1);
}

static bool is_asked_for(const struct logs_call *call, const struct query_run *run)
{
    const char *status = logs_text(call, "status");
    const char *group = logs_text(call, "logGroupName");
    const char *language = logs_text(call, "queryLanguage");
    return (!status || strcmp(status, state_names[run->state]) == 0) &&
           (!group || logs_is_group_name(call->host, group)) && (!language || strcmp(language, "CWLI") == 0);
}

/* Newest first; the token is the number of those before. */
json_t *logs_describe_queries(struct logs_call *call)
{
    struct logs_queries *queries = call->host->queries;
    const char *token = logs_text(call, "nextToken");
    size_t most = (size_t)logs_number(call, "maxResults", 1000);
    uint64_t first = 0;
    size_t at = 0;
    json_t *list = json_array();
    if (token && !num_parse_u64(token, strlen(token), QUERIES_MAX, &first))
        logs_fail(call, "InvalidParameterException", "The specified nextToken is invalid.");
    pthread_mutex_lock(&queries->lock);
    for (const struct query_run *run = queries->list; run; run = run->next) {
        bool wanted = is_asked_for(call, run);
        if (wanted && at >= first && at < first + most)
            (void)json_array_append_new(list,
                                        json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "queryId", run->id,
                                                  "queryString", run->text, "status", state_names[run->state],
                                                  "createTime", (json_int_t)run->created_ms, "logGroupName",
                                                  run->host.group, "queryLanguage", "CWLI"));
        at += wanted;
    }
    pthread_mutex_unlock(&queries->lock);
    json_t *answer = json_pack("{s:o}", "queries", list);
    if (at > first + most)
        (void)json_object_set_new(answer, "nextToken", json_sprintf("%" PRIu64, first + most));
    if (!call->status)
        return answer;
    json_decref(answer);
    return NULL;
}
