/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/error.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "aws/xml.h"

/*
 * Codes that say more than the status does; from the services' models and their pages on common errors. What
 * is not here is told by its status.
 */
static const struct {
    const char *code;
    enum aws_error_class class;
} classes[] = {
    {"ExpiredToken", AWS_ERROR_EXPIRED},
    {"ExpiredTokenException", AWS_ERROR_EXPIRED},
    {"TokenRefreshRequired", AWS_ERROR_EXPIRED},
    {"RequestTimeTooSkewed", AWS_ERROR_SKEWED},
    {"RequestExpired", AWS_ERROR_SKEWED},
    {"RequestInTheFuture", AWS_ERROR_SKEWED},
    {"Throttling", AWS_ERROR_THROTTLED},
    {"ThrottlingException", AWS_ERROR_THROTTLED},
    {"ThrottledException", AWS_ERROR_THROTTLED},
    {"RequestThrottled", AWS_ERROR_THROTTLED},
    {"RequestThrottledException", AWS_ERROR_THROTTLED},
    {"RequestLimitExceeded", AWS_ERROR_THROTTLED},
    {"BandwidthLimitExceeded", AWS_ERROR_THROTTLED},
    {"LimitExceededException", AWS_ERROR_THROTTLED},
    {"ProvisionedThroughputExceededException", AWS_ERROR_THROTTLED},
    {"TooManyRequestsException", AWS_ERROR_THROTTLED},
    {"SlowDown", AWS_ERROR_THROTTLED},
    {"AccessDenied", AWS_ERROR_ACCESS},
    {"AccessDeniedException", AWS_ERROR_ACCESS},
    {"AllAccessDisabled", AWS_ERROR_ACCESS},
    {"AuthFailure", AWS_ERROR_ACCESS},
    {"IncompleteSignature", AWS_ERROR_ACCESS},
    {"IncompleteSignatureException", AWS_ERROR_ACCESS},
    {"InvalidAccessKeyId", AWS_ERROR_ACCESS},
    {"InvalidClientTokenId", AWS_ERROR_ACCESS},
    {"InvalidIdentityToken", AWS_ERROR_ACCESS},
    {"InvalidSignatureException", AWS_ERROR_ACCESS},
    {"InvalidToken", AWS_ERROR_ACCESS},
    {"MissingAuthenticationToken", AWS_ERROR_ACCESS},
    {"MissingAuthenticationTokenException", AWS_ERROR_ACCESS},
    {"OptInRequired", AWS_ERROR_ACCESS},
    {"SignatureDoesNotMatch", AWS_ERROR_ACCESS},
    {"UnrecognizedClientException", AWS_ERROR_ACCESS},
    {"InvalidKMSResourceException", AWS_ERROR_ACCESS},
    {"KMS.DisabledException", AWS_ERROR_ACCESS},
    {"KMS.NotFoundException", AWS_ERROR_ACCESS},
    {"NoSuchBucket", AWS_ERROR_MISSING},
    {"NoSuchUpload", AWS_ERROR_MISSING},
    {"ResourceNotFoundException", AWS_ERROR_MISSING},
    {"ResourceAlreadyExistsException", AWS_ERROR_EXISTS},
    {"AuthorizationHeaderMalformed", AWS_ERROR_REDIRECTED},
    {"PermanentRedirect", AWS_ERROR_REDIRECTED},
    {"TemporaryRedirect", AWS_ERROR_REDIRECTED},
    /* The same once more may well succeed. */
    {"BadDigest", AWS_ERROR_SERVER},
    {"IncompleteBody", AWS_ERROR_SERVER},
    {"InternalError", AWS_ERROR_SERVER},
    {"InternalFailure", AWS_ERROR_SERVER},
    {"OperationAborted", AWS_ERROR_SERVER},
    {"RequestTimeout", AWS_ERROR_SERVER},
    {"RequestTimeoutException", AWS_ERROR_SERVER},
    {"ServiceUnavailable", AWS_ERROR_SERVER},
    {"ServiceUnavailableException", AWS_ERROR_SERVER},
    {"XAmzContentSHA256Mismatch", AWS_ERROR_SERVER},
};

