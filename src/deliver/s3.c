/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/s3.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/base64.h>

#include "aws/uri.h"
#include "base/cleanup.h"
#include "deliver/service.h"

#define ANSWER_MAX (1UL << 20)
#define KEY_MAX 1024 /* bytes, S3's bound */

/* S3's words, by the enums of destination.h. */
static const char *const acls[] = {
    [S3_ACL_BUCKET_OWNER_FULL_CONTROL] = "bucket-owner-full-control",
    [S3_ACL_BUCKET_OWNER_READ] = "bucket-owner-read",
    [S3_ACL_PRIVATE] = "private",
    [S3_ACL_NONE] = NULL,
};

static const char *const encryptions[] = {
    [S3_ENCRYPTION_BUCKET] = NULL, [S3_ENCRYPTION_S3] = "AES256", [S3_ENCRYPTION_KMS] = "aws:kms"};

static const char *const storage_classes[] = {
    [S3_STORAGE_STANDARD] = NULL, /* the service's own default */
    [S3_STORAGE_STANDARD_IA] = "STANDARD_IA",
    [S3_STORAGE_ONEZONE_IA] = "ONEZONE_IA",
    [S3_STORAGE_INTELLIGENT_TIERING] = "INTELLIGENT_TIERING",
    [S3_STORAGE_GLACIER_IR] = "GLACIER_IR",
    [S3_STORAGE_GLACIER] = "GLACIER",
    [S3_STORAGE_DEEP_ARCHIVE] = "DEEP_ARCHIVE",
    [S3_STORAGE_REDUCED_REDUNDANCY] = "REDUCED_REDUNDANCY",
};

static void s3_close(void *state)
{
    struct s3 *s3 = state;
    aws_client_free(s3->client);
    free(s3->bucket);
    free(s3->prefix);
    free(s3->kms_key);
    free(s3);
}

static int s3_open(void **ret, const struct destination_settings *settings, struct fault *fault)
{
    const struct s3_settings *said = &settings->s3;
    struct s3 *s3 = calloc(1, sizeof *s3);
    if (!s3)
        return fault_set(fault, -ENOMEM, "out of memory");
    s3->acl = acls[said->acl];
    s3->encryption = encryptions[said->encryption];
    s3->storage_class = storage_classes[said->storage_class];
    s3->checksum = said->checksum == S3_CHECKSUM_SHA256;
    s3->bucket = strdup(settings->aws.bucket);
    s3->prefix = strdup(settings->target);
    s3->kms_key = said->kms_key ? strdup(said->kms_key) : NULL;
    int r = s3->bucket && s3->prefix && (s3->kms_key || !said->kms_key)
                ? aws_client_new(&s3->client, &settings->aws, fault)
                : fault_set(fault, -ENOMEM, "out of memory");
    if (r < 0)
        s3_close(s3);
    else
        *ret = s3;
    return r;
}

void s3_headers_add(struct s3_headers *headers, const char *name, const char *value)
{
    if (value)
        headers->items[headers->count++] = (struct http_header){name, value};
}

void s3_headers_describe(struct s3_headers *headers, const struct s3_put *put)
{
    const struct s3 *s3 = put->s3;
    s3_headers_add(headers, "content-type", put->object->content_type);
    s3_headers_add(headers, "x-amz-acl", s3->acl);
    s3_headers_add(headers, "x-amz-server-side-encryption", s3->encryption);
    s3_headers_add(headers, "x-amz-server-side-encryption-aws-kms-key-id", s3->kms_key);
    s3_headers_add(headers, "x-amz-storage-class", s3->storage_class);
}

void s3_print_checksum(const uint8_t digest[32], char ret[S3_CHECKSUM_LEN + 1])
{
    base64_encode_raw(ret, 32, digest);
    ret[S3_CHECKSUM_LEN] = '\0';
}

int s3_request(struct s3_put *put, const char *method, const char *query, const struct s3_headers *headers,
               const struct http_body *body, const char *hash, struct http_answer *ret, struct fault *fault)
{
    const struct aws_call call = {
        .method = method,
        .path = buf_string(&put->path),
        .query = query,
        .headers = headers ? headers->items : NULL,
        .header_count = headers ? headers->count : 0,
        .body = body,
        .payload_hash = hash,
        .cancelled = put->cancelled,
    };
    return aws_client_call(put->s3->client, &call, ret, &put->error, fault);
}

