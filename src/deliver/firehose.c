/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "deliver/driver.h"
#include "deliver/marks.h"
#include "deliver/service.h"
#include "record/json.h"

/* Limits of PutRecordBatch (delivery.md 3.3), before base64. */
#define CALL_RECORDS_MAX 500
#define CALL_BYTES_MAX (4UL << 20)
#define RECORD_BYTES_MAX 1024000UL

#define BODY_MAX (8UL << 20) /* base64 makes 4 bytes of 3 */
#define REFUSED_AS "InvalidArgumentException"
#define PARTIAL_PAUSE_NS (500 * NS_PER_MS) /* after a call that was taken in part */

struct firehose {
    struct aws_client *client;
    char *stream;
    enum framing framing;
    struct marks marks;
    size_t piece[CALL_RECORDS_MAX]; /* lines of one call */
    struct buf data;                /* of one record */
    struct buf body;
    struct fault refusal; /* about the record that was refused last */
};

static void firehose_close(void *state)
{
    struct firehose *firehose = state;
    aws_client_free(firehose->client);
    marks_done(&firehose->marks);
    buf_done(&firehose->data);
    buf_done(&firehose->body);
    free(firehose->stream);
    free(firehose);
}

static int firehose_open(void **ret, const struct destination_settings *settings, struct fault *fault)
{
    struct firehose *firehose = calloc(1, sizeof *firehose);
    if (!firehose)
        return fault_set(fault, -ENOMEM, "out of memory");
    firehose->framing = settings->framing;
    firehose->data = BUF_INIT(CALL_BYTES_MAX);
    firehose->body = BUF_INIT(BODY_MAX);
    firehose->stream = strdup(settings->target);
    int r = firehose->stream ? aws_client_new(&firehose->client, &settings->aws, fault)
                             : fault_set(fault, -ENOMEM, "out of memory");
    if (r < 0) {
        firehose_close(firehose);
        return r;
    }
    *ret = firehose;
    return 0;
}

/* delivery.md 3.1 */
static void frame(struct firehose *firehose, const struct batch_line *line)
{
    struct buf *data = &firehose->data;
    buf_clear(data);
    if (firehose->framing == FRAMING_JSON_MESSAGE) {
        buf_text(data, "{\"message\":");
        json_write_string(data, line->text, line->len);
        buf_char(data, '}');
        return;
    }
    buf_append(data, line->text, line->len);
    if (firehose->framing == FRAMING_NEWLINE)
        buf_char(data, '\n');
}

static void print_record(struct firehose *firehose, size_t count)
{
    struct buf *body = &firehose->body;
    const struct buf *data = &firehose->data;
    buf_text(body, count ? ",{\"Data\":\"" : "{\"Data\":\"");
    size_t len = BASE64_ENCODE_RAW_LENGTH(data->len);
    char *room = buf_reserve(body, len);
    if (room) {
        base64_encode_raw(room, data->len, (const uint8_t *)data->data);
        body->len += len;
    }
    buf_text(body, "\"}");
}

/* The body of the next call from line *next on, which moves on. Returns how many lines it holds. */
static size_t gather(struct firehose *firehose, const struct batch *batch, size_t *next)
{
    size_t count = 0, bytes = 0;
    buf_clear(&firehose->body);
    buf_text(&firehose->body, "{\"DeliveryStreamName\":");
    json_write_string(&firehose->body, firehose->stream, strlen(firehose->stream));
    buf_text(&firehose->body, ",\"Records\":[");
    for (; (*next = marks_next(&firehose->marks, *next, LINE_DUE)) < batch->line_count; (*next)++) {
        frame(firehose, &batch->lines[*next]);
        if (firehose->data.failed || firehose->data.len > RECORD_BYTES_MAX) {
            marks_refuse(&firehose->marks, *next, REFUSAL_TOO_LARGE);
            (void)fault_set(&firehose->refusal, 0, "firehose %s: a record is larger than the service takes",
                            firehose->stream);
            continue;
        }
        if (count == CALL_RECORDS_MAX || count == firehose->marks.most ||
            bytes + firehose->data.len > CALL_BYTES_MAX)
            break;
        print_record(firehose, count);
        bytes += firehose->data.len;
        firehose->piece[count++] = *next;
    }
    buf_text(&firehose->body, "]}");
    return count;
}

