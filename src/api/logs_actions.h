/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the actions of the CloudWatch Logs API share. */

#include <stdint.h>

#include "api/logs.h"
#include "base/fault.h"
#include "store/flow_session.h"

struct logs_call {
    const struct logs_host *host;
    const json_t *input; /* an object whose members are as the action's table says */
    unsigned status;     /* not 0: it failed so */
    char type[64];
    char message[1024];
    json_t *details; /* further members of the error; owned; NULL for none */
};

/* Returns the answer, a new object; or NULL after logs_fail(). */
typedef json_t *logs_handler(struct logs_call *call);

/* Return NULL, so that handlers can `return logs_fail(…)`. */
json_t *logs_fail(struct logs_call *call, const char *type, const char *format, ...) PRINTF_LIKE(3, 4);
json_t *logs_fail_unavailable(struct logs_call *call, const struct fault *fault);

/* A member, or what stands for one that is not there. */
const char *logs_text(const struct logs_call *call, const char *name); /* NULL */
int64_t logs_number(const struct logs_call *call, const char *name, int64_t otherwise);
bool logs_flag(const struct logs_call *call, const char *name, bool otherwise);

/* Whether logGroupName or logGroupIdentifier, just one of them, is the store's; else the call has failed. */
bool logs_is_group(struct logs_call *call);
bool logs_is_group_name(const struct logs_host *host, const char *name_or_arn);

/* arn:aws:logs:REGION:ACCOUNT:log-group:NAME; rest is what comes behind. A new text. */
json_t *logs_arn(const struct logs_host *host, const char *rest);

/* The store, read. */
struct logs_session {
    struct sources *sources;
    struct flow_session *flow;
};

/* Its files alone, which no question can be asked of. */
bool logs_open_files(struct logs_call *call, struct logs_session *ret) MUST_USE;

/* Records that can have begun in since_s..until_s. False after logs_fail(). */
bool logs_open(struct logs_call *call, uint64_t since_s, uint64_t until_s, struct logs_session *ret) MUST_USE;
void logs_close(struct logs_session *session);
#define AUTO_LOGS_SESSION CLEANUP(logs_close)

/* Columns of every row as texts, NULL for what is null; false ends the visit. */
typedef bool logs_visitor(void *context, const char *const *texts, size_t count);

/* A number of at least 0; what is none, or NULL, is 0. */
int64_t logs_whole(const char *text);

/* `names`, unless it is NULL, gets those of the columns before the first row. False after logs_fail(). */
bool logs_ask(struct logs_call *call, struct logs_session *session, const char *sql, logs_visitor *names,
              logs_visitor *visit, void *context) MUST_USE;

/* A visitor of one row with one column; `context` is a uint64_t. */
bool logs_take_number(void *context, const char *const *texts, size_t count);

/* Bytes of the files that are read. */
uint64_t logs_bytes(const struct logs_session *session);

json_t *logs_describe_log_groups(struct logs_call *call);
json_t *logs_describe_log_streams(struct logs_call *call);
json_t *logs_get_log_events(struct logs_call *call);
json_t *logs_filter_log_events(struct logs_call *call);
json_t *logs_get_log_record(struct logs_call *call);
json_t *logs_start_query(struct logs_call *call);
json_t *logs_get_query_results(struct logs_call *call);
json_t *logs_stop_query(struct logs_call *call);
json_t *logs_describe_queries(struct logs_call *call);
