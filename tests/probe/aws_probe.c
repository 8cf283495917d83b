/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lets tests ask src/aws the same questions as another implementation: a JSON object per line in, one per
 * line out.
 *
 *   {"ask": "sign", "method", "path", "query", "headers": [[NAME, VALUE]], "payload_hash", "time", "region",
 *    "service", "access_key", "secret_key"}              -> {"canonical", "authorization"}
 *   {"ask": "encode", "text"}                            -> {"text"}
 *   {"ask": "endpoint", "service", "region", "fips", "dual_stack", "bucket", "addressing"} -> {"url"} or
 * {"fault"}
 *   {"ask": "credentials", "now", "profile", "role_arn", "external_id", "proxy", "drop"}
 *                        -> {"access_key", "secret_key", "session_token", "source", "expires"} or {"fault"}
 *   {"ask": "call", "service", …}                        -> {"status", "class", "code", "fault", "body"}
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "aws/client.h"
#include "aws/credentials.h"
#include "aws/sigv4.h"
#include "aws/uri.h"
#include "base/clock.h"

#define TEXT_MAX (1024 * 1024)

static const char *text_of(const json_t *question, const char *name)
{
    return json_string_value(json_object_get(question, name));
}

static const char *text_or_empty(const json_t *question, const char *name)
{
    const char *text = text_of(question, name);
    return text ? text : "";
}

static json_t *answer_fault(const struct fault *fault)
{
    return json_pack("{s:s}", "fault", fault->text);
}

static json_t *sign(const json_t *question)
{
    struct http_header headers[SIGV4_HEADERS_MAX];
    const json_t *list = json_object_get(question, "headers");
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < SIGV4_HEADERS_MAX; i++)
        headers[i] = (struct http_header){json_string_value(json_array_get(json_array_get(list, i), 0)),
                                          json_string_value(json_array_get(json_array_get(list, i), 1))};
    const struct sigv4_scope scope = {text_of(question, "time"), text_of(question, "region"),
                                      text_of(question, "service")};
    const struct sigv4_request request = {
        .method = text_of(question, "method"),
        .path = text_of(question, "path"),
        .query = text_or_empty(question, "query"),
        .headers = headers,
        .header_count = count,
        .payload_hash = text_of(question, "payload_hash"),
        .is_s3 = strcmp(scope.service, "s3") == 0,
    };
    AUTO_BUF struct buf canonical = BUF_INIT(TEXT_MAX);
    AUTO_BUF struct buf authorization = BUF_INIT(TEXT_MAX);
    char signature[SIGV4_HEX_LEN + 1];
    int r = sigv4_sign(&request, &scope, text_of(question, "secret_key"), signature);
    if (r < 0)
        return json_pack("{s:s}", "fault", strerror(-r));
    sigv4_print_canonical(&canonical, &request);
    sigv4_print_authorization(&authorization, &request, &scope, text_of(question, "access_key"), signature);
    return json_pack("{s:s, s:s}", "canonical", buf_string(&canonical), "authorization",
                     buf_string(&authorization));
}

static json_t *encode(const json_t *question)
{
    AUTO_BUF struct buf encoded = BUF_INIT(TEXT_MAX);
    const char *text = text_of(question, "text");
    uri_encode(&encoded, text, strlen(text), true);
    return json_pack("{s:s}", "text", buf_string(&encoded));
}

static json_t *endpoint(const json_t *question)
{
    struct endpoint found;
    struct fault fault;
    AUTO_BUF struct buf url = BUF_INIT(TEXT_MAX);
    const char *bucket = text_of(question, "bucket");
    json_int_t addressing = json_integer_value(json_object_get(question, "addressing"));
    int r = endpoint_resolve(&found, text_of(question, "service"), text_of(question, "region"),
                             json_is_true(json_object_get(question, "fips")),
                             json_is_true(json_object_get(question, "dual_stack")), &fault);
    if (r == 0 && bucket)
        r = endpoint_add_bucket(&found, bucket, (enum endpoint_addressing)addressing, &fault);
    if (r < 0)
        return answer_fault(&fault);
    buf_printf(&url, "%s://%s%s", found.scheme, found.host, found.path);
    return json_pack("{s:s}", "url", buf_string(&url));
}

