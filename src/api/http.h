/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon's HTTP listener, on libmicrohttpd. It has no thread: the caller watches http_fd() and calls
 * http_process(), so handlers run in the caller's loop and need no locks. It never blocks and its costs are
 * bounded: connections, the size of a request's head and body, and the time that a request and its answer
 * may take.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/macro.h"

#define HTTP_CONNECTIONS_MAX 64
#define HTTP_HEAD_MAX (32 * 1024)   /* of a request, with its line */
#define HTTP_BODY_MAX (1024 * 1024) /* of a request */
#define HTTP_ANSWER_MAX (64 * 1048576)
#define HTTP_IDLE_S 10    /* without a byte either way */
#define HTTP_REQUEST_S 30 /* for a request with its answer, from the end of the one before */

struct http_request {
    const char *method;
    const char *path;   /* decoded, without the query */
    const char *target; /* as it came: path and query */
    const char *body;   /* "" when there is none; NUL-terminated, but may hold NULs */
    size_t body_len;
    const void *connection; /* for the headers */
    void *state;
};

/* Value of the first header of that name (in any case), or NULL; valid while the request is. */
const char *http_header(const struct http_request *request, const char *name);

/* Shows every header, in the order in which they came. */
typedef void http_header_visitor(void *context, const char *name, const char *value);
void http_visit_headers(const struct http_request *request, http_header_visitor *visit, void *context);

struct http_answer {
    unsigned status;          /* 200 unless the handler says otherwise */
    const char *content_type; /* static */
    struct buf body;          /* taken over by the listener */
};

typedef void http_handler(void *context, const struct http_request *request, struct http_answer *answer);

/*
 * In a handler, for an answer that takes time: what the handler leaves in its answer is dropped, and the
 * request waits until http_resume() is called with the ticket, from the same thread, which must be before
 * http_close().
 */
struct http_ticket;
struct http_ticket *http_defer(const struct http_request *request);
void http_resume(struct http_ticket *ticket, struct http_answer *answer); /* takes the answer's body over */

/* A table of routes ends with a row whose path is NULL. */
struct http_route {
    const char *path;
    const char *methods; /* "GET, HEAD" */
    http_handler *handle;
};

struct http;

/* Where it is heard. `certificate` and `key`: PEM texts, for TLS; NULL for plain HTTP. Borrowed for
 * http_open(). */
struct http_place {
    const struct address *address;
    uint16_t port;
    const char *certificate;
    const char *key;
};

/*
 * -EADDRINUSE, -EADDRNOTAVAIL, -EACCES…: nobody can be heard there; -EINVAL: no use can be made of the
 * certificate. `routes` is borrowed.
 */
int http_open(struct http **ret, const struct http_place *place, const struct http_route *routes,
              void *context, struct fault *fault) MUST_USE;
void http_close(struct http *http);

/* Readable when http_process has work; it also wants to be called every second or so, for what is too slow.
 */
int http_fd(const struct http *http);
void http_process(struct http *http);

/* Whether it has work at once, of which the descriptor tells nothing. */
bool http_is_pending(const struct http *http);
