/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A set of credentials, and the documents in which services hand it out. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/macro.h"

struct key_set {
    char *access_key; /* all owned; NULL when empty */
    char *secret_key;
    char *session_token; /* "" without one */
    uint64_t expires_ns; /* wall clock; 0: never */
};

void key_set_done(struct key_set *set); /* wipes */
#define AUTO_KEY_SET CLEANUP(key_set_done)

/* Hands over what `from` owns, which is empty then; frees what `to` had. */
void key_set_move(struct key_set *to, struct key_set *from);

/* Copies; a token of NULL is none. -ENOMEM. */
int key_set_fill(struct key_set *ret, const char *access_key, const char *secret_key,
                 const char *session_token, struct fault *fault) MUST_USE;

/*
 * Container endpoints and instance metadata: {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}; of a
 * credential_process the token is called "SessionToken".
 * -EBADMSG with a fault that names what is wrong, never what was read, except for the document's own "Code"
 * and "Message".
 */
int key_set_read_json(struct key_set *ret, const char *text, size_t len, struct fault *fault) MUST_USE;

/* What AssumeRole and AssumeRoleWithWebIdentity of STS answer: XML. */
int key_set_read_sts(struct key_set *ret, const char *text, size_t len, struct fault *fault) MUST_USE;

/* "2026-01-02T03:04:05Z", with a fraction of the second or without. False for anything else. */
bool key_set_parse_time(const char *text, uint64_t *ret_ns);
