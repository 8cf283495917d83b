/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Thrift's compact protocol, written: what Parquet's headers and footer are made of. Members of a structure
 * come in rising order of their ids. Nothing fails but the buffer.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define THRIFT_DEPTH_MAX 8

struct thrift {
    struct buf *to;
    unsigned depth;
    uint8_t last[THRIFT_DEPTH_MAX]; /* the id written last, of each structure that is open */
};

enum thrift_type {
    THRIFT_TRUE = 1,
    THRIFT_FALSE = 2,
    THRIFT_INT8 = 3,
    THRIFT_INT32 = 5,
    THRIFT_INT64 = 6,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_STRUCT = 12,
};

/* Members. */
void thrift_int32(struct thrift *thrift, unsigned id, int32_t value);
void thrift_int64(struct thrift *thrift, unsigned id, int64_t value);
void thrift_int8(struct thrift *thrift, unsigned id, int8_t value);
void thrift_bool(struct thrift *thrift, unsigned id, bool value);
void thrift_binary(struct thrift *thrift, unsigned id, const void *data, size_t len);
void thrift_struct(struct thrift *thrift, unsigned id);
void thrift_list(struct thrift *thrift, unsigned id, enum thrift_type type, size_t count);

/* A member that is a structure without members: one of a union's choices. */
void thrift_choice(struct thrift *thrift, unsigned id);

/* Elements of a list. */
void thrift_add_int32(struct thrift *thrift, int32_t value);
void thrift_add_binary(struct thrift *thrift, const void *data, size_t len);
void thrift_add_struct(struct thrift *thrift);

/* Of a structure: a member, an element, or the whole. */
void thrift_end(struct thrift *thrift);

/* Unsigned, as Parquet's run lengths are too. */
void thrift_varint(struct buf *to, uint64_t value);
