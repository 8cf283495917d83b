/* SPDX-License-Identifier: Apache-2.0 */
#include "api/logs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/logs_actions.h"
#include "base/words.h"

#define NUMBER_MAX 9007199254740991 /* that JSON's readers agree on: 2^53 - 1 */

enum member_type { MEMBER_TEXT, MEMBER_NUMBER, MEMBER_BOOL, MEMBER_TEXTS };

struct member {
    const char *name; /* NULL ends a table */
    enum member_type type;
    bool required;
    int64_t min, max;  /* of a number, of the characters of a text, of the texts of a list; max 0: no bound */
    const char *words; /* "A|B": nothing else */
};

#define GROUP                                                                                                \
    {"logGroupName", MEMBER_TEXT, .min = 1, .max = 512},                                                     \
    {                                                                                                        \
        "logGroupIdentifier", MEMBER_TEXT, .min = 1, .max = 2048                                             \
    }
#define TIMES                                                                                                \
    {"startTime", MEMBER_NUMBER, .max = NUMBER_MAX},                                                         \
    {                                                                                                        \
        "endTime", MEMBER_NUMBER, .max = NUMBER_MAX                                                          \
    }
#define NEXT                                                                                                 \
    {                                                                                                        \
        "nextToken", MEMBER_TEXT, .min = 1, .max = 2048                                                      \
    }

static const struct member describe_log_groups_members[] = {
    {"logGroupNamePrefix", MEMBER_TEXT, .min = 1, .max = 512},
    {"logGroupNamePattern", MEMBER_TEXT, .max = 512},
    {"logGroupIdentifiers", MEMBER_TEXTS, .min = 1, .max = 50},
    {"accountIdentifiers", MEMBER_TEXTS, .max = 20},
    {"includeLinkedAccounts", MEMBER_BOOL},
    {"logGroupClass", MEMBER_TEXT, .words = "STANDARD|INFREQUENT_ACCESS|DELIVERY"},
    {"limit", MEMBER_NUMBER, .min = 1, .max = 50},
    NEXT,
    {NULL}};

static const struct member describe_log_streams_members[] = {
    GROUP,
    {"logStreamNamePrefix", MEMBER_TEXT, .min = 1, .max = 512},
    {"orderBy", MEMBER_TEXT, .words = "LogStreamName|LastEventTime"},
    {"descending", MEMBER_BOOL},
    {"limit", MEMBER_NUMBER, .min = 1, .max = 50},
    NEXT,
    {NULL}};

static const struct member get_log_events_members[] = {
    GROUP,
    {"logStreamName", MEMBER_TEXT, .required = true, .min = 1, .max = 512},
    TIMES,
    {"limit", MEMBER_NUMBER, .min = 1, .max = 10000},
    {"startFromHead", MEMBER_BOOL},
    {"unmask", MEMBER_BOOL},
    NEXT,
    {NULL}};

static const struct member filter_log_events_members[] = {
    GROUP,
    {"logStreamNames", MEMBER_TEXTS, .min = 1, .max = 100},
    {"logStreamNamePrefix", MEMBER_TEXT, .min = 1, .max = 512},
    TIMES,
    {"filterPattern", MEMBER_TEXT, .max = 1024},
    {"limit", MEMBER_NUMBER, .min = 1, .max = 10000},
    {"startFromHead", MEMBER_BOOL},
    {"interleaved", MEMBER_BOOL},
    {"unmask", MEMBER_BOOL},
    NEXT,
    {NULL}};

static const struct member get_log_record_members[] = {
    {"logRecordPointer", MEMBER_TEXT, .required = true, .min = 1, .max = 512},
    {"unmask", MEMBER_BOOL},
    {NULL}};

static const struct member start_query_members[] = {
    {"logGroupName", MEMBER_TEXT, .min = 1, .max = 512},
    {"logGroupNames", MEMBER_TEXTS, .max = 50},
    {"logGroupIdentifiers", MEMBER_TEXTS, .max = 50},
    {"startTime", MEMBER_NUMBER, .required = true, .max = NUMBER_MAX},
    {"endTime", MEMBER_NUMBER, .required = true, .max = NUMBER_MAX},
    {"queryString", MEMBER_TEXT, .required = true, .max = 10000},
    {"queryLanguage", MEMBER_TEXT, .words = "CWLI|SQL|PPL"},
    {"limit", MEMBER_NUMBER, .min = 1, .max = 100000},
    {NULL}};

