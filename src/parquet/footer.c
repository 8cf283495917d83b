/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/footer.h"

#include <endian.h>
#include <string.h>

#include "base/macro.h"
#include "parquet/format.h"
#include "parquet/thrift.h"

#define FORMAT_VERSION 1
#define CREATED_BY "flowlog version " FLOWLOG_VERSION

/* The three types that fields have. */
static const struct type {
    enum physical_type physical;
    int32_t converted;
    int8_t bits; /* of an integer */
} types[] = {
    [FIELD_INT32] = {PHYSICAL_INT32, CONVERTED_INT32, 32},
    [FIELD_INT64] = {PHYSICAL_INT64, CONVERTED_INT64, 64},
    [FIELD_STRING] = {PHYSICAL_BYTES, CONVERTED_UTF8, 0},
};

static void print_logical_type(struct thrift *thrift, const struct type *type)
{
    thrift_struct(thrift, SCHEMA_LOGICAL_TYPE);
    if (type->bits) {
        thrift_struct(thrift, LOGICAL_INTEGER);
        thrift_int8(thrift, INTEGER_BITS, type->bits);
        thrift_bool(thrift, INTEGER_SIGNED, true);
        thrift_end(thrift);
    } else {
        thrift_choice(thrift, LOGICAL_STRING);
    }
    thrift_end(thrift);
}

static void print_schema(struct thrift *thrift, const struct schema *schema)
{
    char name[COLUMN_NAME_MAX];
    thrift_list(thrift, FOOTER_SCHEMA, THRIFT_STRUCT, schema->count + 1);
    thrift_add_struct(thrift);
    thrift_binary(thrift, SCHEMA_NAME, "schema", strlen("schema"));
    thrift_int32(thrift, SCHEMA_CHILDREN, (int32_t)schema->count);
    thrift_end(thrift);
    for (unsigned i = 0; i < schema->count; i++) {
        const struct type *type = &types[field_catalogue[schema->fields[i]].type];
        schema_column_name(name, (enum field_id)schema->fields[i]);
        thrift_add_struct(thrift);
        thrift_int32(thrift, SCHEMA_TYPE, (int32_t)type->physical);
        thrift_int32(thrift, SCHEMA_REPETITION, REPETITION_OPTIONAL);
        thrift_binary(thrift, SCHEMA_NAME, name, strlen(name));
        thrift_int32(thrift, SCHEMA_CONVERTED_TYPE, type->converted);
        print_logical_type(thrift, type);
        thrift_end(thrift);
    }
}

static void print_statistics(struct thrift *thrift, const struct chunk *chunk)
{
    thrift_struct(thrift, CHUNK_STATISTICS);
    thrift_int64(thrift, STATISTICS_MISSING, chunk->missing);
    if (chunk->has_bounds) {
        thrift_binary(thrift, STATISTICS_MAX, chunk->max.bytes, chunk->max.len);
        thrift_binary(thrift, STATISTICS_MIN, chunk->min.bytes, chunk->min.len);
    }
    thrift_end(thrift);
}

static void print_chunk(struct thrift *thrift, const struct chunk *chunk, enum parquet_codec codec,
                        uint64_t offset)
{
    char name[COLUMN_NAME_MAX];
    schema_column_name(name, (enum field_id)chunk->field);
    thrift_add_struct(thrift);
    thrift_int64(thrift, CHUNK_OFFSET, (int64_t)offset);
    thrift_struct(thrift, CHUNK_DATA);
    thrift_int32(thrift, CHUNK_TYPE, (int32_t)types[field_catalogue[chunk->field].type].physical);
    thrift_list(thrift, CHUNK_ENCODINGS, THRIFT_INT32, chunk->has_dictionary ? 3 : 2);
    thrift_add_int32(thrift, ENCODING_PLAIN);
    thrift_add_int32(thrift, ENCODING_RLE);
    if (chunk->has_dictionary)
        thrift_add_int32(thrift, ENCODING_DICTIONARY);
    thrift_list(thrift, CHUNK_PATH, THRIFT_BINARY, 1);
    thrift_add_binary(thrift, name, strlen(name));
    thrift_int32(thrift, CHUNK_CODEC, codec == PARQUET_ZSTD ? CODEC_ZSTD : CODEC_GZIP);
    thrift_int64(thrift, CHUNK_VALUES, chunk->rows);
    thrift_int64(thrift, CHUNK_PLAIN_BYTES, (int64_t)chunk->plain_bytes);
    thrift_int64(thrift, CHUNK_PACKED_BYTES, (int64_t)chunk->packed_bytes);
    thrift_int64(thrift, CHUNK_DATA_OFFSET, (int64_t)(offset + chunk->data_at));
    if (chunk->has_dictionary)
        thrift_int64(thrift, CHUNK_DICTIONARY_OFFSET, (int64_t)offset);
    print_statistics(thrift, chunk);
    if (chunk->filter_bytes) {
        thrift_int64(thrift, CHUNK_FILTER_OFFSET, (int64_t)(offset + chunk->packed_bytes));
        thrift_int32(thrift, CHUNK_FILTER_BYTES, (int32_t)chunk->filter_bytes);
    }
    thrift_end(thrift);
    thrift_end(thrift);
}

void footer_print_row_group(struct buf *to, const struct chunk *chunks, unsigned count,
                            enum parquet_codec codec, uint64_t offset)
{
    uint64_t plain_bytes = 0, packed_bytes = 0, at = offset;
    struct thrift thrift = {.to = to};
    thrift_list(&thrift, ROW_GROUP_COLUMNS, THRIFT_STRUCT, count);
    for (unsigned i = 0; i < count; i++) {
        print_chunk(&thrift, &chunks[i], codec, at);
        at += chunks[i].packed_bytes + chunks[i].filter_bytes;
        plain_bytes += chunks[i].plain_bytes;
        packed_bytes += chunks[i].packed_bytes;
    }
    thrift_int64(&thrift, ROW_GROUP_PLAIN_BYTES, (int64_t)plain_bytes);
    thrift_int64(&thrift, ROW_GROUP_ROWS, chunks[0].rows);
    thrift_int64(&thrift, ROW_GROUP_OFFSET, (int64_t)offset);
    thrift_int64(&thrift, ROW_GROUP_PACKED_BYTES, (int64_t)packed_bytes);
    thrift_end(&thrift);
}

void footer_print(struct buf *to, const struct schema *schema, const struct buf *groups, size_t group_count,
                  uint64_t rows)
{
    size_t begin = to->len;
    struct thrift thrift = {.to = to};
    thrift_int32(&thrift, FOOTER_VERSION, FORMAT_VERSION);
    print_schema(&thrift, schema);
    thrift_int64(&thrift, FOOTER_ROWS, (int64_t)rows);
    thrift_list(&thrift, FOOTER_ROW_GROUPS, THRIFT_STRUCT, group_count);
    buf_append(to, groups->data, groups->len);
    thrift_binary(&thrift, FOOTER_CREATED_BY, CREATED_BY, strlen(CREATED_BY));
    thrift_list(&thrift, FOOTER_COLUMN_ORDERS, THRIFT_STRUCT, schema->count);
    for (unsigned i = 0; i < schema->count; i++) {
        thrift_add_struct(&thrift);
        thrift_choice(&thrift, ORDER_BY_TYPE);
        thrift_end(&thrift);
    }
    thrift_end(&thrift);
    uint32_t len = htole32((uint32_t)(to->len - begin));
    buf_append(to, &len, sizeof len);
    buf_text(to, PARQUET_MAGIC);
}
