/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/metadata.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/http.h"
#include "aws/place.h"
#include "base/file.h"

#define REQUEST_MS 1000
#define ANSWER_MAX (1024 * 1024)
#define URL_MAX 4096
#define INTERFACES_MAX 64
#define IPV4_ADDRESS "http://169.254.169.254"
#define IPV6_ADDRESS "http://[fd00:ec2::254]"

struct conversation {
    struct http *http;
    const char *address;
    char token[256];
};

static const char *address_of_service(void)
{
    const char *address = aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    if (address)
        return address;
    return mode && strcasecmp(mode, "ipv6") == 0 ? IPV6_ADDRESS : IPV4_ADDRESS;
}

bool metadata_is_likely(void)
{
    AUTO_BUF struct buf vendor = BUF_INIT(256);
    const char *disabled = aws_variable("AWS_EC2_METADATA_DISABLED");
    if (disabled && strcasecmp(disabled, "true") == 0)
        return false;
    return aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT") ||
           (file_read("/sys/class/dmi/id/sys_vendor", &vendor, NULL) == 0 &&
            strncmp(buf_string(&vendor), "Amazon EC2", 10) == 0);
}

static int ask(struct conversation *with, const char *method, const char *url,
               const struct http_header *header, struct http_answer *ret, struct fault *fault)
{
    const struct http_request request = {.method = method,
                                         .url = url,
                                         .headers = header,
                                         .header_count = header ? 1 : 0,
                                         .total_ms = REQUEST_MS,
                                         .direct = true};
    int r = http_exchange(with->http, &request, ret, fault);
    if (r == 0 && ret->status != 200)
        return fault_set(fault, ret->status == 404 ? -ENOENT : -EIO, "%s: HTTP %u", url, ret->status);
    return r;
}

static void print_url(struct buf *url, const char *address, const char *path)
{
    size_t len = strlen(address);
    while (len && address[len - 1] == '/')
        len--;
    buf_append(url, address, len);
    buf_text(url, path);
}

/* A word of printable characters, without the white space around it; "" when it is none, or does not fit. */
static void take_word(const struct buf *body, char *ret, size_t size)
{
    const char *text = body->data;
    size_t len = 0;
    ret[0] = '\0';
    while (len < body->len && (unsigned char)text[len] > ' ' && (unsigned char)text[len] < 0x7f)
        len++;
    if (len == 0 || len >= size)
        return;
    memcpy(ret, text, len);
    ret[len] = '\0';
}

static int begin(struct conversation *with, struct fault *fault)
{
    static const struct http_header lifetime = {"x-aws-ec2-metadata-token-ttl-seconds", "300"};
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    AUTO_BUF struct buf url = BUF_INIT(URL_MAX);
    print_url(&url, with->address, "/latest/api/token");
    int r = ask(with, "PUT", buf_string(&url), &lifetime, &answer, fault);
    if (r == 0)
        take_word(&answer.body, with->token, sizeof with->token);
    return r == 0 && !with->token[0] ? fault_set(fault, -EBADMSG, "%s: the token is no word", with->address)
                                     : r;
}

static int fetch(struct conversation *with, const char *path, struct http_answer *ret)
{
    const struct http_header token = {"x-aws-ec2-metadata-token", with->token};
    AUTO_BUF struct buf url = BUF_INIT(URL_MAX);
    print_url(&url, with->address, path);
    return ask(with, "GET", buf_string(&url), &token, ret, NULL);
}

/* "" where the service does not have it. */
static void fetch_word(struct conversation *with, const char *path, char *ret, size_t size)
{
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    ret[0] = '\0';
    if (fetch(with, path, &answer) == 0)
        take_word(&answer.body, ret, size);
}

static void fetch_interface(struct conversation *with, struct metadata_interface *ret)
{
    const struct {
        const char *name;
        char *to;
    } words[] = {{"interface-id", ret->interface_id}, {"subnet-id", ret->subnet_id}, {"vpc-id", ret->vpc_id}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "/latest/meta-data/network/interfaces/macs/%s/%s", ret->mac,
                       words[i].name);
        fetch_word(with, path, words[i].to, METADATA_TEXT);
    }
}

/* A list of MACs, each with a slash behind it, a line each. */
static int fetch_interfaces(struct conversation *with, struct metadata_instance *ret)
{
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    if (fetch(with, "/latest/meta-data/network/interfaces/macs/", &answer) < 0)
        return 0;
    ret->interfaces = calloc(INTERFACES_MAX, sizeof *ret->interfaces);
    if (!ret->interfaces)
        return -ENOMEM;
    const char *text = buf_string(&answer.body);
    while (*text && ret->interface_count < INTERFACES_MAX) {
        struct metadata_interface *one = &ret->interfaces[ret->interface_count];
        size_t len = strspn(text, "0123456789abcdef:");
        if (len == 17) {
            memcpy(one->mac, text, len);
            fetch_interface(with, one);
            ret->interface_count++;
        }
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return 0;
}

static void copy_text(const json_t *object, const char *name, char *ret, size_t size)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text && strlen(text) < size && !strpbrk(text, " \t\r\n"))
        (void)snprintf(ret, size, "%s", text);
}