static const struct member get_query_results_members[] = {
    {"queryId", MEMBER_TEXT, .required = true, .max = 256},
    {"maxItems", MEMBER_NUMBER, .min = 1, .max = 10000},
    NEXT,
    {NULL}};

static const struct member stop_query_members[] = {{"queryId", MEMBER_TEXT, .required = true, .max = 256},
                                                   {NULL}};

static const struct member describe_queries_members[] = {
    {"logGroupName", MEMBER_TEXT, .min = 1, .max = 512},
    {"status", MEMBER_TEXT, .words = "Scheduled|Running|Complete|Failed|Cancelled|Timeout|Unknown"},
    {"queryLanguage", MEMBER_TEXT, .words = "CWLI|SQL|PPL"},
    {"maxResults", MEMBER_NUMBER, .min = 1, .max = 1000},
    NEXT,
    {NULL}};

static const struct action {
    const char *name;
    const struct member *members;
    logs_handler *handle;
} actions[] = {
    {"DescribeLogGroups", describe_log_groups_members, logs_describe_log_groups},
    {"DescribeLogStreams", describe_log_streams_members, logs_describe_log_streams},
    {"GetLogEvents", get_log_events_members, logs_get_log_events},
    {"FilterLogEvents", filter_log_events_members, logs_filter_log_events},
    {"GetLogRecord", get_log_record_members, logs_get_log_record},
    {"StartQuery", start_query_members, logs_start_query},
    {"GetQueryResults", get_query_results_members, logs_get_query_results},
    {"StopQuery", stop_query_members, logs_stop_query},
    {"DescribeQueries", describe_queries_members, logs_describe_queries},
};

int logs_host_copy(struct logs_host *ret, const struct logs_host *host)
{
    *ret = (struct logs_host){.store = strdup(host->store),
                              .group = strdup(host->group),
                              .account = strdup(host->account),
                              .region = strdup(host->region)};
    return ret->store && ret->group && ret->account && ret->region ? 0 : -ENOMEM;
}

void logs_host_done(struct logs_host *host)
{
    free((char *)host->store);
    free((char *)host->group);
    free((char *)host->account);
    free((char *)host->region);
}

json_t *logs_fail(struct logs_call *call, const char *type, const char *format, ...)
{
    va_list arguments;
    call->status = 400;
    (void)snprintf(call->type, sizeof call->type, "%s", type);
    va_start(arguments, format);
    (void)vsnprintf(call->message, sizeof call->message, format, arguments);
    va_end(arguments);
    return NULL;
}

json_t *logs_fail_unavailable(struct logs_call *call, const struct fault *fault)
{
    (void)logs_fail(call, "ServiceUnavailableException", "%s", fault->text);
    call->status = 500;
    return NULL;
}

const char *logs_text(const struct logs_call *call, const char *name)
{
    return json_string_value(json_object_get(call->input, name));
}

int64_t logs_number(const struct logs_call *call, const char *name, int64_t otherwise)
{
    const json_t *member = json_object_get(call->input, name);
    return json_is_integer(member) ? json_integer_value(member) : otherwise;
}

bool logs_flag(const struct logs_call *call, const char *name, bool otherwise)
{
    const json_t *member = json_object_get(call->input, name);
    return json_is_boolean(member) ? json_is_true(member) : otherwise;
}

static bool has_type(const struct member *member, const json_t *value)
{
    size_t i;
    const json_t *text;
    switch (member->type) {
    case MEMBER_TEXT:
        return json_is_string(value);
    case MEMBER_NUMBER:
        return json_is_integer(value);
    case MEMBER_BOOL:
        return json_is_boolean(value);
    case MEMBER_TEXTS:
        break;
    }
    json_array_foreach((json_t *)value, i, text) if (!json_is_string(text)) return false;
    return json_is_array(value);
}

static int64_t measure(const struct member *member, const json_t *value)
{
    return member->type == MEMBER_TEXT     ? (int64_t)json_string_length(value)
           : member->type == MEMBER_NUMBER ? json_integer_value(value)
           : member->type == MEMBER_TEXTS  ? (int64_t)json_array_size(value)
                                           : 0;
}

