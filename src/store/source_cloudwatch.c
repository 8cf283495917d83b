/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/macro.h"
#include "deliver/service.h"
#include "record/json.h"
#include "store/source_list.h"

#define TARGET "Logs_20140328.FilterLogEvents"
#define PAGE_EVENTS 5000       /* the service gives a page of at most 10 000 events and 1 MiB */
#define RECORD_SECONDS_MAX 600 /* so long before its end a record may start; an event's time is the start */
#define TRIES 5
#define BODY_MAX 65536
#define TEXT_MAX (64UL << 20)

static void add_text(struct buf *body, const char *before, const char *text)
{
    buf_text(body, before);
    json_write_string(body, text, strlen(text));
}

static void write_request(struct buf *body, const struct sources_options *options, const char *group,
                          const char *next)
{
    bool is_arn = strncmp(group, "arn:", 4) == 0;
    buf_printf(body, "{\"limit\":%d", PAGE_EVENTS);
    add_text(body, is_arn ? ",\"logGroupIdentifier\":" : ",\"logGroupName\":", group);
    if (options->since_s > RECORD_SECONDS_MAX)
        buf_printf(body, ",\"startTime\":%llu",
                   (unsigned long long)(options->since_s - RECORD_SECONDS_MAX) * 1000);
    if (options->until_s < INT64_MAX / 1000 - 1)
        buf_printf(body, ",\"endTime\":%llu", (unsigned long long)options->until_s * 1000 + 999);
    if (next)
        add_text(body, ",\"nextToken\":", next);
    buf_char(body, '}');
}

/* The messages as lines. */
static int keep_events(const json_t *answer, int fd, struct fault *fault)
{
    AUTO_BUF struct buf lines = BUF_INIT(TEXT_MAX);
    size_t i;
    json_t *event;
    json_array_foreach(json_object_get(answer, "events"), i, event)
    {
        const json_t *message = json_object_get(event, "message");
        buf_append(&lines, json_string_value(message), json_string_length(message));
        buf_char(&lines, '\n');
    }
    int r = lines.failed ? -ENOMEM : file_write_all(fd, lines.data, lines.len);
    return r < 0 ? fault_set(fault, r, "cannot be kept in a temporary file: %s", strerror(-r)) : 0;
}

static int fetch_page(struct sources *sources, struct aws_client *client, const struct buf *body,
                      json_t **ret, struct fault *fault)
{
    struct aws_error error = {0};
    int r = 0;
    for (unsigned attempt = 0; attempt < TRIES; attempt++) {
        const struct timespec pause = {.tv_nsec = (long)(attempt * 200 * NS_PER_MS)};
        (void)nanosleep(&pause, NULL);
        r = service_call(client, TARGET, body, NULL, ret, &error, fault);
        if (r == 0 || (error.class != AWS_ERROR_NETWORK && error.class != AWS_ERROR_THROTTLED &&
                       error.class != AWS_ERROR_SERVER))
            break;
    }
    if (r < 0)
        sources->unreachable |= error.class == AWS_ERROR_NETWORK || error.class == AWS_ERROR_CREDENTIALS;
    return r;
}

/* Page by page into the file. */
static int fetch_events(struct sources *sources, struct aws_client *client, const char *group, int fd,
                        struct fault *fault)
{
    const struct sources_options *options = sources->options;
    AUTO_FREE char *next = NULL;
    do {
        AUTO_BUF struct buf body = BUF_INIT(BODY_MAX);
        json_t *answer = NULL;
        write_request(&body, options, group, next);
        int r = fetch_page(sources, client, &body, &answer, fault);
        if (r == 0)
            r = keep_events(answer, fd, fault);
        const char *token = json_string_value(json_object_get(answer, "nextToken"));
        free(next);
        next = token ? strdup(token) : NULL;
        json_decref(answer);
        if (r < 0)
            return r;
        if (options->fetched)
            options->fetched(options->userdata, (uint64_t)lseek(fd, 0, SEEK_CUR), 0);
    } while (next);
    return 0;
}

int sources_add_log_group(struct sources *sources, const char *group, struct fault *fault)
{
    const struct aws_settings settings = {
        .service = "logs", .region = sources->options->region, .endpoint = sources->options->endpoint};
    AUTO_AWS_CLIENT struct aws_client *client = NULL;
    AUTO_BUF struct buf name = BUF_INIT(4096);
    struct fault said;
    buf_printf(&name, "cloudwatch:%s", group);
    if (!group[0])
        return fault_set(fault, -EINVAL, "cloudwatch:LOG-GROUP: the log group is missing");
    AUTO_CLOSE int fd = sources_temporary(&said);
    int r = fd < 0 ? fd : aws_client_new(&client, &settings, &said);
    if (r == 0)
        r = fetch_events(sources, client, group, fd, &said);
    if (r < 0) {
        fault_prefix(&said, "%s", buf_string(&name));
        sources_tell(sources, &said);
        return 0;
    }
    return sources_add(sources, buf_string(&name), TAKE_FD(fd), fault);
}
