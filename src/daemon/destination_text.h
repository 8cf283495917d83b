/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the text of a flow log's destination says. */

#include "base/fault.h"
#include "base/macro.h"
#include "deliver/destination.h"

struct destination_text {
    enum destination_kind kind;
    const char *folder; /* of a file destination; points into the text */
    char target[514]; /* log group, Firehose stream, Kafka topic; what keys in S3 begin with; "" for others */
    char bucket[64];  /* of S3 */
    char brokers[1024]; /* "HOST:PORT,…" */
    char region[32];    /* of an ARN, else "" */
};

/* -EINVAL when it names no destination, with a fault where there is more to say than that. */
int destination_text_parse(struct destination_text *ret, const char *text, struct fault *fault) MUST_USE;
