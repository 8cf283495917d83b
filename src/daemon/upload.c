/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/upload.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ec2.h"
#include "aws/object.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

#define UPLOADS_MAX 8
#define UPLOAD_MS 8000
#define UPLOAD_PATIENCE_NS (10 * NS_PER_S) /* then it is cancelled, which takes a second */
#define URL_MAX 8192

struct upload {
    struct upload *next;
    pthread_t thread;
    struct http_ticket *ticket;
    uint64_t since_ns;
    json_t *asked;
    struct aws_client *client;
    atomic_bool cancelled;
    atomic_bool done;
    int result;
    struct buf url;
    struct aws_error error;
    struct fault fault;
};

static const char *asked_text(const struct upload *upload, const char *name)
{
    return json_string_value(json_object_get(upload->asked, name));
}

static void *put(void *context)
{
    struct upload *upload = context;
    const char *text = asked_text(upload, "text");
    const struct aws_object object = {.key = asked_text(upload, "key"),
                                      .content_type = "application/json",
                                      .data = text,
                                      .len = strlen(text)};
    upload->result = aws_object_put(upload->client, &object, UPLOAD_MS, &upload->cancelled, &upload->url,
                                    &upload->error, &upload->fault);
    atomic_store(&upload->done, true);
    return NULL;
}

static void upload_free(struct upload *upload)
{
    aws_object_close(upload->client);
    json_decref(upload->asked);
    buf_done(&upload->url);
    free(upload);
}

static const struct flow_log *find_flow_log(const struct config *config, const char *id)
{
    for (size_t i = 0; i < config->flow_log_count; i++)
        if (strcmp(config->flow_logs[i].id, id) == 0)
            return &config->flow_logs[i];
    return NULL;
}

/* Speaks to S3 as the flow log itself does, but to the bucket asked for. */
static int open_client(const struct daemon *daemon, struct upload *upload)
{
    const struct flow_log *flow_log = find_flow_log(&daemon->config, asked_text(upload, "flowLogId"));
    if (!flow_log)
        return -ENOENT;
    struct aws_settings settings = flow_log_destination(&daemon->config, flow_log, 0).aws;
    settings.bucket = asked_text(upload, "bucket");
    return aws_object_open(&upload->client, &settings, NULL);
}

static size_t count(const struct upload *upload)
{
    size_t count = 0;
    for (; upload; upload = upload->next)
        count++;
    return count;
}

bool upload_begin(struct daemon *daemon, const struct http_request *request, const json_t *asked)
{
    struct upload *upload = count(daemon->uploads) < UPLOADS_MAX ? calloc(1, sizeof *upload) : NULL;
    if (!upload)
        return false;
    upload->asked = json_deep_copy(asked);
    upload->url = BUF_INIT(URL_MAX);
    upload->since_ns = clock_monotonic_ns();
    if (!upload->asked || open_client(daemon, upload) < 0 ||
        pthread_create(&upload->thread, NULL, put, upload) != 0) {
        upload_free(upload);
        return false;
    }
    upload->ticket = http_defer(request);
    upload->next = daemon->uploads;
    daemon->uploads = upload;
    return true;
}

/* What S3 itself says is an error of the request; that it cannot be asked is none, as the text is here. */
static unsigned make_answer(struct upload *upload, struct buf *ret)
{
    static const struct {
        enum aws_error_class class;
        const char *code;
    } refusals[] = {{AWS_ERROR_MISSING, "LogDestinationNotFound"},
                    {AWS_ERROR_ACCESS, "LogDestinationPermissionIssue"}};
    struct ec2_error error = {.status = 400};
    const char *action = asked_text(upload, "action");
    if (upload->result == 0)
        return ec2_answer_result(action, buf_string(&upload->url), ret);
    for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
        if (upload->error.class == refusals[i].class)
            (void)snprintf(error.code, sizeof error.code, "%s", refusals[i].code);
    if (error.code[0]) {
        (void)snprintf(error.message, sizeof error.message, "LogDestination: %s: %.800s",
                       asked_text(upload, "bucket"), upload->fault.text);
        return ec2_refuse(&error, ret);
    }
    log_warning("api", "s3://%s/%s was not written, so the answer has the text itself: %s",
                asked_text(upload, "bucket"), asked_text(upload, "key"), upload->fault.text);
    return ec2_answer_result(action, asked_text(upload, "text"), ret);
}

static void answer(struct upload *upload)
{
    struct http_answer answer = {.content_type = EC2_CONTENT_TYPE, .body = BUF_INIT(HTTP_ANSWER_MAX)};
    answer.status = make_answer(upload, &answer.body);
    http_resume(upload->ticket, &answer);
}

void uploads_reap(struct daemon *daemon)
{
    struct upload **at = &daemon->uploads;
    while (*at) {
        struct upload *upload = *at;
        if (clock_monotonic_ns() - upload->since_ns > UPLOAD_PATIENCE_NS)
            atomic_store(&upload->cancelled, true);
        if (!atomic_load(&upload->done)) {
            at = &upload->next;
            continue;
        }
        *at = upload->next;
        (void)pthread_join(upload->thread, NULL);
        answer(upload);
        upload_free(upload);
    }
}

void uploads_close(struct daemon *daemon)
{
    for (struct upload *upload = daemon->uploads; upload; upload = upload->next)
        atomic_store(&upload->cancelled, true);
    while (daemon->uploads) {
        struct upload *upload = daemon->uploads;
        daemon->uploads = upload->next;
        (void)pthread_join(upload->thread, NULL);
        answer(upload);
        upload_free(upload);
    }
}
