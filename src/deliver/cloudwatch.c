/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "deliver/driver.h"
#include "deliver/marks.h"
#include "deliver/service.h"
#include "record/json.h"

/* Limits of PutLogEvents (delivery.md 1.2). */
#define CALL_BYTES_MAX 1048576UL
#define EVENT_OVERHEAD 26UL
#define CALL_EVENTS_MAX 10000
#define CALL_SPAN_S 86400UL

#define BODY_MAX (16UL << 20) /* every byte of the messages escaped, and 64 bytes around each */
#define REFUSED_AS "InvalidParameterException"

struct cloudwatch {
    struct aws_client *client;
    char *group;
    char *suffix; /* of stream names */
    struct marks marks;
    size_t *order;                 /* lines of the batch by interface and start, owned */
    size_t piece[CALL_EVENTS_MAX]; /* lines of one call */
    struct buf body;
    struct fault refusal; /* about the events that were refused last */
};

static void cloudwatch_close(void *state)
{
    struct cloudwatch *cloudwatch = state;
    aws_client_free(cloudwatch->client);
    marks_done(&cloudwatch->marks);
    buf_done(&cloudwatch->body);
    free(cloudwatch->order);
    free(cloudwatch->group);
    free(cloudwatch->suffix);
    free(cloudwatch);
}

static int cloudwatch_open(void **ret, const struct destination_settings *settings, struct fault *fault)
{
    struct cloudwatch *cloudwatch = calloc(1, sizeof *cloudwatch);
    if (!cloudwatch)
        return fault_set(fault, -ENOMEM, "out of memory");
    cloudwatch->suffix = strdup(settings->stream_suffix);
    cloudwatch->body = BUF_INIT(BODY_MAX);
    cloudwatch->group = strdup(settings->target);
    int r = cloudwatch->group && cloudwatch->suffix
                ? aws_client_new(&cloudwatch->client, &settings->aws, fault)
                : fault_set(fault, -ENOMEM, "out of memory");
    if (r < 0) {
        cloudwatch_close(cloudwatch);
        return r;
    }
    *ret = cloudwatch;
    return 0;
}

static int compare_lines(const void *left, const void *right, void *opaque)
{
    const struct batch_line *lines = opaque;
    size_t i = *(const size_t *)left, j = *(const size_t *)right;
    const struct batch_line *a = &lines[i], *b = &lines[j];
    if (a->interface != b->interface)
        return a->interface < b->interface ? -1 : 1;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return i < j ? -1 : i > j;
}

static int prepare(struct cloudwatch *cloudwatch, const struct batch *batch)
{
    if (marks_are_of(&cloudwatch->marks, batch))
        return 0;
    size_t *order = reallocarray(cloudwatch->order, batch->line_count + 1, sizeof *order);
    if (!order)
        return -ENOMEM;
    for (size_t i = 0; i < batch->line_count; i++)
        order[i] = i;
    qsort_r(order, batch->line_count, sizeof *order, compare_lines, batch->lines);
    cloudwatch->order = order;
    cloudwatch->refusal.text[0] = '\0';
    return marks_begin(&cloudwatch->marks, batch);
}

static void refuse(struct cloudwatch *cloudwatch, const size_t *lines, size_t count, enum refusal why)
{
    static const char *const reasons[] = {
        [REFUSAL_TOO_NEW] = "newer than the service's clock allows",
        [REFUSAL_TOO_OLD] = "older than the service takes",
        [REFUSAL_EXPIRED] = "older than the group's retention",
        [REFUSAL_TOO_LARGE] = "larger than the service takes",
    };
    for (size_t i = 0; i < count; i++)
        marks_refuse(&cloudwatch->marks, lines[i], why);
    if (count > 0)
        (void)fault_set(&cloudwatch->refusal, 0, "log group %s: %zu events %s", cloudwatch->group, count,
                        reasons[why]);
}

/* Whether the line may go into the piece, whose first line and size are given. */
static bool fits(const struct batch_line *line, const struct batch_line *first, size_t count, size_t bytes)
{
    return count < CALL_EVENTS_MAX && bytes + line->len + EVENT_OVERHEAD <= CALL_BYTES_MAX &&
           line->interface == first->interface && line->start - first->start <= CALL_SPAN_S;
}

/* The lines of the next call, from order[*next] on, which moves on. 0 when none is left. */
static size_t gather(struct cloudwatch *cloudwatch, const struct batch *batch, size_t *next)
{
    size_t count = 0, bytes = 0;
    for (; *next < batch->line_count; (*next)++) {
        size_t index = cloudwatch->order[*next];
        const struct batch_line *line = &batch->lines[index];
        if (cloudwatch->marks.lines[index] != LINE_DUE)
            continue;
        if (line->len + EVENT_OVERHEAD > CALL_BYTES_MAX) {
            refuse(cloudwatch, &index, 1, REFUSAL_TOO_LARGE);
            continue;
        }
        if (count == cloudwatch->marks.most ||
            !fits(line, count ? &batch->lines[cloudwatch->piece[0]] : line, count, bytes))
            break;
        cloudwatch->piece[count++] = index;
        bytes += line->len + EVENT_OVERHEAD;
    }
    return count;
}

static void print_stream(struct cloudwatch *cloudwatch, const char *interface_id)
{
    struct buf *body = &cloudwatch->body;
    buf_clear(body);
    buf_text(body, "{\"logGroupName\":");
    json_write_string(body, cloudwatch->group, strlen(cloudwatch->group));
    if (interface_id)
        buf_printf(body, ",\"logStreamName\":\"%s-%s\"", interface_id, cloudwatch->suffix);
}

