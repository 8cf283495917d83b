/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A service of AWS, or what speaks like it: finds region, endpoint and credentials, signs, sends, and mends
 * what a client can mend by itself once per call (expired credentials, a clock that is off, a bucket in
 * another region). All else is the caller's to retry. Blocking; belongs to one thread.
 */

#include "aws/call.h"
#include "aws/place.h"
#include "base/cleanup.h"

struct aws_client;

/* Copies the settings. Touches nothing outside yet, neither files nor network. */
int aws_client_new(struct aws_client **ret, const struct aws_settings *settings,
                   struct fault *fault) MUST_USE;
void aws_client_free(struct aws_client *client);

static inline void cleanup_aws_client(struct aws_client **client)
{
    aws_client_free(*client);
}
#define AUTO_AWS_CLIENT CLEANUP(cleanup_aws_client)

/*
 * 0 for an answer of 2xx. Otherwise negative, with `error` saying what it means and the fault where and why.
 * A body from a file has to stay the same until the call returns.
 */
int aws_client_call(struct aws_client *client, const struct aws_call *call, struct http_answer *ret,
                    struct aws_error *error, struct fault *fault) MUST_USE;

/*
 * A call of a service that speaks JSON 1.1 (CloudWatch Logs, Firehose): `target` as in
 * "Logs_20140328.PutLogEvents", `body` a JSON document.
 */
int aws_client_call_json(struct aws_client *client, const char *target, const void *body, size_t len,
                         const atomic_bool *cancelled, struct http_answer *ret, struct aws_error *error,
                         struct fault *fault) MUST_USE;

/* Where the last call went: the endpoint's own URL with `path`, which is encoded, behind it. */
void aws_client_print_url(const struct aws_client *client, const char *path, struct buf *buf);
