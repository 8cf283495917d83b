/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Column chunks: a column of a row group as pages of bytes, in Parquet's encodings and packed by its codec.
 * Texts and numbers that repeat are held once, in a page of their own before the page of the rows; what does
 * not repeat stands there as it is. Texts held once have a Bloom filter as well, by which readers see that a
 * row group lacks an address.
 */

#include "base/buf.h"
#include "base/macro.h"
#include "parquet/row_group.h"
#include "parquet/writer.h"

struct chunk_encoder;

/* -ENOMEM. */
int chunk_encoder_new(struct chunk_encoder **ret, enum parquet_codec codec) MUST_USE;
void chunk_encoder_free(struct chunk_encoder *encoder);

#define CHUNK_BOUND_MAX 64 /* a longer text does not bound anything */

struct chunk_bound {
    uint32_t len;
    char bytes[CHUNK_BOUND_MAX];
};

/* What the footer tells of a chunk. Offsets are from where the chunk begins. */
struct chunk {
    uint8_t field;
    bool has_dictionary;
    bool has_bounds;
    uint64_t data_at; /* of the rows' page; behind that of the texts or numbers held once */
    uint64_t packed_bytes;
    uint64_t plain_bytes;
    uint64_t filter_bytes; /* of the Bloom filter, behind all */
    uint32_t rows;
    uint32_t missing;
    struct chunk_bound min;
    struct chunk_bound max;
};

/* Appends the column of a sorted group to `to`. -ENOMEM, -EIO. */
int chunk_encode(struct chunk_encoder *encoder, const struct row_group *group, const struct column *column,
                 struct buf *to, struct chunk *ret) MUST_USE;
