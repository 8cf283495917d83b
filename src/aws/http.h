/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One HTTP exchange at a time over libcurl, connections kept between them. Blocking; a handle belongs to one
 * thread. Never follows a redirect, never logs.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/header.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/macro.h"

/* Where a request's body comes from: memory, or part of a file. */
struct http_body {
    const void *data; /* when `fd` is not used */
    bool is_file;
    int fd;
    uint64_t offset;
    uint64_t len;
};

struct http_request {
    const char *method;
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    const struct http_body *body; /* NULL: none */
    unsigned total_ms;            /* 0: as long as bytes move */
    bool direct;                  /* past every proxy: for addresses of this machine's own surroundings */
    const atomic_bool *cancelled; /* may be NULL; seen within a second */
};

struct http_answer {
    unsigned status;
    struct buf headers; /* "name: value\n" each, names in lower case */
    struct buf body;
};

struct http_settings {
    const char *proxy;     /* NULL: as the environment says (https_proxy, no_proxy, …) */
    const char *ca_bundle; /* PEM file instead of the system's; NULL: the system's */
    unsigned connect_ms;   /* 0: 10 s */
    unsigned stall_s;      /* given up when less than 1 byte/s moves for as long; 0: 30 s */
};

struct http;

/* Copies the settings. */
int http_new(struct http **ret, const struct http_settings *settings, struct fault *fault) MUST_USE;
void http_free(struct http *http);

static inline void cleanup_http(struct http **http)
{
    http_free(*http);
}
#define AUTO_HTTP CLEANUP(cleanup_http)

/* Room for an answer's body. */
#define HTTP_ANSWER_INIT(body_max)                                                                           \
    (struct http_answer)                                                                                     \
    {                                                                                                        \
        .headers = BUF_INIT(64 * 1024), .body = BUF_INIT(body_max)                                           \
    }
void http_answer_done(struct http_answer *answer); /* wipes: answers may hold keys */
#define AUTO_HTTP_ANSWER CLEANUP(http_answer_done)

/*
 * 0 when a complete answer came, whatever its status. Otherwise nothing is known about what the server did:
 * -ECANCELED, -ETIMEDOUT, -EFBIG (answer larger than its buffer), -EIO (all else), with a fault that names
 * host and cause but no query, header or body.
 */
int http_exchange(struct http *http, const struct http_request *request, struct http_answer *ret,
                  struct fault *fault) MUST_USE;

/* The value of a header (name in lower case), "" when it did not come. Valid until the answer changes. */
const char *http_answer_header(const struct http_answer *answer, const char *name, char *room, size_t size);
