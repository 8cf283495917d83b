/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
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

/* What becomes of a log group's events. */
struct kept {
    const struct sources_options *options;
    const char *group;
    int fd;
    struct source_identity *called; /* of each event in the file; owned */
    size_t count;
};

static void kept_done(struct kept *kept)
{
    cleanup_close(&kept->fd);
    free(kept->called);
}

static void mix_text(struct source_identity *identity, const json_t *text)
{
    source_identity_mix(identity, json_string_value(text), json_string_length(text));
}

/* Its id tells an event from all others; where there is none the message does. */
static struct source_identity identify(const struct kept *kept, const json_t *event)
{
    struct source_identity identity = {0};
    const json_t *id = json_object_get(event, "eventId");
    json_int_t time = json_integer_value(json_object_get(event, "timestamp"));
    source_identity_mix(&identity, kept->group, strlen(kept->group));
    source_identity_mix(&identity, &time, sizeof time);
    mix_text(&identity, json_object_get(event, "logStreamName"));
    mix_text(&identity, json_is_string(id) ? id : json_object_get(event, "message"));
    return identity;
}

/* True for an event that is wanted. -ENOMEM. */
static int note_event(struct kept *kept, const json_t *event, bool *ret_wanted)
{
    *ret_wanted = true;
    if (!kept->options->is_known)
        return 0;
    const struct source_identity identity = identify(kept, event);
    *ret_wanted = !kept->options->is_known(kept->options->userdata, &identity);
    if (!*ret_wanted)
        return 0;
    if ((kept->count & (kept->count + 1)) == 0) { /* room is one less than a power of two */
        struct source_identity *longer = reallocarray(kept->called, 2 * kept->count + 1, sizeof *longer);
        if (!longer)
            return -ENOMEM;
        kept->called = longer;
    }
    kept->called[kept->count++] = identity;
    return 0;
}

/* The messages as lines. */
static int keep_events(struct kept *kept, const json_t *answer, struct fault *fault)
{
    AUTO_BUF struct buf lines = BUF_INIT(TEXT_MAX);
    size_t i;
    json_t *event;
    json_array_foreach(json_object_get(answer, "events"), i, event)
    {
        const json_t *message = json_object_get(event, "message");
        bool wanted;
        if (note_event(kept, event, &wanted) < 0)
            return fault_set(fault, -ENOMEM, "out of memory");
        if (!wanted)
            continue;
        buf_append(&lines, json_string_value(message), json_string_length(message));
        buf_char(&lines, '\n');
    }
    int r = lines.failed ? -ENOMEM : file_write_all(kept->fd, lines.data, lines.len);
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
static int fetch_events(struct sources *sources, struct aws_client *client, struct kept *kept,
                        struct fault *fault)
{
    const struct sources_options *options = sources->options;
    AUTO_FREE char *next = NULL;
    do {
        AUTO_BUF struct buf body = BUF_INIT(BODY_MAX);
        json_t *answer = NULL;
        write_request(&body, options, kept->group, next);
        int r = fetch_page(sources, client, &body, &answer, fault);
        if (r == 0)
            r = keep_events(kept, answer, fault);
        const char *token = json_string_value(json_object_get(answer, "nextToken"));
        free(next);
        next = token ? strdup(token) : NULL;
        json_decref(answer);
        if (r < 0)
            return r;
        if (options->fetched)
            options->fetched(options->userdata, (uint64_t)lseek(kept->fd, 0, SEEK_CUR), 0);
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
    CLEANUP(kept_done)
    struct kept kept = {.options = sources->options, .group = group, .fd = sources_temporary(&said)};
    int r = kept.fd < 0 ? kept.fd : aws_client_new(&client, &settings, &said);
    if (r == 0)
        r = fetch_events(sources, client, &kept, &said);
    if (r < 0) {
        fault_prefix(&said, "%s", buf_string(&name));
        sources_tell(sources, &said);
        return 0;
    }
    if (sources->options->is_known && kept.count == 0)
        return 0; /* nothing new */
    r = sources_add(sources, buf_string(&name), TAKE_FD(kept.fd), fault);
    if (r == 0)
        sources_call_last(sources, TAKE(kept.called), kept.count, true);
    return r;
}
