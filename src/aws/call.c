/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "aws/sigv4.h"
#include "base/cleanup.h"

#define URL_MAX (64 * 1024)
#define HEADER_VALUE_MAX (64 * 1024)
#define OWN_HEADERS 6 /* what is added to those of a call */

/* Everything that belongs to one request while it is on its way. */
struct draft {
    struct buf path;
    struct buf authorization;
    struct http_header headers[SIGV4_HEADERS_MAX];
    size_t header_count;
    char time[SIGV4_TIME_LEN + 1];
    char hash[SIGV4_HEX_LEN + 1];
};

static void draft_done(struct draft *draft)
{
    buf_done(&draft->path);
    buf_done(&draft->authorization);
}

static void add_header(struct draft *draft, const char *name, const char *value)
{
    draft->headers[draft->header_count++] = (struct http_header){name, value};
}

static int sign(struct draft *draft, const struct aws_target *target, const struct aws_call *call,
                const struct aws_key *key)
{
    char signature[SIGV4_HEX_LEN + 1];
    const struct sigv4_scope scope = {draft->time, target->region, target->service};
    add_header(draft, "host", target->endpoint->host);
    const struct sigv4_request request = {
        .method = call->method,
        .path = buf_string(&draft->path),
        .query = call->query ? call->query : "",
        .headers = draft->headers,
        .header_count = draft->header_count,
        .payload_hash = draft->hash,
        .is_s3 = strcmp(target->service, "s3") == 0,
    };
    int r = sigv4_sign(&request, &scope, key->secret_key, signature);
    if (r < 0)
        return r;
    sigv4_print_authorization(&draft->authorization, &request, &scope, key->access_key, signature);
    draft->header_count--; /* curl names the host itself */
    add_header(draft, "authorization", buf_string(&draft->authorization));
    return draft->authorization.failed ? -E2BIG : 0;
}

static int make_draft(struct draft *draft, const struct aws_target *target, const struct aws_call *call,
                      const struct aws_key *key, uint64_t now_ns)
{
    const struct http_body *body = call->body;
    *draft = (struct draft){.path = BUF_INIT(URL_MAX), .authorization = BUF_INIT(HEADER_VALUE_MAX)};
    if (call->header_count + OWN_HEADERS > SIGV4_HEADERS_MAX)
        return -E2BIG;
    buf_printf(&draft->path, "%s%s", target->endpoint->path, call->path);
    for (size_t i = 0; i < call->header_count; i++)
        add_header(draft, call->headers[i].name, call->headers[i].value);
    if (!key)
        return 0;
    if (call->payload_hash)
        (void)snprintf(draft->hash, sizeof draft->hash, "%s", call->payload_hash);
    else
        sigv4_hash(body ? body->data : "", body ? body->len : 0, draft->hash);
    sigv4_format_time(now_ns, draft->time);
    add_header(draft, "x-amz-date", draft->time);
    add_header(draft, "x-amz-content-sha256", draft->hash);
    if (key->session_token && key->session_token[0])
        add_header(draft, "x-amz-security-token", key->session_token);
    return sign(draft, target, call, key);
}

static int send_draft(struct http *http, struct draft *draft, const struct aws_target *target,
                      const struct aws_call *call, struct http_answer *ret, struct fault *fault)
{
    AUTO_BUF struct buf url = BUF_INIT(URL_MAX);
    buf_printf(&url, "%s://%s%s%s%s", target->endpoint->scheme, target->endpoint->host,
               buf_string(&draft->path), call->query ? "?" : "", call->query ? call->query : "");
    add_header(draft, "user-agent", "flowlog/" FLOWLOG_VERSION);
    const struct http_request request = {
        .method = call->method,
        .url = buf_string(&url),
        .headers = draft->headers,
        .header_count = draft->header_count,
        .body = call->body,
        .total_ms = call->total_ms,
        .cancelled = call->cancelled,
    };
    if (url.failed)
        return fault_set(fault, -E2BIG, "%s: the request is too long", target->endpoint->host);
    return http_exchange(http, &request, ret, fault);
}

static int judge(const struct aws_target *target, const struct http_answer *answer, struct aws_error *error,
                 struct fault *fault)
{
    char type[128];
    char context[ENDPOINT_HOST_MAX + 32];
    (void)http_answer_header(answer, "x-amzn-errortype", type, sizeof type);
    aws_error_read(answer->status, type[0] ? type : NULL, answer->body.data, answer->body.len, error);
    if (error->class == AWS_ERROR_NONE)
        return 0;
    (void)snprintf(context, sizeof context, "%s", target->endpoint->host);
    return aws_error_fault(error, -EIO, context, fault);
}

int aws_call_send(struct http *http, const struct aws_target *target, const struct aws_call *call,
                  const struct aws_key *key, uint64_t now_ns, struct http_answer *ret,
                  struct aws_error *error, struct fault *fault)
{
    CLEANUP(draft_done) struct draft draft;
    struct fault said = {0};
    *error = (struct aws_error){.class = AWS_ERROR_NETWORK};
    int r = make_draft(&draft, target, call, key, now_ns);
    if (r < 0)
        (void)fault_set(&said, r, "%s: cannot sign the request: %s", target->endpoint->host, strerror(-r));
    else
        r = send_draft(http, &draft, target, call, ret, &said);
    if (r == 0)
        return judge(target, ret, error, fault);
    if (r == -ECANCELED)
        error->class = AWS_ERROR_CANCELLED;
    (void)snprintf(error->message, sizeof error->message, "%.*s", (int)sizeof error->message - 1, said.text);
    return fault_set(fault, r, "%s", said.text);
}
