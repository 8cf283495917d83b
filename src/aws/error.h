/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a service's refusal means, read from its status, headers and body. */

#include <stddef.h>

#include "base/fault.h"

enum aws_error_class {
    AWS_ERROR_NONE,
    AWS_ERROR_NETWORK,     /* no complete answer: the request may have been carried out */
    AWS_ERROR_CANCELLED,   /* the caller's flag was set */
    AWS_ERROR_CREDENTIALS, /* none found, or their source does not answer */
    AWS_ERROR_EXPIRED,     /* new credentials will do */
    AWS_ERROR_SKEWED,      /* our clock or the service's is wrong */
    AWS_ERROR_THROTTLED,
    AWS_ERROR_ACCESS,  /* known and not allowed, or not known */
    AWS_ERROR_MISSING, /* the bucket, group, stream or role does not exist */
    AWS_ERROR_EXISTS,
    AWS_ERROR_REDIRECTED, /* the bucket is in another region */
    AWS_ERROR_REQUEST,    /* wrong in itself; the same again will fail again */
    AWS_ERROR_SERVER,
};

struct aws_error {
    enum aws_error_class class;
    unsigned status;   /* of HTTP; 0 without an answer */
    char code[96];     /* the service's name for it, without a namespace; "" when it gave none */
    char message[512]; /* one line */
};

/*
 * `type_header`: x-amzn-errortype, or NULL. `body`: JSON, XML or anything. Fills every member; a status of
 * 2xx is AWS_ERROR_NONE.
 */
void aws_error_read(unsigned status, const char *type_header, const char *body, size_t len,
                    struct aws_error *ret);

/* "HTTP 403 AccessDenied: Access Denied" behind the context. Returns `error` as fault_set() does. */
int aws_error_fault(const struct aws_error *error, int number, const char *context, struct fault *fault);