static bool check_bounds(struct logs_call *call, const struct member *member, const json_t *value)
{
    int64_t measured = measure(member, value);
    bool too_small = measured < member->min;
    const char *what = member->type == MEMBER_NUMBER ? "value" : "length";
    if (!too_small && (!member->max || measured <= member->max))
        return true;
    logs_fail(call, "InvalidParameterException",
              "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have %s "
              "%s than or equal to %lld",
              member->name, what, too_small ? "greater" : "less",
              (long long)(too_small ? member->min : member->max));
    return false;
}

static bool check_member(struct logs_call *call, const struct member *member)
{
    const json_t *value = json_object_get(call->input, member->name);
    if (!value || json_is_null(value)) {
        if (member->required)
            logs_fail(call, "InvalidParameterException",
                      "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member "
                      "must not be null",
                      member->name);
        return !member->required;
    }
    if (!has_type(member, value)) {
        logs_fail(call, "SerializationException", "'%s' is of the wrong type", member->name);
        return false;
    }
    if (member->words && words_find(member->words, json_string_value(value), json_string_length(value)) < 0) {
        logs_fail(call, "InvalidParameterException",
                  "1 validation error detected: Value '%.200s' at '%s' failed to satisfy constraint: Member "
                  "must satisfy enum value set: [%s]",
                  json_string_value(value), member->name, member->words);
        return false;
    }
    return check_bounds(call, member, value);
}

static json_t *handle(struct logs_call *call, const struct action *action)
{
    for (const struct member *member = action->members; member->name; member++)
        if (!check_member(call, member))
            return NULL;
    return action->handle(call);
}

static const struct action *find_action(const char *target)
{
    size_t prefix = strlen(LOGS_TARGET_PREFIX);
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (strncmp(target, LOGS_TARGET_PREFIX, prefix) == 0 && strcmp(target + prefix, actions[i].name) == 0)
            return &actions[i];
    return NULL;
}

static int append(const char *text, size_t len, void *to)
{
    buf_append(to, text, len);
    return ((struct buf *)to)->failed ? -1 : 0;
}

/* Takes over the object. */
static unsigned put(json_t *answer, unsigned status, struct buf *ret)
{
    bool put = answer && json_dump_callback(answer, append, ret, JSON_COMPACT) == 0;
    json_decref(answer);
    if (put)
        return status;
    buf_clear(ret);
    buf_text(ret, "{\"__type\":\"ServiceUnavailableException\",\"message\":\"out of memory\"}");
    return 500;
}

static unsigned put_error(const struct logs_call *call, struct buf *ret)
{
    json_t *error = json_pack("{s:s, s:s}", "__type", call->type, "message", call->message);
    if (error && call->details)
        (void)json_object_update_missing(error, call->details);
    return put(error, call->status, ret);
}

unsigned logs_refuse(const char *type, const char *message, struct buf *ret)
{
    struct logs_call call = {.status = 0};
    logs_fail(&call, type, "%s", message);
    return put_error(&call, ret);
}

unsigned logs_answer(const struct logs_host *host, const char *target, const char *body, size_t body_len,
                     struct buf *ret)
{
    struct logs_call call = {.host = host};
    const struct action *action = find_action(target);
    json_error_t error;
    json_t *input =
        json_loadb(body_len ? body : "{}", body_len ? body_len : 2, JSON_REJECT_DUPLICATES, &error);
    json_t *answer = NULL;
    call.input = input;
    if (!action)
        logs_fail(&call, "UnknownOperationException", "there is no action %.200s that reads", target);
    else if (!json_is_object(input))
        logs_fail(&call, "SerializationException", "the body is no JSON object%s%s", input ? "" : ": ",
                  input ? "" : error.text);
    else
        answer = handle(&call, action);
    unsigned status = call.status || !answer ? 0 : put(answer, 200, ret);
    if (!status && !call.status)
        logs_fail_unavailable(&call, &(struct fault){.text = "out of memory"});
    if (!status)
        status = put_error(&call, ret);
    json_decref(call.details);
    json_decref(input);
    return status;
}
