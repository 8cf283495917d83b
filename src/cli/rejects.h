/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The file of --rejects: the bad lines as they are. */

#include <stdio.h>

#include "base/fault.h"

/* Zeroed where bad lines are not kept: then nothing happens. */
struct rejects {
    const char *path; /* borrowed */
    FILE *file;
};

/* `path` may be NULL; `mode` as of fopen(3). */
int rejects_open(struct rejects *rejects, const char *path, const char *mode, struct fault *fault) MUST_USE;

/* Failures are told by rejects_close(). */
void rejects_keep(struct rejects *rejects, const char *text, size_t len);

/* Says when not all of them could be written. */
int rejects_close(struct rejects *rejects, struct fault *fault) MUST_USE;
