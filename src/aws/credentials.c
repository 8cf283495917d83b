/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/source.h"
#include "base/cleanup.h"

/* Asked again this long before the end, or at three quarters of a short life; after a failure once a minute.
 */
#define REFRESH_NS (15 * 60 * NS_PER_S)
#define AGAIN_NS (60 * NS_PER_S)
#define NEARBY_CONNECT_MS 1000 /* a hop away, or not there */

struct credentials {
    struct aws_settings settings; /* text of ours */
    char *texts[6];
    struct http *http;
    struct http *nearby;
    struct key_set set;
    uint64_t refresh_ns; /* 0: never */
    char source[SOURCE_NAME_MAX];
};

/* The settings' text that credentials depend on. */
static const char **setting_at(struct aws_settings *settings, size_t index)
{
    const char **const members[] = {&settings->region,      &settings->profile, &settings->role_arn,
                                    &settings->external_id, &settings->proxy,   &settings->ca_bundle};
    return members[index];
}

int credentials_new(struct credentials **ret, const struct aws_settings *settings, struct fault *fault)
{
    AUTO_CREDENTIALS struct credentials *credentials = calloc(1, sizeof *credentials);
    if (!credentials)
        return fault_set(fault, -ENOMEM, "out of memory");
    credentials->settings = *settings;
    for (size_t i = 0; i < ARRAY_SIZE(credentials->texts); i++) {
        const char **text = setting_at(&credentials->settings, i);
        if (*text && !(credentials->texts[i] = strdup(*text)))
            return fault_set(fault, -ENOMEM, "out of memory");
        *text = credentials->texts[i];
    }
    *ret = TAKE(credentials);
    return 0;
}

void credentials_free(struct credentials *credentials)
{
    if (!credentials)
        return;
    key_set_done(&credentials->set);
    http_free(credentials->http);
    http_free(credentials->nearby);
    for (size_t i = 0; i < ARRAY_SIZE(credentials->texts); i++)
        free(credentials->texts[i]);
    free(credentials);
}

/* STS may want another CA bundle after a change of the profile: rarely enough to make both anew each time. */
static int open_http(struct credentials *credentials, const struct profiles *profiles, struct fault *fault)
{
    static const struct http_settings nearby = {.connect_ms = NEARBY_CONNECT_MS};
    AUTO_BUF struct buf room = BUF_INIT(4096);
    const char *bundle = credentials->settings.ca_bundle;
    if (!bundle)
        bundle = aws_variable("AWS_CA_BUNDLE");
    if (!bundle && profiles_get(profiles, aws_profile_name(&credentials->settings), "ca_bundle", &room))
        bundle = buf_string(&room);
    const struct http_settings settings = {.proxy = credentials->settings.proxy, .ca_bundle = bundle};
    http_free(TAKE(credentials->http));
    int r = http_new(&credentials->http, &settings, fault);
    if (r == 0 && !credentials->nearby)
        r = http_new(&credentials->nearby, &nearby, fault);
    return r;
}

static void plan_refresh(struct credentials *credentials, uint64_t now_ns)
{
    uint64_t expires = credentials->set.expires_ns;
    credentials->refresh_ns = 0;
    if (!expires)
        return;
    uint64_t life = expires > now_ns ? expires - now_ns : 0;
    uint64_t margin = life / 4 < REFRESH_NS ? life / 4 : REFRESH_NS;
    /* Instance metadata may hand out what has expired, while its own source is down: services take it. */
    credentials->refresh_ns = life ? expires - margin : now_ns + AGAIN_NS;
}

static int fetch(struct credentials *credentials, uint64_t now_ns, const atomic_bool *cancelled,
                 struct fault *fault)
{
    struct source_query query = {
        .settings = &credentials->settings, .now_ns = now_ns, .cancelled = cancelled};
    AUTO_KEY_SET struct key_set set = {0};
    int r = profiles_read(&query.profiles, fault);
    if (r == 0)
        r = open_http(credentials, &query.profiles, fault);
    if (r == 0) {
        query.http = credentials->http;
        query.nearby = credentials->nearby;
        r = source_find(&query, &set, fault);
    }
    profiles_done(&query.profiles);
    if (r < 0)
        return r;
    key_set_move(&credentials->set, &set);
    memcpy(credentials->source, query.name, sizeof query.name);
    plan_refresh(credentials, now_ns);
    return 0;
}

int credentials_get(struct credentials *credentials, uint64_t now_ns, const atomic_bool *cancelled,
                    struct aws_key *ret, struct fault *fault)
{
    struct key_set *set = &credentials->set;
    bool is_due = credentials->refresh_ns && now_ns >= credentials->refresh_ns;
    if (!set->access_key || is_due) {
        int r = fetch(credentials, now_ns, cancelled, fault);
        bool still_valid = set->access_key && now_ns < set->expires_ns;
        if (r < 0 && !still_valid)
            return r;
        if (r < 0)
            credentials->refresh_ns = now_ns + AGAIN_NS;
    }
    *ret = (struct aws_key){set->access_key, set->secret_key, set->session_token};
    return 0;
}

void credentials_drop(struct credentials *credentials)
{
    key_set_done(&credentials->set);
    credentials->refresh_ns = 0;
}

const char *credentials_source(const struct credentials *credentials)
{
    return credentials->source;
}

uint64_t credentials_expiry_ns(const struct credentials *credentials)
{
    return credentials->set.expires_ns;
}
