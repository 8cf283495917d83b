/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/destination_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "aws/endpoint.h"
#include "base/num.h"
#include "daemon/config_keys.h"

#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
#define HOST WORD ":[]"
#define PREFIX_MAX 512 /* bytes; leaves the rest of S3's 1024 to what is made below */

typedef int parser(struct destination_text *ret, const char *rest, struct fault *fault);

/* Copies a name of at most `max` of these characters. */
static bool take_name(char *to, const char *name, size_t len, const char *set, size_t max)
{
    if (len < 1 || len > max || strspn(name, set) < len)
        return false;
    memcpy(to, name, len);
    to[len] = '\0';
    return true;
}

static int parse_file(struct destination_text *ret, const char *rest, struct fault *fault)
{
    if (rest[0] != '/' || strlen(rest) >= PATH_ROOM)
        return -EINVAL;
    if (strcmp(strrchr(rest, '/'), "/AWSLogs") == 0) /* delivery.md 2.1 */
        return fault_set(fault, -EINVAL,
                         "found 'file://%s', but AWSLogs is the name of a folder made below it", rest);
    ret->folder = rest;
    return 0;
}

static int parse_stdout(struct destination_text *ret, const char *rest, struct fault *fault)
{
    return rest[0] ? -EINVAL : 0;
}

/* "BUCKET[/PREFIX]" (delivery.md 2.1) */
static int parse_s3(struct destination_text *ret, const char *rest, struct fault *fault)
{
    size_t len = strcspn(rest, "/");
    (void)snprintf(ret->bucket, sizeof ret->bucket, "%.*s", (int)len, rest);
    if (len >= sizeof ret->bucket || !endpoint_is_bucket_name(ret->bucket))
        return fault_set(
            fault, -EINVAL,
            "found bucket '%.*s', allowed: 3 to 63 lower-case letters, digits, '-' and '.', with a letter "
            "or digit at both ends",
            (int)len, rest);
    const char *prefix = rest + len + strspn(rest + len, "/");
    len = strlen(prefix);
    while (len && prefix[len - 1] == '/')
        len--;
    if (len > PREFIX_MAX)
        return fault_set(fault, -EINVAL, "found a prefix of %zu bytes, allowed: %d", len, PREFIX_MAX);
    const char *slash = memrchr(prefix, '/', len);
    const char *name = slash ? slash + 1 : prefix;
    if ((size_t)(prefix + len - name) == strlen("AWSLogs") && memcmp(name, "AWSLogs", strlen("AWSLogs")) == 0)
        return fault_set(fault, -EINVAL,
                         "found prefix '%.*s', but AWSLogs is the name of a folder made below it", (int)len,
                         prefix);
    (void)snprintf(ret->target, sizeof ret->target, "%.*s%s", (int)len, prefix, len ? "/" : "");
    return 0;
}

/* delivery.md 1.2 */
static int parse_group(struct destination_text *ret, const char *rest, struct fault *fault)
{
    size_t len = strlen(rest);
    if (take_name(ret->target, rest, len, WORD "/#", 512) && strncmp(rest, "aws/", 4) != 0)
        return 0;
    return fault_set(
        fault, -EINVAL,
        "found log group '%s', allowed: up to 512 letters, digits and '.', '-', '_', '/', '#', not "
        "beginning with aws/",
        rest);
}

/* delivery.md 3.2 */
static int parse_stream(struct destination_text *ret, const char *rest, struct fault *fault)
{
    if (take_name(ret->target, rest, strlen(rest), WORD, 64))
        return 0;
    return fault_set(fault, -EINVAL,
                     "found Firehose stream '%s', allowed: up to 64 letters, digits and '.', '-', '_'", rest);
}

