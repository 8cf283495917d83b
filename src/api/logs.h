/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the CloudWatch Logs API lets people read, over the local store: JSON 1.1 (Logs_20140328). The store is
 * one log group, each of its interfaces a stream, each record an event: its text is the record in the
 * default format, its time the record's `start`. A store does not note when a record came in, so the time of
 * its ingestion is its `end`, the earliest that can be.
 */

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/macro.h"

#define LOGS_TARGET_PREFIX "Logs_20140328."
#define LOGS_CONTENT_TYPE "application/x-amz-json-1.1"

/* What is asked of. Texts are borrowed, but for those of a copy. */
struct logs_host {
    const char *store; /* folder of the data set */
    const char *group; /* name of the log group */
    const char *account, *region;
    struct logs_queries *queries;
};

/* A copy of its texts, its queries left out; to be freed, also after -ENOMEM. */
int logs_host_copy(struct logs_host *ret, const struct logs_host *host) MUST_USE;
void logs_host_done(struct logs_host *host);

/*
 * Answers one request and returns the status of HTTP: the value of X-Amz-Target and the body. Reads the
 * store, so it takes what that takes. From several threads at once.
 */
unsigned logs_answer(const struct logs_host *host, const char *target, const char *body, size_t body_len,
                     struct buf *ret);

/* The answer to who may not ask. */
unsigned logs_refuse(const char *type, const char *message, struct buf *ret);

/* Queries of StartQuery; each runs in a thread of theirs, one after the other. NULL when memory ran out. */
struct logs_queries *logs_queries_new(void) MUST_USE;

/* Interrupts what runs. */
void logs_queries_free(struct logs_queries *queries);