static enum aws_error_class class_of_status(unsigned status)
{
    switch (status) {
    case 301:
    case 302:
    case 307:
    case 308:
        return AWS_ERROR_REDIRECTED;
    case 401:
    case 403:
    case 407:
        return AWS_ERROR_ACCESS;
    case 404:
    case 410:
        return AWS_ERROR_MISSING;
    case 408:
        return AWS_ERROR_SERVER;
    case 429:
        return AWS_ERROR_THROTTLED;
    default:
        return status >= 400 && status < 500 ? AWS_ERROR_REQUEST : AWS_ERROR_SERVER;
    }
}

/* Signatures that are off by their time carry no code of their own: the message alone tells. */
static bool tells_of_time(const struct aws_error *error)
{
    bool signature = strcmp(error->code, "InvalidSignatureException") == 0 ||
                     strcmp(error->code, "SignatureDoesNotMatch") == 0;
    return signature &&
           (strstr(error->message, "Signature expired") || strstr(error->message, "not yet current"));
}

static enum aws_error_class classify(const struct aws_error *error)
{
    if (error->status / 100 == 2)
        return AWS_ERROR_NONE;
    if (tells_of_time(error))
        return AWS_ERROR_SKEWED;
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
        if (strcmp(error->code, classes[i].code) == 0)
            return classes[i].class;
    return class_of_status(error->status);
}

/* Printable, and on one line. */
static void copy_text(char *to, size_t room, const char *text, size_t len)
{
    size_t put = 0;
    for (size_t i = 0; i < len && put + 1 < room; i++)
        to[put++] = iscntrl((unsigned char)text[i]) ? ' ' : text[i];
    to[put] = '\0';
}

/* "com.amazonaws.logs#ThrottlingException:http://…" is ThrottlingException. */
static void copy_code(struct aws_error *error, const char *text, size_t len)
{
    const char *hash = memchr(text, '#', len);
    if (hash) {
        len -= (size_t)(hash + 1 - text);
        text = hash + 1;
    }
    const char *colon = memchr(text, ':', len);
    copy_text(error->code, sizeof error->code, text, colon ? (size_t)(colon - text) : len);
}

static const char *find_string(const json_t *object, const char *const names[], size_t count, size_t *len)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(object, names[i]);
        if (json_is_string(value)) {
            *len = json_string_length(value);
            return json_string_value(value);
        }
    }
    return NULL;
}

static void read_json(const char *body, size_t len, struct aws_error *ret)
{
    static const char *const code_names[] = {"__type", "code", "Code"};
    static const char *const message_names[] = {"message", "Message", "errorMessage"};
    json_t *document = json_loadb(body, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    size_t size = 0;
    const char *text = find_string(document, code_names, ARRAY_SIZE(code_names), &size);
    if (text && !ret->code[0])
        copy_code(ret, text, size);
    text = find_string(document, message_names, ARRAY_SIZE(message_names), &size);
    if (text)
        copy_text(ret->message, sizeof ret->message, text, size);
    json_decref(document);
}

static void read_xml(const char *body, size_t len, struct aws_error *ret)
{
    AUTO_BUF struct buf text = BUF_INIT(4096);
    if (!ret->code[0] && xml_find_text(body, len, "Code", &text) == 0)
        copy_code(ret, text.data ? text.data : "", text.len);
    buf_clear(&text);
    if (xml_find_text(body, len, "Message", &text) == 0)
        copy_text(ret->message, sizeof ret->message, text.data ? text.data : "", text.len);
}

void aws_error_read(unsigned status, const char *type_header, const char *body, size_t len,
                    struct aws_error *ret)
{
    *ret = (struct aws_error){.status = status};
    if (status / 100 == 2)
        return;
    if (type_header)
        copy_code(ret, type_header, strlen(type_header));
    if (len && body[0] == '{')
        read_json(body, len, ret);
    else if (len && body[0] == '<')
        read_xml(body, len, ret);
    ret->class = classify(ret);
}

int aws_error_fault(const struct aws_error *error, int number, const char *context, struct fault *fault)
{
    if (!error->status)
        return fault_set(fault, number, "%s: %s", context, error->message);
    return fault_set(fault, number, "%s: HTTP %u%s%s%s%s", context, error->status, error->code[0] ? " " : "",
                     error->code, error->message[0] ? ": " : "", error->message);
}
