/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A small object into S3, once; what is delivered goes through deliver/s3.c. */

#include <stdatomic.h>

#include "aws/error.h"
#include "aws/place.h"
#include "base/buf.h"
#include "base/fault.h"
#include "base/macro.h"

struct aws_object {
    const char *key; /* not encoded */
    const char *content_type;
    const void *data;
    size_t len;
};

struct aws_client;

/* Copies the settings; touches nothing outside yet. */
int aws_object_open(struct aws_client **ret, const struct aws_settings *settings,
                    struct fault *fault) MUST_USE;
void aws_object_close(struct aws_client *client);

/*
 * Into the bucket of the settings; its URL goes into `ret_url`. Blocking. Otherwise negative, with `error`
 * saying what it means and the fault where and why.
 */
int aws_object_put(struct aws_client *client, const struct aws_object *object, unsigned total_ms,
                   const atomic_bool *cancelled, struct buf *ret_url, struct aws_error *error,
                   struct fault *fault) MUST_USE;
