/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Objects as AWS publishes them (delivery.md 2.3 to 2.6): the records of consecutive batches, by the
 * five-minute slot that their end lies in, in one form. Equal batches make equal objects with equal names.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"
#include "deliver/destination.h"
#include "deliver/layout.h"
#include "deliver/spool.h"

/* AWS closes an object at 75 MB (delivery.md 2.4); the compressor holds a little back. */
#define OBJECT_FULL_BYTES 74000000UL

struct object_settings {
    struct layout layout; /* without the extension: the file format has one */
    enum file_format file_format;
    enum parquet_codec codec;
    uint64_t full_bytes; /* an object that has come so far ends, and what follows goes into the next */
};

/*
 * Makes objects of the batches with the given sequences, or of the first of them, as far as they have one
 * record format; *ret_used is how many. The objects are synced, in the places where the spool will look for
 * them. *ret and its items are the caller's. On failure there are no objects, and *ret_used is the place of
 * the batch that it failed at: -EBADMSG when that is damaged.
 */
int object_pack(const struct spool *spool, const struct object_settings *settings, const uint64_t *sequences,
                size_t count, struct spool_item **ret, size_t *ret_count, size_t *ret_used,
                struct fault *fault) MUST_USE;

/* Of a file's contents. */
int object_digest(const char *path, uint8_t ret[static 32], struct fault *fault) MUST_USE;
