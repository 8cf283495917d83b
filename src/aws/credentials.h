/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Credentials as AWS's SDKs find them. The first source that has some counts: environment, web identity
 * token, profile (keys, assumed roles, web identity), container endpoint (ECS, EKS), instance metadata
 * (IMDSv2). On top of that the settings may name a role. They are fetched when first needed and again before
 * they expire. Secrets are wiped when freed and stand in no fault. Belongs to one thread.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "aws/call.h"
#include "aws/place.h"
#include "base/cleanup.h"

struct credentials;

/* Copies the settings. Looks nowhere yet. */
int credentials_new(struct credentials **ret, const struct aws_settings *settings,
                    struct fault *fault) MUST_USE;
void credentials_free(struct credentials *credentials);

static inline void cleanup_credentials(struct credentials **credentials)
{
    credentials_free(*credentials);
}
#define AUTO_CREDENTIALS CLEANUP(cleanup_credentials)

/*
 * The key for a request that is signed at `now_ns` (wall clock); valid until the next call. -ENOENT when no
 * source has any, other errors when a source that should have them fails. When a source fails while what it
 * gave before is still valid, that is used on.
 */
int credentials_get(struct credentials *credentials, uint64_t now_ns, const atomic_bool *cancelled,
                    struct aws_key *ret, struct fault *fault) MUST_USE;

/* The next credentials_get() asks the sources again: a service has refused what they gave. */
void credentials_drop(struct credentials *credentials);

/* What is held: where it came from ("environment", "profile NAME", "role ARN", …), when it expires (0:
 * never). */
const char *credentials_source(const struct credentials *credentials);
uint64_t credentials_expiry_ns(const struct credentials *credentials);
