/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * AWS Signature Version 4. One canonical form serves both ends: whoever sends signs a request with it,
 * whoever receives one works out the same signature and compares. Pure functions; times and keys are
 * parameters.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/header.h"
#include "base/buf.h"
#include "base/macro.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"
#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"
#define SIGV4_TIME_LEN 16 /* "20260102T030405Z" */
#define SIGV4_HEX_LEN 64  /* of a SHA-256 */
#define SIGV4_HEADERS_MAX 64

/* A request as it goes over the wire. */
struct sigv4_request {
    const char *method;
    const char *path;                  /* percent-encoded, from the first slash on */
    const char *query;                 /* percent-encoded, without the question mark; "" when there is none */
    const struct http_header *headers; /* those that are signed, in any order; `host` has to be one */
    size_t header_count;               /* at most SIGV4_HEADERS_MAX */
    const char *payload_hash;          /* hex, or SIGV4_UNSIGNED_PAYLOAD */
    bool
        is_s3; /* its paths stand as they are; those of other services are normalised and encoded once more */
};

/* Whom a signature is for. */
struct sigv4_scope {
    const char *time; /* SIGV4_TIME_LEN characters, also the x-amz-date header */
    const char *region;
    const char *service;
};

/* The text that is hashed. An empty or doubled name in the query is kept; a name without value gets "=". */
void sigv4_print_canonical(struct buf *buf, const struct sigv4_request *request);

/* Names of the headers, in lower case, sorted, with semicolons. */
void sigv4_print_signed_headers(struct buf *buf, const struct sigv4_request *request);

/* The signature in hex, with a NUL. -ENOMEM; -E2BIG for a request beyond SIGV4_HEADERS_MAX or 256 KiB. */
int sigv4_sign(const struct sigv4_request *request, const struct sigv4_scope *scope, const char *secret_key,
               char ret[SIGV4_HEX_LEN + 1]) MUST_USE;

/* "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…" */
void sigv4_print_authorization(struct buf *buf, const struct sigv4_request *request,
                               const struct sigv4_scope *scope, const char *access_key,
                               const char *signature);

void sigv4_format_time(uint64_t time_ns, char ret[SIGV4_TIME_LEN + 1]);

/* SHA-256 in hex, with a NUL. */
void sigv4_hash(const void *data, size_t len, char ret[SIGV4_HEX_LEN + 1]);

/* Of part of a file. Negative errno; -EIO when the file ends before. */
int sigv4_digest_file(int fd, uint64_t offset, uint64_t len, uint8_t ret[32]) MUST_USE;
void sigv4_format_digest(const uint8_t digest[32], char ret[SIGV4_HEX_LEN + 1]);
