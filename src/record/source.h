/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The bytes of a file, a pipe or standard input; gzip and zstd are recognised by their first bytes and
 * unpacked. */

#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

struct source;

/* "-" is standard input. -ENOTSUP for Parquet, which is recognised and not read here. */
int source_open(struct source **ret, const char *path, struct fault *fault) MUST_USE;
void source_free(struct source *source);

/* Up to `cap` bytes; 0 at the end. -EBADMSG when a compressed stream is damaged or cut. */
ssize_t source_read(struct source *source, void *to, size_t cap, struct fault *fault) MUST_USE;

/* Bytes of the file itself taken so far, and its size: 0 where nobody knows, as of a pipe. */
uint64_t source_position(const struct source *source);
uint64_t source_size(const struct source *source);
