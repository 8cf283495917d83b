/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is in a bucket: ListObjectsV2, page by page. */

#include <stdint.h>

#include "aws/client.h"

struct listing_object {
    char *key;
    char *etag; /* as it stands in headers, quotes included */
    uint64_t size;
};

struct listing {
    struct listing_object *objects;
    size_t object_count;
    char **prefixes; /* of what goes on below, where a delimiter was given */
    size_t prefix_count;
    char *next; /* asks for the page that follows; NULL at the end */
};

void listing_done(struct listing *listing);
#define AUTO_LISTING CLEANUP(listing_done)

/* Of an answer of the service. -EBADMSG when it is none. */
int listing_read(struct listing *ret, const char *document, size_t len, struct fault *fault) MUST_USE;

/*
 * The keys that begin with `prefix`; where `folders`, only those without a slash behind it. `next` is that of
 * the page before, NULL for the first one. The client is one of a bucket.
 */
int listing_fetch(struct listing *ret, struct aws_client *client, const char *prefix, bool folders,
                  const char *next, struct aws_error *error, struct fault *fault) MUST_USE;