int s3_check_confirmation(const struct http_answer *answer, const char *checksum,
                          char ret_etag[static S3_ETAG_MAX], struct fault *fault)
{
    char value[256];
    if (!http_answer_header(answer, "etag", ret_etag, S3_ETAG_MAX)[0])
        return fault_set(fault, -EPROTO, "HTTP %u without an ETag is no confirmation of S3", answer->status);
    (void)http_answer_header(answer, "x-amz-checksum-sha256", value, sizeof value);
    if (value[0] && strcmp(value, checksum) != 0)
        return fault_set(fault, -EPROTO, "S3 has other bytes than were sent: SHA-256 %s, not %s", value,
                         checksum);
    return 0;
}

static int put_whole(struct s3_put *put, struct fault *fault)
{
    const struct object_file *object = put->object;
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    const struct http_body body = {.is_file = true, .fd = put->fd, .len = object->size};
    struct s3_headers headers = {0};
    char hash[SIGV4_HEX_LEN + 1];
    char checksum[S3_CHECKSUM_LEN + 1];
    char etag[S3_ETAG_MAX];
    sigv4_format_digest(object->sha256, hash);
    s3_print_checksum(object->sha256, checksum);
    s3_headers_describe(&headers, put);
    s3_headers_add(&headers, "x-amz-checksum-sha256", put->s3->checksum ? checksum : NULL);
    int r = s3_request(put, "PUT", NULL, &headers, &body, hash, &answer, fault);
    return r < 0 ? r : s3_check_confirmation(&answer, checksum, etag, fault);
}

static int open_object(struct s3_put *put, struct fault *fault)
{
    put->fd = open(put->object->path, O_RDONLY | O_CLOEXEC);
    return put->fd >= 0 ? 0
                        : fault_set(fault, -errno, "%s: cannot open: %s", put->object->path, strerror(errno));
}

static int send_object(struct s3_put *put, struct fault *fault)
{
    const struct s3 *s3 = put->s3;
    AUTO_BUF struct buf key = BUF_INIT(KEY_MAX);
    buf_printf(&key, "%s%s", s3->prefix, put->object->key);
    buf_char(&put->path, '/');
    uri_encode(&put->path, key.data, key.len, true);
    int r = open_object(put, fault);
    if (r == 0)
        r = put->object->size > S3_PART_SIZE ? s3_put_parts(put, fault) : put_whole(put, fault);
    if (r < 0)
        fault_prefix(fault, "s3://%s/%s%s", s3->bucket, s3->prefix, put->object->key);
    return r;
}

/* Of the object itself. REFUSALS: what is wrong with bucket or settings a person can mend. */
static enum refusal refusal_of(const struct aws_error *error)
{
    static const struct {
        const char *code;
        enum refusal refusal;
    } codes[] = {{"EntityTooLarge", REFUSAL_TOO_LARGE},
                 {"KeyTooLongError", REFUSAL_INVALID},
                 {"KeyTooLong", REFUSAL_INVALID}};
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (service_refuses(error, codes[i].code))
            return codes[i].refusal;
    return REFUSALS;
}

static void s3_put_object(void *state, const struct object_file *object, const atomic_bool *cancelled,
                          struct outcome *ret)
{
    const struct s3 *s3 = state;
    struct s3_put put = {
        .s3 = s3, .object = object, .cancelled = cancelled, .fd = -1, .path = BUF_INIT(16384)};
    struct fault fault = {0}; /* of parts that were sent again, too */
    int r = send_object(&put, &fault);
    if (r < 0) {
        ret->fault = fault;
        service_tell_error(&put.error, ret);
        enum refusal refusal = refusal_of(&put.error);
        if (refusal != REFUSALS) {
            ret->kind = OUTCOME_REJECTED;
            ret->refused[refusal] = object->records;
        }
    } else {
        (void)snprintf(ret->object, sizeof ret->object, "s3://%s/%s%s", s3->bucket, s3->prefix, object->key);
    }
    if (put.fd >= 0)
        close(put.fd);
    buf_done(&put.path);
}

const struct delivery_driver deliver_s3_driver = {
    .backoff_max_s = 300,
    .open = s3_open,
    .close = s3_close,
    .put = s3_put_object,
};
