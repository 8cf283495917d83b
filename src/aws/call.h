/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One signed request to a service, and its answer. */

#include <stdatomic.h>
#include <stdint.h>

#include "aws/endpoint.h"
#include "aws/error.h"
#include "aws/http.h"

struct aws_call {
    const char *method;
    const char *path;  /* percent-encoded, from a slash on; goes behind the endpoint's own */
    const char *query; /* percent-encoded; NULL: none */
    const struct http_header *headers;
    size_t header_count;
    const struct http_body *body; /* NULL: none */
    const char *payload_hash;     /* SHA-256 of the body in hex; NULL for a body in memory, which is hashed */
    unsigned total_ms;            /* 0: as long as bytes move */
    const atomic_bool *cancelled; /* may be NULL */
};

struct aws_key {
    const char *access_key;
    const char *secret_key;
    const char *session_token; /* "": none */
};

struct aws_target {
    const struct endpoint *endpoint;
    const char *region;
    const char *service;
};

/*
 * `key` NULL sends it unsigned. 0 for an answer of 2xx. Otherwise negative, with `error` saying what it means
 * and the fault where and why; `ret` then holds the answer if there was one.
 */
int aws_call_send(struct http *http, const struct aws_target *target, const struct aws_call *call,
                  const struct aws_key *key, uint64_t now_ns, struct http_answer *ret,
                  struct aws_error *error, struct fault *fault) MUST_USE;
