/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/service.h"

#include <errno.h>
#include <string.h>

#define ANSWER_MAX (4UL << 20) /* Firehose tells of 500 records; some 100 bytes each */

int service_no_answer(struct aws_error *error, const char *target, const char *lacks, struct fault *fault)
{
    *error = (struct aws_error){.class = AWS_ERROR_SERVER, .status = error->status};
    return fault_set(fault, -EBADMSG, "%s: the answer is not the service's: no %s", target, lacks);
}

int service_call(struct aws_client *client, const char *target, const struct buf *body,
                 const atomic_bool *cancelled, json_t **ret, struct aws_error *error, struct fault *fault)
{
    if (body->failed)
        return fault_set(fault, -ENOMEM, "%s: out of memory", target);
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    int r = aws_client_call_json(client, target, body->data, body->len, cancelled, &answer, error, fault);
    if (r < 0 || !ret)
        return r;
    json_t *json = answer.body.len ? json_loadb(answer.body.data, answer.body.len, 0, NULL) : NULL;
    if (!json_is_object(json)) {
        json_decref(json);
        return service_no_answer(error, target, "JSON object", fault);
    }
    *ret = json;
    return 0;
}

size_t service_index(const json_t *object, const char *name, size_t count, size_t otherwise)
{
    const json_t *member = json_object_get(object, name);
    if (!json_is_integer(member) || json_integer_value(member) < 0)
        return otherwise;
    uint64_t index = (uint64_t)json_integer_value(member);
    return index < count ? (size_t)index : count;
}

void service_rejected_events(const json_t *answer, size_t count, struct rejected_events *ret)
{
    const json_t *info = json_object_get(answer, "rejectedLogEventsInfo");
    size_t expired = service_index(info, "expiredLogEventEndIndex", count, 0);
    size_t too_old = service_index(info, "tooOldLogEventEndIndex", count, 0);
    size_t too_new = service_index(info, "tooNewLogEventStartIndex", count, count);
    bool old_first = too_old < expired;
    ret->first = old_first ? REFUSAL_TOO_OLD : REFUSAL_EXPIRED;
    ret->second = old_first ? REFUSAL_EXPIRED : REFUSAL_TOO_OLD;
    ret->first_end = old_first ? too_old : expired;
    ret->second_end = old_first ? expired : too_old;
    ret->too_new = too_new > ret->second_end ? too_new : ret->second_end;
}

bool service_refuses(const struct aws_error *error, const char *code)
{
    return error->class == AWS_ERROR_REQUEST && strcmp(error->code, code) == 0;
}

void service_tell_error(const struct aws_error *error, struct outcome *ret)
{
    ret->kind = OUTCOME_RETRY;
    switch (error->class) {
    case AWS_ERROR_THROTTLED:
        ret->word = ERROR_RATE_LIMITED;
        break;
    case AWS_ERROR_CREDENTIALS:
    case AWS_ERROR_EXPIRED:
    case AWS_ERROR_SKEWED:
    case AWS_ERROR_ACCESS:
    case AWS_ERROR_MISSING:
    case AWS_ERROR_REDIRECTED:
        ret->word = ERROR_ACCESS;
        break;
    default:
        ret->word = ERROR_UNKNOWN;
    }
}
