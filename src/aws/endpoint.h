/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where a service answers: by region and partition, or at an address of one's own. */

#include <stdbool.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/macro.h"

#define ENDPOINT_HOST_MAX 255

struct endpoint {
    char scheme[6];                   /* "http" or "https" */
    char host[ENDPOINT_HOST_MAX + 9]; /* with ":port" where that is not the scheme's own: the Host header */
    char path[256]; /* what a custom endpoint puts before every path, without a final slash */
    bool custom;
};

enum endpoint_addressing {
    ENDPOINT_ADDRESSING_AUTO, /* virtual-host at AWS where the bucket's name allows, path elsewhere */
    ENDPOINT_ADDRESSING_PATH,
    ENDPOINT_ADDRESSING_VIRTUAL,
};

/* Whether this is a region of a partition of AWS. */
bool endpoint_is_region(const char *region);

/* The partition's name for ARNs: "aws", "aws-cn", "aws-us-gov", …; "aws" for what is no region. */
const char *endpoint_partition(const char *region);

/*
 * `service` as it signs: s3, logs, firehose, sts. -EINVAL when the region is none of AWS's, or when the
 * partition has no such endpoint.
 */
int endpoint_resolve(struct endpoint *ret, const char *service, const char *region, bool use_fips,
                     bool use_dual_stack, struct fault *fault) MUST_USE;

/* "http[s]://HOST[:PORT][/PATH]"; -EINVAL for anything else. */
int endpoint_parse_url(struct endpoint *ret, const char *url, struct fault *fault) MUST_USE;

/* Puts the bucket before the host, or behind the path. -EINVAL when its name cannot be a host's. */
int endpoint_add_bucket(struct endpoint *endpoint, const char *bucket, enum endpoint_addressing addressing,
                        struct fault *fault) MUST_USE;

/* Rules of bucket names: 3 to 63 of a-z, 0-9, '-', '.', a letter or digit at both ends, no "..". */
bool endpoint_is_bucket_name(const char *bucket);
