/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files of the AWS command line, ~/.aws/config and ~/.aws/credentials, as its SDKs read them. */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/macro.h"

#define PROFILE_FILE_MAX (1024 * 1024)

enum profile_file_kind {
    PROFILE_FILE_CONFIG,      /* [default] and [profile NAME] */
    PROFILE_FILE_CREDENTIALS, /* [NAME] */
};

/* Both files' contents, secrets among them. */
struct profiles {
    struct buf files[2]; /* by enum profile_file_kind */
};

/*
 * Reads AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE or what stands in for them; a file that is not there
 * is empty. Other errors of reading fill the fault.
 */
int profiles_read(struct profiles *ret, struct fault *fault) MUST_USE;
void profiles_done(struct profiles *profiles); /* wipes */
#define AUTO_PROFILES CLEANUP(profiles_done)

bool profiles_have(const struct profiles *profiles, const char *profile);

/* Replaces the buffer's contents by the key's value; the credentials file goes first. False when nobody gives
 * it. */
bool profiles_get(const struct profiles *profiles, const char *profile, const char *key, struct buf *ret);

/*
 * The same of one file's text. With `key` NULL only whether the profile is there. Of a key given more than
 * once the last counts; names of keys are not case-sensitive; lines that begin with a space continue the one
 * before and are passed over.
 */
bool profile_find(const char *text, size_t len, enum profile_file_kind kind, const char *profile,
                  const char *key, struct buf *ret);
