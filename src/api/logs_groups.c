/* SPDX-License-Identifier: Apache-2.0 */

/* The store as a log group, and its interfaces as streams. */

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "api/logs_actions.h"
#include "base/cleanup.h"
#include "base/num.h"
#include "insights/event.h"
#include "insights/sql.h"

#define SQL_MAX (1024 * 1024)
#define MS_PER_S 1000

/* When the folder last got or lost a file; a folder's birth is not known on every file system. */
static int64_t changed_ms(const char *folder)
{
    struct stat status;
    return stat(folder, &status) == 0 ? (int64_t)status.st_ctim.tv_sec * MS_PER_S : 0;
}

static bool is_listed(const struct logs_call *call)
{
    const char *prefix = logs_text(call, "logGroupNamePrefix");
    const char *pattern = logs_text(call, "logGroupNamePattern");
    const char *class = logs_text(call, "logGroupClass");
    const json_t *identifiers = json_object_get(call->input, "logGroupIdentifiers");
    const json_t *identifier;
    size_t i;
    bool named = !identifiers || !json_array_size(identifiers);
    json_array_foreach((json_t *)identifiers, i, identifier) named |=
        logs_is_group_name(call->host, json_string_value(identifier));
    return named && (!prefix || strncmp(call->host->group, prefix, strlen(prefix)) == 0) &&
           (!pattern || strstr(call->host->group, pattern)) && (!class || strcmp(class, "STANDARD") == 0);
}

json_t *logs_describe_log_groups(struct logs_call *call)
{
    const struct logs_host *host = call->host;
    if (logs_text(call, "logGroupNamePrefix") && logs_text(call, "logGroupNamePattern"))
        return logs_fail(call, "InvalidParameterException",
                         "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
    json_t *groups = json_array();
    struct logs_session session AUTO_LOGS_SESSION = {0};
    if (is_listed(call)) {
        if (!logs_open_files(call, &session)) {
            json_decref(groups);
            return NULL;
        }
        (void)json_array_append_new(
            groups, json_pack("{s:s, s:I, s:i, s:o, s:o, s:I, s:s}", "logGroupName", host->group,
                              "creationTime", (json_int_t)changed_ms(host->store), "metricFilterCount", 0,
                              "arn", logs_arn(host, ":*"), "logGroupArn", logs_arn(host, ""), "storedBytes",
                              (json_int_t)logs_bytes(&session), "logGroupClass", "STANDARD"));
    }
    return json_pack("{s:o}", "logGroups", groups);
}

/* ---- Streams ---- */

struct streams {
    struct logs_call *call;
    json_t *list;
    int64_t limit;
    char next[1024]; /* where the next page begins; "" for nowhere */
};

/* name, first, last, last end: seconds. */
static bool add_stream(void *context, const char *const *texts, size_t count)
{
    struct streams *streams = context;
    int64_t seconds[3] = {0};
    if ((int64_t)json_array_size(streams->list) == streams->limit) {
        const json_t *last = json_array_get(streams->list, (size_t)streams->limit - 1);
        (void)snprintf(streams->next, sizeof streams->next, "%" JSON_INTEGER_FORMAT "/%s",
                       json_integer_value(json_object_get(last, "lastEventTimestamp")),
                       json_string_value(json_object_get(last, "logStreamName")));
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(seconds) && i + 1 < count; i++)
        seconds[i] = logs_whole(texts[i + 1]);
    char rest[1024];
    (void)snprintf(rest, sizeof rest, ":log-stream:%s", texts[0]);
    (void)json_array_append_new(
        streams->list,
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:o, s:i}", "logStreamName", texts[0], "creationTime",
                  (json_int_t)seconds[0] * MS_PER_S, "firstEventTimestamp", (json_int_t)seconds[0] * MS_PER_S,
                  "lastEventTimestamp", (json_int_t)seconds[1] * MS_PER_S, "lastIngestionTime",
                  (json_int_t)seconds[2] * MS_PER_S, "uploadSequenceToken", "none", "arn",
                  logs_arn(streams->call->host, rest), "storedBytes", 0));
    return true;
}

/* Streams behind the one that the token names, in the order asked for. */
static bool put_page(struct logs_call *call, bool by_time, const char *sign, struct buf *sql)
{
    const char *token = logs_text(call, "nextToken");
    const char *slash = token ? strchr(token, '/') : NULL;
    uint64_t ms;
    if (!token)
        return true;
    if (!slash || !num_parse_u64(token, (size_t)(slash - token), INT64_MAX, &ms)) {
        logs_fail(call, "InvalidParameterException", "The specified nextToken is invalid.");
        return false;
    }
    buf_text(sql, " WHERE ");
    if (by_time)
        buf_printf(sql, "l %s %" PRIu64 " OR (l = %" PRIu64 " AND s %s ", sign, ms / MS_PER_S, ms / MS_PER_S,
                   sign);
    else
        buf_printf(sql, "(s %s ", sign);
    sql_text(sql, slash + 1, strlen(slash + 1));
    buf_char(sql, ')');
    return true;
}

static bool put_streams(struct logs_call *call, struct buf *sql)
{
    const char *order = logs_text(call, "orderBy");
    const char *prefix = logs_text(call, "logStreamNamePrefix");
    bool by_time = order && strcmp(order, "LastEventTime") == 0;
    bool descending = logs_flag(call, "descending", false);
    if (by_time && prefix) {
        logs_fail(call, "InvalidParameterException",
                  "Cannot order by LastEventTime with a logStreamNamePrefix.");
        return false;
    }
    buf_text(sql, "SELECT s, f, l, e FROM (SELECT " EVENT_STREAM " AS s, min(\"start\") AS f, max(\"start\") "
                  "AS l, max(\"end\") AS e FROM flow_logs");
    if (prefix) {
        buf_text(sql, " WHERE starts_with(" EVENT_STREAM ", ");
        sql_text(sql, prefix, strlen(prefix));
        buf_char(sql, ')');
    }
    buf_text(sql, " GROUP BY ALL)");
    if (!put_page(call, by_time, descending ? "<" : ">", sql))
        return false;
    const char *direction = descending ? "DESC" : "ASC";
    if (by_time)
        buf_printf(sql, " ORDER BY l %s, s %s", direction, direction);
    else
        buf_printf(sql, " ORDER BY s %s", direction);
    return true;
}

json_t *logs_describe_log_streams(struct logs_call *call)
{
    struct buf sql AUTO_BUF = BUF_INIT(SQL_MAX);
    struct logs_session session AUTO_LOGS_SESSION = {0};
    if (!logs_is_group(call) || !put_streams(call, &sql) || !logs_open(call, 0, UINT64_MAX, &session))
        return NULL;
    struct streams streams = {.call = call, .list = json_array(), .limit = logs_number(call, "limit", 50)};
    if (!logs_ask(call, &session, buf_string(&sql), NULL, add_stream, &streams)) {
        json_decref(streams.list);
        return NULL;
    }
    json_t *answer = json_pack("{s:o}", "logStreams", streams.list);
    if (streams.next[0])
        (void)json_object_set_new(answer, "nextToken", json_string(streams.next));
    return answer;
}