/* Region, account and instance stand in the identity document. */
static int fetch_identity(struct conversation *with, struct metadata_instance *ret, struct fault *fault)
{
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    int r = fetch(with, "/latest/dynamic/instance-identity/document", &answer);
    json_t *document = r == 0 ? json_loadb(buf_string(&answer.body), answer.body.len, 0, NULL) : NULL;
    if (!json_is_object(document))
        r = fault_set(fault, r < 0 ? r : -EBADMSG, "%s: no instance identity document", with->address);
    copy_text(document, "accountId", ret->account_id, sizeof ret->account_id);
    copy_text(document, "region", ret->region, sizeof ret->region);
    copy_text(document, "instanceId", ret->instance_id, sizeof ret->instance_id);
    json_decref(document);
    return r;
}

int metadata_read_instance(struct metadata_instance *ret, struct fault *fault)
{
    const struct http_settings settings = {.connect_ms = REQUEST_MS};
    AUTO_HTTP struct http *http = NULL;
    *ret = (struct metadata_instance){0};
    int r = http_new(&http, &settings, fault);
    if (r < 0)
        return r;
    struct conversation with = {.http = http, .address = address_of_service()};
    r = begin(&with, fault);
    if (r == 0)
        r = fetch_identity(&with, ret, fault);
    if (r == 0) {
        fetch_word(&with, "/latest/meta-data/placement/availability-zone-id", ret->az_id, sizeof ret->az_id);
        r = fetch_interfaces(&with, ret);
    }
    if (r < 0) {
        metadata_instance_done(ret);
        fault_prefix(fault, "instance metadata");
    }
    return r;
}

void metadata_instance_done(struct metadata_instance *instance)
{
    free(instance->interfaces);
    *instance = (struct metadata_instance){0};
}

static const char *behind_last(const char *text, char c)
{
    const char *last = strrchr(text, c);
    return last ? last + 1 : text;
}

/* ARNs of one task share "arn:aws:ecs:REGION:ACCOUNT:". */
static void print_arn(const struct metadata_task *task, const char *kind, const char *name, char *ret)
{
    const char *resource = strstr(task->task_arn, ":task/");
    if (resource && *name)
        (void)snprintf(ret, METADATA_ARN, "%.*s:%s/%.120s", (int)(resource - task->task_arn), task->task_arn,
                       kind, name);
}

static void read_containers(struct metadata_task *ret, const json_t *document)
{
    char *const places[] = {ret->container_id, ret->second_container_id};
    const json_t *containers = json_object_get(document, "Containers");
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        copy_text(json_array_get(containers, i), "DockerId", places[i], METADATA_ARN);
}

int metadata_parse_task(struct metadata_task *ret, const char *text, size_t len, struct fault *fault)
{
    char family[METADATA_ARN] = "";
    char revision[METADATA_ARN] = "";
    char definition[2 * METADATA_ARN + 2];
    json_t *document = json_loadb(text, len, 0, NULL);
    *ret = (struct metadata_task){0};
    if (!json_is_object(document)) {
        json_decref(document);
        return fault_set(fault, -EBADMSG, "task metadata: it is no JSON object");
    }
    copy_text(document, "TaskARN", ret->task_arn, sizeof ret->task_arn);
    copy_text(document, "Cluster", ret->cluster_name, sizeof ret->cluster_name);
    copy_text(document, "ServiceName", ret->service_name, sizeof ret->service_name);
    copy_text(document, "Family", family, sizeof family);
    copy_text(document, "Revision", revision, sizeof revision);
    read_containers(ret, document);
    json_decref(document);
    if (strncmp(ret->cluster_name, "arn:", 4) == 0) { /* which of the two it is differs by launch type */
        memcpy(ret->cluster_arn, ret->cluster_name, sizeof ret->cluster_arn);
        (void)snprintf(ret->cluster_name, sizeof ret->cluster_name, "%s", behind_last(ret->cluster_arn, '/'));
    } else {
        print_arn(ret, "cluster", ret->cluster_name, ret->cluster_arn);
    }
    (void)snprintf(definition, sizeof definition, "%s:%s", family, revision);
    if (family[0] && revision[0])
        print_arn(ret, "task-definition", definition, ret->definition_arn);
    if (ret->task_arn[0])
        (void)snprintf(ret->task_id, sizeof ret->task_id, "%s", behind_last(ret->task_arn, '/'));
    return 0;
}

int metadata_read_task(struct metadata_task *ret, struct fault *fault)
{
    const struct http_settings settings = {.connect_ms = REQUEST_MS};
    const char *address = aws_variable("ECS_CONTAINER_METADATA_URI_V4");
    AUTO_HTTP struct http *http = NULL;
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    AUTO_BUF struct buf url = BUF_INIT(URL_MAX);
    *ret = (struct metadata_task){0};
    if (!address)
        return -ENOENT;
    int r = http_new(&http, &settings, fault);
    if (r < 0)
        return r;
    struct conversation with = {.http = http};
    print_url(&url, address, "/task");
    r = ask(&with, "GET", buf_string(&url), NULL, &answer, fault);
    if (r == 0)
        r = metadata_parse_task(ret, buf_string(&answer.body), answer.body.len, fault);
    if (r < 0)
        fault_prefix(fault, "task metadata");
    return r;
}
