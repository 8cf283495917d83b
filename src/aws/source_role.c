/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "aws/call.h"
#include "aws/source.h"
#include "aws/uri.h"
#include "base/file.h"

#define ANSWER_MAX (256 * 1024)
#define FORM_MAX (128 * 1024)
#define TOKEN_MAX (64 * 1024)
#define STS_MS 15000
#define SESSION_NAME "flowlog"

static void add_parameter(struct buf *form, const char *name, const char *value)
{
    buf_printf(form, "&%s=", name);
    uri_encode(form, value, strlen(value), false);
}

/* The token is read each time: Kubernetes writes a new one every hour. */
static int add_token(struct buf *form, const char *path, struct fault *fault)
{
    AUTO_SECRET_BUF struct buf token = BUF_INIT(TOKEN_MAX);
    int r = file_read(path, &token, fault);
    if (r < 0)
        return r;
    while (token.len && strchr(" \t\r\n", token.data[token.len - 1]))
        token.len--;
    add_parameter(form, "WebIdentityToken", buf_string(&token));
    return 0;
}

static int print_form(struct buf *form, const struct role *role, struct fault *fault)
{
    buf_printf(form, "Action=%s&Version=2011-06-15",
               role->token_file ? "AssumeRoleWithWebIdentity" : "AssumeRole");
    add_parameter(form, "RoleArn", role->arn);
    add_parameter(form, "RoleSessionName", role->session_name ? role->session_name : SESSION_NAME);
    if (role->seconds)
        buf_printf(form, "&DurationSeconds=%" PRIu64, role->seconds);
    if (role->external_id)
        add_parameter(form, "ExternalId", role->external_id);
    int r = role->token_file ? add_token(form, role->token_file, fault) : 0;
    if (r == 0 && form->failed)
        r = fault_set(fault, -EFBIG, "the request to STS is too long");
    return r;
}

static int ask_sts(struct source_query *query, const struct buf *form, const struct aws_key *key,
                   struct key_set *ret, struct fault *fault)
{
    static const struct http_header content[] = {
        {"content-type", "application/x-www-form-urlencoded; charset=utf-8"},
    };
    struct aws_settings settings = *query->settings;
    struct aws_place place;
    struct aws_error error;
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    settings.service = "sts";
    settings.endpoint = NULL; /* that is the destination's */
    settings.bucket = NULL;
    int r = aws_place_resolve(&place, &settings, &query->profiles, fault);
    if (r < 0)
        return r;
    const struct http_body body = {.data = form->data, .len = form->len};
    const struct aws_target target = {&place.endpoint, place.region, "sts"};
    const struct aws_call call = {
        .method = "POST",
        .path = "/",
        .headers = content,
        .header_count = ARRAY_SIZE(content),
        .body = &body,
        .total_ms = STS_MS,
        .cancelled = query->cancelled,
    };
    r = aws_call_send(query->http, &target, &call, key, query->now_ns, &answer, &error, fault);
    return r < 0 ? r : key_set_read_sts(ret, answer.body.data, answer.body.len, fault);
}

int source_assume_role(struct source_query *query, const struct role *role, const struct key_set *base,
                       struct key_set *ret, struct fault *fault)
{
    AUTO_SECRET_BUF struct buf form = BUF_INIT(FORM_MAX);
    struct aws_key key = {0};
    int r = print_form(&form, role, fault);
    if (base)
        key = (struct aws_key){base->access_key, base->secret_key, base->session_token};
    if (r == 0)
        r = ask_sts(query, &form, base ? &key : NULL, ret, fault);
    if (r < 0)
        fault_prefix(fault, "role %s", role->arn);
    else
        (void)snprintf(query->name, sizeof query->name, "role %s", role->arn);
    return r;
}