/* The service's answer always has a token (delivery.md 1.2); another's 200 confirms nothing. */
static int put_events(struct cloudwatch *cloudwatch, const struct batch *batch, const char *interface_id,
                      size_t count, const atomic_bool *cancelled, json_t **ret, struct aws_error *error,
                      struct fault *fault)
{
    static const char target[] = "Logs_20140328.PutLogEvents";
    struct buf *body = &cloudwatch->body;
    print_stream(cloudwatch, interface_id);
    for (size_t i = 0; i < count; i++) {
        const struct batch_line *line = &batch->lines[cloudwatch->piece[i]];
        buf_text(body, i ? ",{\"timestamp\":" : ",\"logEvents\":[{\"timestamp\":");
        buf_u64(body, line->start * 1000);
        buf_text(body, ",\"message\":");
        json_write_string(body, line->text, line->len);
        buf_char(body, '}');
    }
    buf_text(body, "]}");
    int r = service_call(cloudwatch->client, target, body, cancelled, ret, error, fault);
    if (r < 0 || json_string_length(json_object_get(*ret, "nextSequenceToken")) > 0)
        return r;
    json_decref(TAKE(*ret));
    return service_no_answer(error, target, "nextSequenceToken", fault);
}

static int create(struct cloudwatch *cloudwatch, const char *target, const char *interface_id,
                  const atomic_bool *cancelled, struct aws_error *error, struct fault *fault)
{
    print_stream(cloudwatch, interface_id);
    buf_char(&cloudwatch->body, '}');
    int r = service_call(cloudwatch->client, target, &cloudwatch->body, cancelled, NULL, error, fault);
    return r < 0 && error->class == AWS_ERROR_EXISTS ? 0 : r;
}

/* The stream, and the group when that is what is missing. */
static int create_stream(struct cloudwatch *cloudwatch, const char *interface_id,
                         const atomic_bool *cancelled, struct aws_error *error, struct fault *fault)
{
    static const char stream[] = "Logs_20140328.CreateLogStream";
    int r = create(cloudwatch, stream, interface_id, cancelled, error, fault);
    if (r == 0 || error->class != AWS_ERROR_MISSING)
        return r;
    r = create(cloudwatch, "Logs_20140328.CreateLogGroup", NULL, cancelled, error, fault);
    return r < 0 ? r : create(cloudwatch, stream, interface_id, cancelled, error, fault);
}

static void mark_piece(struct cloudwatch *cloudwatch, size_t count, const json_t *answer)
{
    struct rejected_events rejected;
    const size_t *piece = cloudwatch->piece;
    service_rejected_events(answer, count, &rejected);
    size_t first = rejected.first_end, taken = rejected.second_end, end = rejected.too_new;
    refuse(cloudwatch, piece, first, rejected.first);
    refuse(cloudwatch, piece + first, taken - first, rejected.second);
    refuse(cloudwatch, piece + end, count - end, REFUSAL_TOO_NEW);
    for (size_t i = taken; i < end; i++)
        marks_set(&cloudwatch->marks, piece[i], LINE_DELIVERED);
}

static int send_piece(struct cloudwatch *cloudwatch, const struct batch *batch, size_t count,
                      const atomic_bool *cancelled, struct aws_error *error, struct fault *fault)
{
    const struct batch_line *first = &batch->lines[cloudwatch->piece[0]];
    const char *interface_id = batch->head.interfaces[first->interface].identity.interface_id;
    json_t *answer = NULL;
    int r = put_events(cloudwatch, batch, interface_id, count, cancelled, &answer, error, fault);
    if (r < 0 && error->class == AWS_ERROR_MISSING) {
        r = create_stream(cloudwatch, interface_id, cancelled, error, fault);
        if (r == 0)
            r = put_events(cloudwatch, batch, interface_id, count, cancelled, &answer, error, fault);
    }
    if (r < 0)
        return r;
    mark_piece(cloudwatch, count, answer);
    json_decref(answer);
    return 0;
}

/* One call after the other, until all lines have an answer. */
static int send_due(struct cloudwatch *cloudwatch, const struct batch *batch, const atomic_bool *cancelled,
                    struct aws_error *error, struct fault *fault)
{
    struct marks *marks = &cloudwatch->marks;
    size_t next = 0, from = 0, count;
    int r = 0;
    marks_begin_attempt(marks);
    while (r == 0 && (count = gather(cloudwatch, batch, &next)) > 0) {
        r = send_piece(cloudwatch, batch, count, cancelled, error, fault);
        if (r == 0) {
            marks_call_taken(marks);
            from = next;
        } else if (service_refuses(error, REFUSED_AS)) {
            if (count == 1)
                cloudwatch->refusal = *fault;
            if (marks_call_refused(marks, cloudwatch->piece, count))
                r = 0;
            next = from;
        }
    }
    return marks_end_attempt(marks) || r < 0 ? r : -EBADMSG;
}

static void cloudwatch_send(void *state, const struct batch *batch, uint64_t *progress,
                            const atomic_bool *cancelled, struct outcome *ret)
{
    struct cloudwatch *cloudwatch = state;
    struct aws_error error = {0};
    ret->kind = OUTCOME_RETRY;
    ret->word = ERROR_UNKNOWN;
    int r = prepare(cloudwatch, batch);
    if (r < 0) {
        (void)fault_set(&ret->fault, r, "out of memory");
        return;
    }
    r = send_due(cloudwatch, batch, cancelled, &error, &ret->fault);
    *progress = cloudwatch->marks.with[LINE_DELIVERED];
    if (r < 0)
        service_tell_error(&error, ret);
    else
        marks_tell_outcome(&cloudwatch->marks, batch, &cloudwatch->refusal, ret);
}

const struct delivery_driver deliver_cloudwatch_driver = {
    .backoff_max_s = 300,
    .open = cloudwatch_open,
    .close = cloudwatch_close,
    .send = cloudwatch_send,
};
