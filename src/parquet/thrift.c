/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/thrift.h"

#define LENGTH_IN_HEADER 15 /* longer lists have it behind */

void thrift_varint(struct buf *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_char(to, (char)(value | 0x80));
    buf_char(to, (char)value);
}

static void zigzag(struct buf *to, int64_t value)
{
    thrift_varint(to, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
}

/* Ids here are below 16 more than the one before, which takes one byte. */
static void begin_member(struct thrift *thrift, unsigned id, enum thrift_type type)
{
    uint8_t *last = &thrift->last[thrift->depth];
    buf_char(thrift->to, (char)((id - *last) << 4 | type));
    *last = (uint8_t)id;
}

void thrift_int32(struct thrift *thrift, unsigned id, int32_t value)
{
    begin_member(thrift, id, THRIFT_INT32);
    zigzag(thrift->to, value);
}

void thrift_int64(struct thrift *thrift, unsigned id, int64_t value)
{
    begin_member(thrift, id, THRIFT_INT64);
    zigzag(thrift->to, value);
}

void thrift_int8(struct thrift *thrift, unsigned id, int8_t value)
{
    begin_member(thrift, id, THRIFT_INT8);
    buf_char(thrift->to, (char)value);
}

void thrift_bool(struct thrift *thrift, unsigned id, bool value)
{
    begin_member(thrift, id, value ? THRIFT_TRUE : THRIFT_FALSE);
}

void thrift_binary(struct thrift *thrift, unsigned id, const void *data, size_t len)
{
    begin_member(thrift, id, THRIFT_BINARY);
    thrift_add_binary(thrift, data, len);
}

void thrift_struct(struct thrift *thrift, unsigned id)
{
    begin_member(thrift, id, THRIFT_STRUCT);
    thrift_add_struct(thrift);
}

void thrift_list(struct thrift *thrift, unsigned id, enum thrift_type type, size_t count)
{
    begin_member(thrift, id, THRIFT_LIST);
    if (count < LENGTH_IN_HEADER) {
        buf_char(thrift->to, (char)(count << 4 | type));
        return;
    }
    buf_char(thrift->to, (char)(LENGTH_IN_HEADER << 4 | type));
    thrift_varint(thrift->to, count);
}

void thrift_choice(struct thrift *thrift, unsigned id)
{
    thrift_struct(thrift, id);
    thrift_end(thrift);
}

void thrift_add_int32(struct thrift *thrift, int32_t value)
{
    zigzag(thrift->to, value);
}

void thrift_add_binary(struct thrift *thrift, const void *data, size_t len)
{
    thrift_varint(thrift->to, len);
    buf_append(thrift->to, data, len);
}

void thrift_add_struct(struct thrift *thrift)
{
    thrift->last[++thrift->depth] = 0;
}

void thrift_end(struct thrift *thrift)
{
    buf_char(thrift->to, 0);
    if (thrift->depth > 0)
        thrift->depth--;
}
