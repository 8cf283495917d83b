/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One object while it is written: lines in, a file out. The file formats are rows of a table in
 * object_file.c. */

#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"
#include "deliver/batch.h"
#include "deliver/destination.h"

struct object_writer;

int object_writer_open(struct object_writer **ret, const char *path, enum file_format file_format,
                       enum parquet_codec codec, const struct format *format, struct fault *fault) MUST_USE;
int object_writer_add(struct object_writer *writer, const struct batch_line *line,
                      struct fault *fault) MUST_USE;

/* How large it is so far, without what the compressor still holds. The same at one place for equal lines. */
uint64_t object_writer_bytes(const struct object_writer *writer);

/* Synced; its size. Frees in every case; after an error the file is gone. */
int object_writer_close(struct object_writer *writer, uint64_t *ret_bytes, struct fault *fault) MUST_USE;
void object_writer_abandon(struct object_writer *writer);

/* "log.gz", and what HTTP calls it. */
const char *object_writer_extension(enum file_format file_format);
const char *object_writer_content_type(enum file_format file_format);
