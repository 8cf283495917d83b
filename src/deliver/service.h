/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the drivers of AWS's services share: errors as outcomes, and calls whose answers are JSON. */

#include <jansson.h>

#include "aws/client.h"
#include "deliver/driver.h"

/*
 * 0 and the answer, a JSON object that the caller frees; `ret` NULL where the service answers with nothing.
 * Otherwise negative, with `error` and the fault. An answer of 2xx without the object does not come from the
 * service, and is an AWS_ERROR_SERVER.
 */
int service_call(struct aws_client *client, const char *target, const struct buf *body,
                 const atomic_bool *cancelled, json_t **ret, struct aws_error *error,
                 struct fault *fault) MUST_USE;

/* An answer of 2xx that lacks what the service's always has: an AWS_ERROR_SERVER. -EBADMSG. */
int service_no_answer(struct aws_error *error, const char *target, const char *lacks, struct fault *fault);

/* Member of an answer that must be an index of 0 to `count`; `otherwise` when it is not there. */
size_t service_index(const json_t *object, const char *name, size_t count, size_t otherwise);

/*
 * Where the events of a call lie that CloudWatch Logs did not take: events are in order, so at both ends.
 * Whatever the answer says, first_end <= second_end <= too_new <= the number of events.
 */
struct rejected_events {
    enum refusal first; /* of events from 0 on */
    enum refusal second;
    size_t first_end; /* exclusive, and where those of `second` begin */
    size_t second_end;
    size_t too_new; /* from here on REFUSAL_TOO_NEW */
};
void service_rejected_events(const json_t *answer, size_t count, struct rejected_events *ret);

/*
 * Whether the service has found the request wrong in itself; `code` is its word for that. By the code alone:
 * a 400 from something between us and the service must not cost records.
 */
bool service_refuses(const struct aws_error *error, const char *code);

/* Any other error: to be tried again. */
void service_tell_error(const struct aws_error *error, struct outcome *ret);
