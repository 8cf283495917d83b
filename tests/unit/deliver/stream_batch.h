/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Batches in memory for the tests of stream destinations. */

#include "deliver/batch.h"

struct stream_batch {
    struct batch batch;
    struct batch_interface interfaces[3]; /* eni-0 to eni-2 */
    size_t cap;
};

void stream_batch_init(struct stream_batch *made, uint64_t sequence);

/* A line with this text. */
void stream_batch_add(struct stream_batch *made, uint32_t interface, uint64_t start, const char *text);

/* A line of `len` bytes that no other line of the batch is like. */
void stream_batch_add_long(struct stream_batch *made, uint32_t interface, uint64_t start, size_t len);
void stream_batch_done(struct stream_batch *made);
