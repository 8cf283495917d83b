/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Region, endpoint and trust of a service's client: from its settings, the environment and the profile, in
 * this order. */

#include <stdbool.h>

#include "aws/endpoint.h"
#include "aws/profile.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/macro.h"

/* What a user may say of a client. NULL: not said. Text is borrowed for the call that takes the settings. */
struct aws_settings {
    const char *service;  /* as it signs: s3, logs, firehose, sts */
    const char *region;   /* one that is none of AWS's counts only together with an endpoint of one's own */
    const char *endpoint; /* http[s]://HOST[:PORT][/PATH] */
    const char *profile;
    const char *role_arn;
    const char *external_id;
    const char *proxy;
    const char *ca_bundle;
    bool use_fips;
    const char *bucket; /* S3: part of every address */
    enum endpoint_addressing addressing;
};

struct aws_place {
    char region[64];
    struct endpoint endpoint; /* with the bucket */
    char ca_bundle[4096];     /* "" for the system's */
};

/* The profile that counts: the settings', AWS_PROFILE, "default". */
const char *aws_profile_name(const struct aws_settings *settings);

/* An environment variable that is set to something, or NULL. */
const char *aws_variable(const char *name);

int aws_place_resolve(struct aws_place *ret, const struct aws_settings *settings,
                      const struct profiles *profiles, struct fault *fault) MUST_USE;
