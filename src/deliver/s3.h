/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the two ways of putting an object into S3 share: s3.c in one request, s3_multipart.c in parts. */

#include "aws/client.h"
#include "aws/sigv4.h"
#include "deliver/driver.h"

#define S3_PART_SIZE (16UL << 20) /* and the largest object that goes in one request */
#define S3_HEADERS_MAX 12
#define S3_CHECKSUM_LEN 44 /* a SHA-256 in base64 */
#define S3_ETAG_MAX 256

struct s3 {
    struct aws_client *client;
    char *bucket;
    char *prefix;    /* of keys; "" or with a slash at its end */
    const char *acl; /* words of S3, NULL: the header is left out */
    const char *encryption;
    const char *storage_class;
    char *kms_key; /* NULL: none */
    bool checksum;
};

/* One object on its way. */
struct s3_put {
    const struct s3 *s3;
    const struct object_file *object;
    const atomic_bool *cancelled;
    int fd;
    struct buf path;        /* of the key, encoded */
    struct aws_error error; /* of the last request that failed */
};

/* Headers of a request, their texts borrowed. */
struct s3_headers {
    struct http_header items[S3_HEADERS_MAX];
    size_t count;
};

void s3_headers_add(struct s3_headers *headers, const char *name,
                    const char *value); /* not when it is NULL */

/* What an object is to be: content type, ACL, encryption, storage class. */
void s3_headers_describe(struct s3_headers *headers, const struct s3_put *put);

void s3_print_checksum(const uint8_t digest[32], char ret[S3_CHECKSUM_LEN + 1]);

/*
 * A request about the object. `query` NULL: none. `hash`: of a body in a file. Negative with put->error and
 * the fault when it did not succeed.
 */
int s3_request(struct s3_put *put, const char *method, const char *query, const struct s3_headers *headers,
               const struct http_body *body, const char *hash, struct http_answer *ret,
               struct fault *fault) MUST_USE;

/*
 * S3 confirms an object or a part with an ETag, and where it knows checksums with what it worked out itself.
 * A 200 without one comes from something else that answers in S3's place. -EPROTO.
 */
int s3_check_confirmation(const struct http_answer *answer, const char *checksum,
                          char ret_etag[static S3_ETAG_MAX], struct fault *fault) MUST_USE;

/* Uploads in parts. On failure what was uploaded is taken back as far as the service answers. */
int s3_put_parts(struct s3_put *put, struct fault *fault) MUST_USE;
