/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who sends a request, by AWS Signature Version 4 in its Authorization header. */

#include <stdbool.h>
#include <stdint.h>

#include "api/access_keys.h"
#include "api/ec2.h"
#include "aws/header.h"

struct sign_in_request {
    const char *service; /* "ec2", "logs" */
    const char *method;
    const char *path;  /* percent-encoded, as it came */
    const char *query; /* percent-encoded, as it came; "" when there is none */
    const struct http_header *headers;
    size_t header_count;
    const char *body;
    size_t body_len;
};

/*
 * Whether the request is signed with one of the keys, for this service and a time within 15 minutes of now;
 * then *ret_rights is what the key may do. Else *ret_error says why not. Any region will do: the keys are the
 * daemon's own, so nothing can have been signed for another place.
 */
bool sign_in(const struct access_keys *keys, const struct sign_in_request *request, uint64_t now_ns,
             unsigned *ret_rights, struct ec2_error *ret_error);