/* "HOST:PORT", an IPv6 address in brackets. */
static bool is_broker(const char *text, size_t len)
{
    const char *colon = memrchr(text, ':', len);
    uint64_t port;
    if (!colon || colon == text || strspn(text, HOST) < len)
        return false;
    size_t host = (size_t)(colon - text);
    bool bracketed = text[0] == '[' && text[host - 1] == ']';
    return num_parse_u64(colon + 1, len - host - 1, 65535, &port) && port > 0 &&
           (bracketed || !memchr(text, ':', host));
}

static bool are_brokers(const char *text, size_t len)
{
    for (const char *end = text + len;; text++) {
        size_t one = strcspn(text, ",/");
        if (!is_broker(text, one))
            return false;
        text += one;
        if (text == end)
            return true;
    }
}

static int parse_kafka(struct destination_text *ret, const char *rest, struct fault *fault)
{
    size_t len = strcspn(rest, "/");
    if (!are_brokers(rest, len) || !take_name(ret->brokers, rest, len, HOST ",", sizeof ret->brokers - 1))
        return fault_set(fault, -EINVAL,
                         "found brokers '%.*s', allowed: HOST:PORT, more of them after commas", (int)len,
                         rest);
    const char *topic = rest[len] ? rest + len + 1 : "";
    if (!take_name(ret->target, topic, strlen(topic), WORD, 249))
        return fault_set(fault, -EINVAL,
                         "found topic '%s', allowed: up to 249 letters, digits and '.', '-', '_'", topic);
    return 0;
}

/* "PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE" behind "arn:". */
static int parse_arn(struct destination_text *ret, const char *rest, struct fault *fault)
{
    char service[16], resource[600];
    const char *bucket = strstr(rest, ":s3:::");
    if (strncmp(rest, "aws", 3) == 0 && bucket && bucket == strchr(rest, ':')) {
        ret->kind = DESTINATION_S3;
        return parse_s3(ret, bucket + strlen(":s3:::"), fault);
    }
    if (sscanf(rest, "aws%*[^:]:%15[^:]:%31[^:]:%*[0-9]:%599s", service, ret->region, resource) != 3 &&
        sscanf(rest, "aws:%15[^:]:%31[^:]:%*[0-9]:%599s", service, ret->region, resource) != 3)
        return -EINVAL;
    if (strcmp(service, "logs") == 0 && strncmp(resource, "log-group:", 10) == 0) {
        char *group = resource + 10;
        size_t len = strlen(group);
        if (len > 2 && strcmp(group + len - 2, ":*") == 0)
            group[len - 2] = '\0';
        ret->kind = DESTINATION_CLOUDWATCH;
        return parse_group(ret, group, fault);
    }
    /* With a slash in practice, with a colon in AWS's text. */
    if (strcmp(service, "firehose") == 0 && strncmp(resource, "deliverystream", 14) == 0 &&
        (resource[14] == '/' || resource[14] == ':')) {
        ret->kind = DESTINATION_FIREHOSE;
        return parse_stream(ret, resource + 15, fault);
    }
    return -EINVAL;
}

int destination_text_parse(struct destination_text *ret, const char *text, struct fault *fault)
{
    static const struct {
        const char *scheme;
        enum destination_kind kind;
        parser *parse;
    } schemes[] = {
        {"file://", DESTINATION_FILE, parse_file},
        {"stdout", DESTINATION_STDOUT, parse_stdout},
        {"s3://", DESTINATION_S3, parse_s3},
        {"cloudwatch:", DESTINATION_CLOUDWATCH, parse_group},
        {"firehose:", DESTINATION_FIREHOSE, parse_stream},
        {"kafka://", DESTINATION_KAFKA, parse_kafka},
        {"arn:", DESTINATION_CLOUDWATCH, parse_arn},
    };
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t len = strlen(schemes[i].scheme);
        if (strncmp(text, schemes[i].scheme, len) != 0)
            continue;
        *ret = (struct destination_text){.kind = schemes[i].kind};
        return schemes[i].parse(ret, text + len, fault);
    }
    return -EINVAL;
}