/* Each record has an answer of its own. Returns the first failure, or NULL. */
static const json_t *mark_piece(struct firehose *firehose, const json_t *responses)
{
    const json_t *failure = NULL, *response;
    size_t i;
    json_array_foreach(responses, i, response)
    {
        if (json_is_string(json_object_get(response, "RecordId")))
            marks_set(&firehose->marks, firehose->piece[i], LINE_DELIVERED);
        else if (!failure)
            failure = response;
    }
    return failure;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* Some records were not taken: most often because the stream's rate is reached. */
static void tell_failure(struct firehose *firehose, const json_t *failure, uint64_t delivered,
                         struct outcome *ret)
{
    const char *code = text_of(failure, "ErrorCode");
    bool slow = strcmp(code, "ServiceUnavailableException") == 0;
    ret->kind = OUTCOME_RETRY;
    ret->word = slow ? ERROR_RATE_LIMITED : ERROR_UNKNOWN;
    if (firehose->marks.with[LINE_DELIVERED] > delivered)
        ret->not_before_ns = clock_wall_ns() + PARTIAL_PAUSE_NS;
    (void)fault_set(&ret->fault, 0, "firehose %s: records not taken: %s: %s", firehose->stream, code,
                    text_of(failure, "ErrorMessage"));
}

/* 0 when the call had its answer. Whether all of it was taken, *ret_failed tells. */
static int send_piece(struct firehose *firehose, size_t count, uint64_t delivered,
                      const atomic_bool *cancelled, bool *ret_failed, struct aws_error *error,
                      struct outcome *ret)
{
    static const char target[] = "Firehose_20150804.PutRecordBatch";
    json_t *answer = NULL;
    int r = service_call(firehose->client, target, &firehose->body, cancelled, &answer, error, &ret->fault);
    if (r < 0)
        return r;
    const json_t *responses = json_object_get(answer, "RequestResponses");
    if (json_array_size(responses) != count) {
        error->class = AWS_ERROR_SERVER;
        r = fault_set(&ret->fault, -EBADMSG, "%s: the answer tells of %zu records, %zu were sent", target,
                      json_array_size(responses), count);
    } else {
        const json_t *failure = mark_piece(firehose, responses);
        *ret_failed = failure != NULL;
        if (failure)
            tell_failure(firehose, failure, delivered, ret);
    }
    json_decref(answer);
    return r;
}

static int prepare(struct firehose *firehose, const struct batch *batch)
{
    if (marks_are_of(&firehose->marks, batch))
        return 0;
    firehose->refusal.text[0] = '\0';
    return marks_begin(&firehose->marks, batch);
}

/* One call after the other, until all lines have an answer or some were not taken, which *ret_failed tells.
 */
static int send_due(struct firehose *firehose, const struct batch *batch, const atomic_bool *cancelled,
                    bool *ret_failed, struct aws_error *error, struct outcome *ret)
{
    struct marks *marks = &firehose->marks;
    uint64_t delivered = marks->with[LINE_DELIVERED];
    size_t next = 0, from = 0, count;
    int r = 0;
    marks_begin_attempt(marks);
    while (r == 0 && !*ret_failed && (count = gather(firehose, batch, &next)) > 0) {
        r = send_piece(firehose, count, delivered, cancelled, ret_failed, error, ret);
        if (r == 0) {
            marks_call_taken(marks);
            from = next;
        } else if (service_refuses(error, REFUSED_AS)) {
            if (count == 1)
                firehose->refusal = ret->fault;
            if (marks_call_refused(marks, firehose->piece, count))
                r = 0;
            next = from;
        }
    }
    return marks_end_attempt(marks) || r < 0 ? r : -EBADMSG;
}

static void firehose_send(void *state, const struct batch *batch, uint64_t *progress,
                          const atomic_bool *cancelled, struct outcome *ret)
{
    struct firehose *firehose = state;
    struct aws_error error = {0};
    ret->kind = OUTCOME_RETRY;
    ret->word = ERROR_UNKNOWN;
    int r = prepare(firehose, batch);
    if (r < 0) {
        (void)fault_set(&ret->fault, r, "out of memory");
        return;
    }
    bool failed = false;
    r = send_due(firehose, batch, cancelled, &failed, &error, ret);
    *progress = firehose->marks.with[LINE_DELIVERED];
    if (r < 0)
        service_tell_error(&error, ret);
    else if (!failed)
        marks_tell_outcome(&firehose->marks, batch, &firehose->refusal, ret);
}

const struct delivery_driver deliver_firehose_driver = {
    .backoff_max_s = 300,
    .open = firehose_open,
    .close = firehose_close,
    .send = firehose_send,
};
