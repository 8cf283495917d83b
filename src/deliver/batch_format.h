/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The bytes of a batch file, for its writer and its reader. */

#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "deliver/batch.h"
#include "deliver/document.h"

#define BATCH_BLOCK_LEN (64UL * 1024) /* a block ends with the line that reaches it */
#define BATCH_BLOCK_MAX (4UL << 20)   /* no line is so long */

enum batch_block_kind {
    BATCH_BLOCK_LINES = 0x4b4c4246, /* "FBLK" */
    BATCH_BLOCK_END = 0x444e4246,   /* "FBND" */
};

struct batch_block {
    uint32_t kind;
    uint32_t len;
    uint64_t checksum;
};

struct batch_totals {
    uint64_t records;
    uint64_t packets;
};

/* A block of another batch, or at another place, does not pass for this one. */
static inline uint64_t batch_checksum(uint32_t kind, uint64_t sequence, uint64_t place, const void *data,
                                      size_t len)
{
    return hash_bytes(data, len, kind ^ (sequence * 0x9e3779b97f4a7c15ULL + place));
}

/* The head as a document, in `room` bytes; 0: as many as it needs now. */
int batch_head_print(const struct batch_head *head, size_t room, struct buf *buf) MUST_USE;

/* The room that it needs with any sums, when it takes `len` with none. */
size_t batch_head_room(const struct batch_head *head, size_t len);

/* -EBADMSG, -ENOMEM. */
int batch_head_parse(struct batch_head *ret, const json_t *document, struct fault *fault) MUST_USE;
