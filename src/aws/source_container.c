/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "aws/endpoint.h"
#include "aws/source.h"
#include "base/file.h"

#define CONTAINER_ADDRESS "http://169.254.170.2" /* ECS */
#define INSTANCE_ADDRESS "http://169.254.169.254"
#define INSTANCE_ADDRESS_IPV6 "http://[fd00:ec2::254]"
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"
#define TOKEN_SECONDS "21600"
#define ANSWER_MAX (64 * 1024)
#define URL_MAX 4096
#define NEARBY_MS 5000

static int fetch(const struct source_query *query, const char *method, const char *url,
                 const struct http_header *header, struct http_answer *ret, struct fault *fault)
{
    const struct http_request request = {
        .method = method,
        .url = url,
        .headers = header,
        .header_count = header ? 1 : 0,
        .total_ms = NEARBY_MS,
        .direct = true,
        .cancelled = query->cancelled,
    };
    int r = http_exchange(query->nearby, &request, ret, fault);
    if (r == 0 && ret->status != 200)
        return fault_set(fault, ret->status == 404 ? -ENOENT : -EIO, "%s: HTTP %u", url, ret->status);
    return r;
}

/* Whom an authorization token may be sent to without TLS: this machine, and the agents of ECS and EKS. */
static bool is_trusted(const struct endpoint *endpoint)
{
    static const char *const hosts[] = {"169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "localhost",
                                        "[::1]"};
    size_t len = endpoint->host[0] == '[' ? strcspn(endpoint->host, "]") + 1 : strcspn(endpoint->host, ":");
    if (strcmp(endpoint->scheme, "https") == 0 || strncmp(endpoint->host, "127.", 4) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        if (strlen(hosts[i]) == len && strncasecmp(endpoint->host, hosts[i], len) == 0)
            return true;
    return false;
}

/* The address ends where its query begins. */
static int check_full_address(const char *url, struct fault *fault)
{
    struct endpoint endpoint;
    char address[URL_MAX];
    struct fault said;
    (void)snprintf(address, sizeof address, "%.*s", (int)strcspn(url, "?"), url);
    if (endpoint_parse_url(&endpoint, address, &said) < 0)
        return fault_set(fault, -EINVAL, "AWS_CONTAINER_CREDENTIALS_FULL_URI: %s", said.text);
    if (!is_trusted(&endpoint))
        return fault_set(
            fault, -EINVAL,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI: '%s' is neither https, nor this machine, nor an agent "
            "of ECS or EKS",
            endpoint.host);
    return 0;
}

static int read_container_token(struct buf *token, struct fault *fault)
{
    const char *path = aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *text = aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    if (path) {
        int r = file_read(path, token, fault); /* each time: it is replaced while we run */
        if (r < 0)
            return r;
    } else if (text) {
        buf_text(token, text);
    }
    while (token->len && strchr(" \t\r\n", token->data[token->len - 1]))
        token->len--;
    for (size_t i = 0; i < token->len; i++)
        if (strchr("\r\n", token->data[i]))
            return fault_set(fault, -EBADMSG, "the container's authorization token has more than one line");
    return 0;
}

static int ask_address(struct source_query *query, const char *url, struct key_set *ret, struct fault *fault)
{
    AUTO_SECRET_BUF struct buf token = BUF_INIT(64 * 1024);
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    int r = read_container_token(&token, fault);
    if (r < 0)
        return r;
    const struct http_header header = {"authorization", buf_string(&token)};
    r = fetch(query, "GET", url, token.len ? &header : NULL, &answer, fault);
    if (r == 0)
        r = key_set_read_json(ret, answer.body.data ? answer.body.data : "", answer.body.len, fault);
    return r < 0 ? r : 1;
}

int source_ask_container(struct source_query *query, struct key_set *ret, struct fault *fault)
{
    const char *relative = aws_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = aws_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    AUTO_BUF struct buf url = BUF_INIT(URL_MAX);
    int r = 0;
    if (!relative && !full)
        return 0;
    if (relative)
        buf_printf(&url, CONTAINER_ADDRESS "%s%s", relative[0] == '/' ? "" : "/", relative);
    else
        buf_text(&url, full);
    if (!relative)
        r = check_full_address(buf_string(&url), fault);
    if (r == 0)
        r = ask_address(query, buf_string(&url), ret, fault);
    if (r < 0)
        fault_prefix(fault, "container credentials");
    (void)snprintf(query->name, sizeof query->name, "container endpoint");
    return r;
}

/* Instance metadata, version 2: a token first, then the role's name, then its keys. */

static const char *instance_address(struct source_query *query, struct buf *room)
{
    const char *address = aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    const char *profile = aws_profile_name(query->settings);
    if (!address && profiles_get(&query->profiles, profile, "ec2_metadata_service_endpoint", room))
        address = buf_string(room);
    if (address && address[0])
        return address;
    if (!mode && profiles_get(&query->profiles, profile, "ec2_metadata_service_endpoint_mode", room))
        mode = buf_string(room);
    return mode && strcasecmp(mode, "ipv6") == 0 ? INSTANCE_ADDRESS_IPV6 : INSTANCE_ADDRESS;
}

/* A first line that may go into an address or a header; -EBADMSG for what may not. */
static int take_word(const struct http_answer *answer, const char *what, struct buf *ret, struct fault *fault)
{
    const char *text = answer->body.data;
    size_t len = 0;
    while (len < answer->body.len && (unsigned char)text[len] > ' ' && (unsigned char)text[len] < 0x7f)
        len++;
    if (len == 0 || (len < answer->body.len && !strchr("\r\n", text[len])))
        return fault_set(fault, -EBADMSG, "%s is no word", what);
    buf_append(ret, text, len);
    return 0;
}

/* The address without a final slash, then the path. */
static void print_url(struct buf *url, const char *address, const char *path, const char *name)
{
    size_t len = strlen(address);
    while (len && address[len - 1] == '/')
        len--;
    buf_clear(url);
    buf_append(url, address, len);
    buf_printf(url, "%s%s", path, name);
}

static int ask_metadata(struct source_query *query, const char *address, struct key_set *ret,
                        struct fault *fault)
{
    static const struct http_header lifetime = {"x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS};
    AUTO_BUF struct buf url = BUF_INIT(URL_MAX);
    AUTO_BUF struct buf role = BUF_INIT(1024);
    AUTO_SECRET_BUF struct buf token = BUF_INIT(4096);
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    print_url(&url, address, "/latest/api/token", "");
    int r = fetch(query, "PUT", buf_string(&url), &lifetime, &answer, fault);
    if (r == 0)
        r = take_word(&answer, "the token", &token, fault);
    if (r < 0)
        return r;
    const struct http_header header = {"x-aws-ec2-metadata-token", buf_string(&token)};
    print_url(&url, address, ROLE_PATH, "");
    r = fetch(query, "GET", buf_string(&url), &header, &answer, fault);
    if (r == 0)
        r = take_word(&answer, "the role's name", &role, fault);
    if (r < 0)
        return r;
    print_url(&url, address, ROLE_PATH, buf_string(&role));
    r = fetch(query, "GET", buf_string(&url), &header, &answer, fault);
    if (r == 0)
        r = key_set_read_json(ret, answer.body.data ? answer.body.data : "", answer.body.len, fault);
    return r;
}

/* Most machines are no EC2 instances: nobody answers there, and that is no fault of its own. */
int source_ask_instance(struct source_query *query, struct key_set *ret, struct fault *fault)
{
    AUTO_BUF struct buf room = BUF_INIT(URL_MAX);
    const char *disabled = aws_variable("AWS_EC2_METADATA_DISABLED");
    if (disabled && strcasecmp(disabled, "true") == 0)
        return 0;
    int r = ask_metadata(query, instance_address(query, &room), ret, fault);
    (void)snprintf(query->name, sizeof query->name, "instance metadata");
    if (r == 0)
        return 1;
    fault_prefix(fault, "no AWS credentials in environment or profile, and instance metadata");
    return r;
}
