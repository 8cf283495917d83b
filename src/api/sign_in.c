/* SPDX-License-Identifier: Apache-2.0 */
#include "api/sign_in.h"

#include <nettle/memops.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "aws/sigv4.h"
#include "base/macro.h"

#define SKEW_S (15 * 60)
#define PART_MAX 128

/* The parts of "AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=a;b,
 * Signature=HEX". */
struct authorization {
    char key[PART_MAX];
    char date[9];
    char region[PART_MAX];
    char service[PART_MAX];
    char signature[SIGV4_HEX_LEN + 1];
    char signed_headers[4096];
};

static bool refuse(struct ec2_error *ret, unsigned status, const char *code, const char *message)
{
    *ret = (struct ec2_error){.status = status};
    (void)snprintf(ret->code, sizeof ret->code, "%s", code);
    (void)snprintf(ret->message, sizeof ret->message, "%s", message);
    return false;
}

/* Up to `end`, which must come before room is out; the rest of the text, or NULL. */
static const char *take(const char *text, char end, char *to, size_t size)
{
    const char *found = text ? strchrnul(text, end) : NULL;
    if (!found || *found != end || found == text || (size_t)(found - text) >= size)
        return NULL;
    memcpy(to, text, (size_t)(found - text));
    to[found - text] = '\0';
    return end ? found + 1 : found;
}

/* Behind the name and "="; fields are parted by commas and spaces, in any order. */
static const char *find_field(const char *text, const char *name)
{
    const char *found = strstr(text, name);
    return found && (found[-1] == ' ' || found[-1] == ',') ? found + strlen(name) : NULL;
}

static bool take_field(const char *text, const char *name, char *to, size_t size)
{
    const char *field = find_field(text, name);
    size_t len = field ? strcspn(field, ", ") : 0;
    if (!len || len >= size)
        return false;
    memcpy(to, field, len);
    to[len] = '\0';
    return true;
}

static bool parse(const char *text, struct authorization *ret)
{
    char credential[4 * PART_MAX];
    *ret = (struct authorization){0};
    if (strncmp(text, SIGV4_ALGORITHM " ", strlen(SIGV4_ALGORITHM " ")) != 0 ||
        !take_field(text, "Credential=", credential, sizeof credential) ||
        !take_field(text, "SignedHeaders=", ret->signed_headers, sizeof ret->signed_headers) ||
        !take_field(text, "Signature=", ret->signature, sizeof ret->signature) ||
        strlen(ret->signature) != SIGV4_HEX_LEN)
        return false;
    const char *rest = take(credential, '/', ret->key, sizeof ret->key);
    rest = take(rest, '/', ret->date, sizeof ret->date);
    rest = take(rest, '/', ret->region, sizeof ret->region);
    rest = take(rest, '/', ret->service, sizeof ret->service);
    return rest && strcmp(rest, "aws4_request") == 0;
}

static const char *find_header(const struct sign_in_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; *at; at += strcspn(at, ";"), at += *at == ';')
        if (strcspn(at, ";") == len && strncasecmp(at, name, len) == 0)
            return true;
    return false;
}

/* The signed ones; 0 when there are too many, or one is not there. */
static size_t collect_headers(const struct sign_in_request *request, const char *list,
                              struct http_header ret[SIGV4_HEADERS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!is_listed(list, request->headers[i].name))
            continue;
        if (count == SIGV4_HEADERS_MAX)
            return 0;
        ret[count++] = request->headers[i];
    }
    char name[PART_MAX];
    for (const char *at = list; *at; at += strcspn(at, ";"), at += *at == ';') {
        size_t len = strcspn(at, ";");
        (void)snprintf(name, sizeof name, "%.*s", (int)len, at);
        if (len >= sizeof name || !find_header(request, name))
            return 0;
    }
    return count;
}

/* "20260102T030405Z" as seconds since the epoch. */
static bool parse_time(const char *text, int64_t *ret)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y%m%dT%H%M%SZ", &tm);
    if (!end || *end || strlen(text) != SIGV4_TIME_LEN)
        return false;
    *ret = timegm(&tm);
    return true;
}

static bool is_signature(const struct sign_in_request *request, const struct authorization *authorization,
                         const char *time, const char *secret)
{
    struct http_header headers[SIGV4_HEADERS_MAX];
    char hash[SIGV4_HEX_LEN + 1];
    char expected[SIGV4_HEX_LEN + 1];
    sigv4_hash(request->body, request->body_len, hash);
    const char *told = find_header(request, "x-amz-content-sha256");
    const struct sigv4_request canonical = {
        .method = request->method,
        .path = request->path,
        .query = request->query,
        .headers = headers,
        .header_count = collect_headers(request, authorization->signed_headers, headers),
        .payload_hash = hash,
    };
    const struct sigv4_scope scope = {time, authorization->region, request->service};
    return canonical.header_count && (!told || strcmp(told, hash) == 0) &&
           sigv4_sign(&canonical, &scope, secret, expected) == 0 &&
           memeql_sec(expected, authorization->signature, SIGV4_HEX_LEN);
}

bool sign_in(const struct access_keys *keys, const struct sign_in_request *request, uint64_t now_ns,
             unsigned *ret_rights, struct ec2_error *ret_error)
{
    struct authorization authorization;
    const char *header = find_header(request, "Authorization");
    const char *time = find_header(request, "X-Amz-Date");
    int64_t signed_s;
    if (!header)
        return refuse(ret_error, 403, "MissingAuthenticationToken",
                      "The request must be signed (AWS Signature Version 4).");
    if (!parse(header, &authorization) || !time || !parse_time(time, &signed_s) ||
        strncmp(authorization.date, time, strlen(authorization.date)) != 0 ||
        !is_listed(authorization.signed_headers, "host") ||
        !is_listed(authorization.signed_headers, "x-amz-date"))
        return refuse(
            ret_error, 400, "IncompleteSignature",
            "The request signature does not conform to AWS Signature Version 4: it needs a credential, its "
            "date, a signature, and host and x-amz-date among the signed headers.");
    if (llabs((long long)(now_ns / NS_PER_S) - (long long)signed_s) > SKEW_S)
        return refuse(ret_error, 400, "RequestExpired",
                      "Request has expired: it was signed more than 15 minutes from now.");
    const json_t *key = access_keys_find(keys, authorization.key);
    /* An unknown key takes as long as a wrong signature. */
    const char *secret = key ? json_string_value(json_object_get(key, "secret")) : "no such key";
    bool right = is_signature(request, &authorization, time, secret);
    if (!key || !right || strcmp(authorization.service, request->service) != 0)
        return refuse(ret_error, 401, "AuthFailure",
                      "AWS was not able to validate the provided access credentials");
    *ret_rights = access_key_rights(key);
    return true;
}