static struct aws_settings settings_of(const json_t *question)
{
    return (struct aws_settings){
        .service = text_of(question, "service"),
        .region = text_of(question, "region"),
        .endpoint = text_of(question, "endpoint"),
        .profile = text_of(question, "profile"),
        .role_arn = text_of(question, "role_arn"),
        .external_id = text_of(question, "external_id"),
        .proxy = text_of(question, "proxy"),
        .ca_bundle = text_of(question, "ca_bundle"),
        .bucket = text_of(question, "bucket"),
    };
}

/* One chain for the whole run, so that what it keeps and refreshes can be seen; the first question sets it
 * up. */
static json_t *ask_credentials(const json_t *question)
{
    static struct credentials *chain;
    struct aws_settings settings = settings_of(question);
    struct aws_key key;
    struct fault fault;
    const json_t *now = json_object_get(question, "now");
    uint64_t now_ns = now ? (uint64_t)json_integer_value(now) * NS_PER_S : clock_wall_ns();
    settings.service = "s3";
    if (!chain && credentials_new(&chain, &settings, &fault) < 0)
        return answer_fault(&fault);
    if (json_is_true(json_object_get(question, "drop")))
        credentials_drop(chain);
    if (json_is_true(json_object_get(question, "end"))) {
        credentials_free(TAKE(chain));
        return json_object();
    }
    if (credentials_get(chain, now_ns, NULL, &key, &fault) < 0)
        return answer_fault(&fault);
    return json_pack("{s:s, s:s, s:s, s:s, s:I}", "access_key", key.access_key, "secret_key", key.secret_key,
                     "session_token", key.session_token, "source", credentials_source(chain), "expires",
                     (json_int_t)(credentials_expiry_ns(chain) / NS_PER_S));
}

static json_t *call(const json_t *question)
{
    AUTO_AWS_CLIENT struct aws_client *client = NULL;
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(TEXT_MAX);
    const struct aws_settings settings = settings_of(question);
    struct aws_error error = {0};
    struct fault fault = {0};
    const char *body = text_of(question, "body");
    const struct http_body content = {.data = body, .len = body ? strlen(body) : 0};
    const struct aws_call request = {.method = text_of(question, "method"),
                                     .path = text_of(question, "path"),
                                     .query = text_of(question, "query"),
                                     .body = body ? &content : NULL};
    int r = aws_client_new(&client, &settings, &fault);
    if (r == 0)
        r = aws_client_call(client, &request, &answer, &error, &fault);
    return json_pack("{s:i, s:i, s:i, s:s, s:s, s:s%}", "result", r, "status", (int)answer.status, "class",
                     (int)error.class, "code", error.code, "fault", fault.text, "body",
                     answer.body.data ? answer.body.data : "", answer.body.len);
}

static const struct {
    const char *name;
    json_t *(*ask)(const json_t *question);
} questions[] = {
    {"sign", sign}, {"encode", encode}, {"endpoint", endpoint}, {"credentials", ask_credentials},
    {"call", call},
};

static json_t *ask(const json_t *question)
{
    for (size_t i = 0; i < ARRAY_SIZE(questions); i++)
        if (strcmp(text_or_empty(question, "ask"), questions[i].name) == 0)
            return questions[i].ask(question);
    return json_pack("{s:s}", "fault", "no such question");
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        json_t *question = json_loads(line, 0, NULL);
        json_t *answer = ask(question);
        json_dumpf(answer, stdout, JSON_COMPACT);
        (void)putchar('\n');
        (void)fflush(stdout);
        json_decref(answer);
        json_decref(question);
    }
    free(line);
    return 0;
}
