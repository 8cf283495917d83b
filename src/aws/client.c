/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aws/credentials.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define JSON_MS 60000
#define SETTINGS 9

struct aws_client {
    struct aws_settings settings; /* text of ours */
    char *texts[SETTINGS];
    struct credentials *credentials;
    struct http *http; /* NULL until the first call has found its place */
    struct aws_place place;
    char region[64]; /* of the bucket, once the service has told another than ours */
    int64_t skew_ns; /* the service's clock less ours */
};

static const char **setting_at(struct aws_settings *settings, size_t index)
{
    const char **const members[SETTINGS] = {
        &settings->service, &settings->region,    &settings->endpoint,
        &settings->profile, &settings->role_arn,  &settings->external_id,
        &settings->proxy,   &settings->ca_bundle, &settings->bucket,
    };
    return members[index];
}

int aws_client_new(struct aws_client **ret, const struct aws_settings *settings, struct fault *fault)
{
    AUTO_AWS_CLIENT struct aws_client *client = calloc(1, sizeof *client);
    if (!client)
        return fault_set(fault, -ENOMEM, "out of memory");
    client->settings = *settings;
    for (size_t i = 0; i < SETTINGS; i++) {
        const char **text = setting_at(&client->settings, i);
        if (*text && !(client->texts[i] = strdup(*text)))
            return fault_set(fault, -ENOMEM, "out of memory");
        *text = client->texts[i];
    }
    int r = credentials_new(&client->credentials, &client->settings, fault);
    if (r == 0)
        *ret = TAKE(client);
    return r;
}

void aws_client_free(struct aws_client *client)
{
    if (!client)
        return;
    credentials_free(client->credentials);
    http_free(client->http);
    for (size_t i = 0; i < SETTINGS; i++)
        free(client->texts[i]);
    free(client);
}

static int find_place(struct aws_client *client, struct fault *fault)
{
    AUTO_PROFILES struct profiles profiles = {0};
    struct aws_settings settings = client->settings;
    if (client->region[0])
        settings.region = client->region;
    int r = profiles_read(&profiles, fault);
    if (r == 0)
        r = aws_place_resolve(&client->place, &settings, &profiles, fault);
    if (r < 0)
        return r;
    const struct http_settings http = {
        .proxy = settings.proxy,
        .ca_bundle = client->place.ca_bundle[0] ? client->place.ca_bundle : NULL,
    };
    return http_new(&client->http, &http, fault);
}

static int call_once(struct aws_client *client, const struct aws_call *call, struct http_answer *ret,
                     struct aws_error *error, struct fault *fault)
{
    struct fault said = {0};
    struct aws_key key;
    uint64_t now_ns = clock_wall_ns() + (uint64_t)client->skew_ns;
    int r = client->http ? 0 : find_place(client, &said);
    if (r == 0)
        r = credentials_get(client->credentials, now_ns, call->cancelled, &key, &said);
    if (r < 0) {
        *error = (struct aws_error){.class = r == -ECANCELED ? AWS_ERROR_CANCELLED : AWS_ERROR_CREDENTIALS};
        (void)snprintf(error->message, sizeof error->message, "%.*s", (int)sizeof error->message - 1,
                       said.text);
        return fault_set(fault, r, "%s", said.text);
    }
    const struct aws_target target = {&client->place.endpoint, client->place.region,
                                      client->settings.service};
    return aws_call_send(client->http, &target, call, &key, now_ns, ret, error, fault);
}

/* Takes the service's clock for the right one. */
static bool follow_clock(struct aws_client *client, const struct http_answer *answer)
{
    char date[64];
    struct tm parts = {0}; /* RFC 9110's form of dates; all servers send it */
    if (!strptime(http_answer_header(answer, "date", date, sizeof date), "%a, %d %b %Y %H:%M:%S GMT", &parts))
        return false;
    time_t theirs = timegm(&parts);
    if (theirs <= 0)
        return false;
    client->skew_ns = (int64_t)((uint64_t)theirs * NS_PER_S - clock_wall_ns());
    return true;
}

/* Only where regions are AWS's: another server's word for them says nothing about its address. */
static bool follow_region(struct aws_client *client, const struct http_answer *answer)
{
    char region[sizeof client->region];
    (void)http_answer_header(answer, "x-amz-bucket-region", region, sizeof region);
    if (client->place.endpoint.custom || !endpoint_is_region(region) ||
        strcmp(region, client->place.region) == 0)
        return false;
    memcpy(client->region, region, sizeof region);
    http_free(TAKE(client->http));
    return true;
}

/* Whether the same call may succeed at once. */
static bool mend(struct aws_client *client, const struct aws_error *error, const struct http_answer *answer)
{
    switch (error->class) {
    case AWS_ERROR_EXPIRED:
        credentials_drop(client->credentials);
        return true;
    case AWS_ERROR_SKEWED:
        return follow_clock(client, answer);
    case AWS_ERROR_REDIRECTED:
        return follow_region(client, answer);
    case AWS_ERROR_ACCESS:
        credentials_drop(client->credentials); /* somebody may have replaced them meanwhile */
        return false;
    default:
        return false;
    }
}

int aws_client_call(struct aws_client *client, const struct aws_call *call, struct http_answer *ret,
                    struct aws_error *error, struct fault *fault)
{
    unsigned mended = 0; /* a bit for each class: the second time it is no use */
    for (;;) {
        int r = call_once(client, call, ret, error, fault);
        if (r == 0 && fault)
            fault->text[0] = '\0';
        if (r == 0 || mended & 1U << error->class || !mend(client, error, ret))
            return r;
        mended |= 1U << error->class;
    }
}

int aws_client_call_json(struct aws_client *client, const char *target, const void *body, size_t len,
                         const atomic_bool *cancelled, struct http_answer *ret, struct aws_error *error,
                         struct fault *fault)
{
    const struct http_header headers[] = {{"content-type", "application/x-amz-json-1.1"},
                                          {"x-amz-target", target}};
    const struct http_body content = {.data = body, .len = len};
    const struct aws_call call = {
        .method = "POST",
        .path = "/",
        .headers = headers,
        .header_count = ARRAY_SIZE(headers),
        .body = &content,
        .total_ms = JSON_MS,
        .cancelled = cancelled,
    };
    return aws_client_call(client, &call, ret, error, fault);
}

void aws_client_print_url(const struct aws_client *client, const char *path, struct buf *buf)
{
    const struct endpoint *endpoint = &client->place.endpoint;
    buf_printf(buf, "%s://%s%s%s", endpoint->scheme, endpoint->host, endpoint->path, path);
}
