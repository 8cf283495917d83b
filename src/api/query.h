/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The parameters of an AWS Query request: "Action=A&ResourceId.1=b" in the URI or in the body,
 * percent-encoded. After decoding, names are unique and every name and value is UTF-8 that XML can hold.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"

#define QUERY_PARAMETERS_MAX 16384

struct query_parameter {
    const char *name;
    const char *value;
};

struct query {
    struct query_parameter *parameters; /* owned; in order of their names */
    size_t count;
    char *text; /* owned: what the parameters point into */
};

/* -EBADMSG with what is wrong; -E2BIG for too many; -ENOMEM. *ret is empty then. `uri` is the part behind
 * '?'. */
int query_parse(struct query *ret, const char *uri, const char *body, size_t body_len,
                struct fault *fault) MUST_USE;
/* From an object of texts instead, which is borrowed while the query is used. */
int query_from_json(struct query *ret, const json_t *parameters, struct fault *fault) MUST_USE;
void query_done(struct query *query);
#define AUTO_QUERY CLEANUP(query_done)

/* The value, or NULL. The name is made as by printf: "Filter.%u.Name". */
const char *query_find(const struct query *query, const char *format, ...) PRINTF_LIKE(2, 3);

/* Whether there is one of that name, or one that goes on behind it with a dot: "Filter.1" of "Filter.1.Name".
 */
bool query_has(const struct query *query, const char *format, ...) PRINTF_LIKE(2, 3);
