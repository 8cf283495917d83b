/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The places where credentials may be. Each is asked afresh; what it says is kept by credentials.c. */

#include <stdatomic.h>
#include <stdint.h>

#include "aws/http.h"
#include "aws/key_set.h"
#include "aws/place.h"

#define SOURCE_NAME_MAX 256

/* What one look for credentials works with. */
struct source_query {
    const struct aws_settings *settings;
    struct profiles profiles;
    uint64_t now_ns;
    const atomic_bool *cancelled;
    struct http *http;          /* STS */
    struct http *nearby;        /* container endpoint, instance metadata */
    char name[SOURCE_NAME_MAX]; /* of the source that had them */
};

/*
 * Asks all of them in the SDKs' order, then assumes the role of the settings. -ENOENT when none has
 * credentials; the fault says so. A source that is configured and fails ends the search.
 */
int source_find(struct source_query *query, struct key_set *ret, struct fault *fault) MUST_USE;

/* Those of source_container.c: 1 when they have credentials, 0 when they are not in use, else negative. */
int source_ask_container(struct source_query *query, struct key_set *ret, struct fault *fault) MUST_USE;
int source_ask_instance(struct source_query *query, struct key_set *ret, struct fault *fault) MUST_USE;

/* 1 with what the shell's command prints: the SDKs' credential_process. */
int source_ask_process(struct source_query *query, const char *command, struct key_set *ret,
                       struct fault *fault) MUST_USE;

/* Those of source_role.c. */
struct role {
    const char *arn;
    const char *session_name; /* NULL: "flowlog" */
    const char *external_id;  /* NULL: none */
    const char *token_file;   /* of a web identity; NULL: AssumeRole */
    uint64_t seconds;         /* 0: the service's default, an hour */
};

/* `base` signs AssumeRole; not used for a web identity. Replaces *ret, which may be *base. */
int source_assume_role(struct source_query *query, const struct role *role, const struct key_set *base,
                       struct key_set *ret, struct fault *fault) MUST_USE;
