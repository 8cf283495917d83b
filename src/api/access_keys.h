/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Access keys of the daemon's own, in a file of the state folder that only its user can read. A key is an
 * object: id, secret, rights ("read" or "manage"), created (seconds since the epoch).
 */

#include <jansson.h>
#include <stdbool.h>

#include "base/fault.h"
#include "base/macro.h"

#define ACCESS_KEYS_FILE "access-keys.json"

struct access_keys;

/* A file that cannot be used is an error: without it everybody would be let in. */
int access_keys_open(struct access_keys **ret, const char *state, struct fault *fault) MUST_USE;
void access_keys_close(struct access_keys *keys);

/* Borrowed: every key, an array; and the one of that id, or NULL. */
const json_t *access_keys_list(const struct access_keys *keys);
const json_t *access_keys_find(const struct access_keys *keys, const char *id);

/* What a key may do: enum ec2_right, or-ed. Who manages may read. */
unsigned access_key_rights(const json_t *key);

/* On disk before it returns. *ret is borrowed. -EINVAL for other rights than "read" and "manage". */
int access_keys_create(struct access_keys *keys, const char *rights, const json_t **ret,
                       struct fault *fault) MUST_USE;
/* -ENOENT when there is none of that id. */
int access_keys_revoke(struct access_keys *keys, const char *id, struct fault *fault) MUST_USE;
