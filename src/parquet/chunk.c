/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/chunk.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/gzip.h"
#include "parquet/bloom.h"
#include "parquet/format.h"
#include "parquet/number_set.h"
#include "parquet/runs.h"
#include "parquet/thrift.h"

/*
 * Counters hardly repeat byte by byte: few and long matches in a small table take half the time, and less
 * room, as more is left to the entropy coder.
 */
static const struct {
    ZSTD_cParameter parameter;
    int usual, counters;
} zstd_parameters[] = {
    {ZSTD_c_compressionLevel, 1, 1},
    {ZSTD_c_hashLog, 0, 6}, /* 0: the level's own */
    {ZSTD_c_minMatch, 0, 7},
};

#define PAGE_MAX (1UL << 31) /* sizes are 32 bits */

struct chunk_encoder {
    enum parquet_codec codec;
    ZSTD_CCtx *zstd;
    struct buf plain;  /* a page */
    struct buf packed; /* the same by the codec */
    uint32_t *numbers; /* of the rows' values among those held once */
    int64_t *values;   /* of a column of numbers, those that are there */
    uint32_t capacity; /* of both */
    struct number_set *distinct;
};

int chunk_encoder_new(struct chunk_encoder **ret, enum parquet_codec codec)
{
    struct chunk_encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return -ENOMEM;
    encoder->codec = codec;
    encoder->plain = BUF_INIT(PAGE_MAX);
    encoder->packed = BUF_INIT(PAGE_MAX);
    encoder->zstd = codec == PARQUET_ZSTD ? ZSTD_createCCtx() : NULL;
    encoder->distinct = number_set_new();
    if ((codec == PARQUET_ZSTD && !encoder->zstd) || !encoder->distinct) {
        chunk_encoder_free(encoder);
        return -ENOMEM;
    }
    *ret = encoder;
    return 0;
}

void chunk_encoder_free(struct chunk_encoder *encoder)
{
    if (!encoder)
        return;
    ZSTD_freeCCtx(encoder->zstd);
    buf_done(&encoder->plain);
    buf_done(&encoder->packed);
    number_set_free(encoder->distinct);
    free(encoder->numbers);
    free(encoder->values);
    free(encoder);
}

static int make_room(struct chunk_encoder *encoder, uint32_t rows)
{
    if (rows <= encoder->capacity)
        return 0;
    uint32_t *numbers = reallocarray(encoder->numbers, rows, sizeof *numbers);
    if (!numbers)
        return -ENOMEM;
    encoder->numbers = numbers;
    int64_t *values = reallocarray(encoder->values, rows, sizeof *values);
    if (!values)
        return -ENOMEM;
    encoder->values = values;
    encoder->capacity = rows;
    return 0;
}

/* Pages. */

static int pack_by_zstd(struct chunk_encoder *encoder, const struct chunk *chunk)
{
    bool counters = chunk->field == FIELD_PACKETS || chunk->field == FIELD_BYTES;
    size_t bound = ZSTD_compressBound(encoder->plain.len);
    char *room = buf_reserve(&encoder->packed, bound);
    if (!room)
        return -ENOMEM;
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_SIZE(zstd_parameters) && !ZSTD_isError(len); i++)
        len = ZSTD_CCtx_setParameter(encoder->zstd, zstd_parameters[i].parameter,
                                     counters ? zstd_parameters[i].counters : zstd_parameters[i].usual);
    if (!ZSTD_isError(len))
        len = ZSTD_compress2(encoder->zstd, room, bound, encoder->plain.data, encoder->plain.len);
    if (ZSTD_isError(len))
        return -EIO;
    encoder->packed.len = len;
    return 0;
}

static int pack_by_gzip(struct chunk_encoder *encoder)
{
    struct gzip_writer *gzip = NULL;
    int r = gzip_writer_new_small(&gzip);
    if (r == 0)
        r = gzip_writer_add(gzip, encoder->plain.data, encoder->plain.len, true, &encoder->packed);
    gzip_writer_free(gzip);
    return r;
}

static void print_page_header(const struct chunk_encoder *encoder, enum page_type type, uint32_t values,
                              enum encoding encoding, struct buf *to)
{
    struct thrift thrift = {.to = to};
    thrift_int32(&thrift, PAGE_HEADER_TYPE, (int32_t)type);
    thrift_int32(&thrift, PAGE_HEADER_PLAIN_SIZE, (int32_t)encoder->plain.len);
    thrift_int32(&thrift, PAGE_HEADER_PACKED_SIZE, (int32_t)encoder->packed.len);
    thrift_struct(&thrift, type == PAGE_DICTIONARY ? PAGE_HEADER_DICTIONARY : PAGE_HEADER_DATA);
    thrift_int32(&thrift, PAGE_VALUES, (int32_t)values);
    thrift_int32(&thrift, PAGE_ENCODING, (int32_t)encoding);
    if (type == PAGE_DATA) {
        thrift_int32(&thrift, DATA_PAGE_DEFINITION_LEVELS, ENCODING_RLE);
        thrift_int32(&thrift, DATA_PAGE_REPETITION_LEVELS, ENCODING_RLE);
    }
    thrift_end(&thrift);
    thrift_end(&thrift);
}

/* What stands in `plain` becomes a page. */
static int end_page(struct chunk_encoder *encoder, enum page_type type, uint32_t values,
                    enum encoding encoding, struct buf *to, struct chunk *chunk)
{
    size_t begin = to->len;
    buf_clear(&encoder->packed);
    int r = encoder->plain.failed            ? -ENOMEM
            : encoder->codec == PARQUET_ZSTD ? pack_by_zstd(encoder, chunk)
                                             : pack_by_gzip(encoder);
    if (r < 0)
        return r;
    print_page_header(encoder, type, values, encoding, to);
    chunk->plain_bytes += to->len - begin + encoder->plain.len;
    buf_append(to, encoder->packed.data, encoder->packed.len);
    chunk->packed_bytes += to->len - begin;
    buf_clear(&encoder->plain);
    return to->failed ? -ENOMEM : 0;
}

/* Which rows have a value: a bit each, behind the length of all. */
static void print_levels(struct chunk_encoder *encoder, const struct row_group *group,
                         const struct column *column)
{
    struct buf *plain = &encoder->plain;
    size_t begin = plain->len;
    uint32_t len = 0;
    buf_append(plain, &len, sizeof len);
    if (column->missing == 0 || column->missing == group->rows) {
        runs_write_one(plain, column->missing == 0, group->rows, 1);
    } else {
        for (uint32_t i = 0; i < group->rows; i++)
            encoder->numbers[i] = row_group_is_valid(column, group->order[i]);
        runs_write(plain, encoder->numbers, group->rows, 1);
    }
    if (plain->failed)
        return;
    len = htole32((uint32_t)(plain->len - begin - sizeof len));
    memcpy(plain->data + begin, &len, sizeof len);
}

/* The page of rows whose values are held once: `count` of encoder->numbers, which need not be there for one.
 */
static int end_numbered_page(struct chunk_encoder *encoder, uint32_t count, uint32_t distinct, struct buf *to,
                             struct chunk *chunk)
{
    unsigned width = runs_width(distinct ? distinct - 1 : 0);
    buf_char(&encoder->plain, (char)width);
    if (distinct == 1)
        runs_write_one(&encoder->plain, 0, count, width);
    else
        runs_write(&encoder->plain, encoder->numbers, count, width);
    return end_page(encoder, PAGE_DATA, chunk->rows, ENCODING_DICTIONARY, to, chunk);
}

/* Texts. */

static void print_text(struct buf *plain, const struct dictionary *texts, uint32_t number)
{
    uint32_t len = texts->texts[number].len;
    char *room = buf_reserve(plain, sizeof len + len);
    if (!room)
        return;
    uint32_t little = htole32(len);
    memcpy(room, &little, sizeof little);
    memcpy(room + sizeof little, dictionary_bytes(texts, number), len);
    plain->len += sizeof little + len;
}

static int compare_texts(const struct dictionary *texts, uint32_t a, uint32_t b)
{
    uint32_t a_len = texts->texts[a].len, b_len = texts->texts[b].len;
    int order = memcmp(dictionary_bytes(texts, a), dictionary_bytes(texts, b), a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

static bool keep_text(const struct dictionary *texts, uint32_t number, struct chunk_bound *ret)
{
    uint32_t len = texts->texts[number].len;
    if (len > CHUNK_BOUND_MAX)
        return false;
    memcpy(ret->bytes, dictionary_bytes(texts, number), len);
    ret->len = len;
    return true;
}

static void bound_texts(const struct dictionary *texts, struct chunk *chunk)
{
    uint32_t min = 0, max = 0;
    for (uint32_t i = 1; i < texts->count; i++) {
        if (compare_texts(texts, i, min) < 0)
            min = i;
        else if (compare_texts(texts, i, max) > 0)
            max = i;
    }
    chunk->has_bounds = keep_text(texts, min, &chunk->min) && keep_text(texts, max, &chunk->max);
}

static int encode_texts_once(struct chunk_encoder *encoder, const struct row_group *group,
                             const struct column *column, struct buf *to, struct chunk *chunk)
{
    const struct dictionary *texts = &column->texts;
    for (uint32_t i = 0; i < texts->count; i++)
        print_text(&encoder->plain, texts, i);
    int r = end_page(encoder, PAGE_DICTIONARY, texts->count, ENCODING_PLAIN, to, chunk);
    if (r < 0)
        return r;
    chunk->data_at = chunk->packed_bytes;
    print_levels(encoder, group, column);
    for (uint32_t i = 0; i < group->rows && texts->count > 1; i++)
        encoder->numbers[i] = column->numbers_of_texts[group->order[i]];
    r = end_numbered_page(encoder, group->rows, texts->count, to, chunk);
    if (r == 0)
        r = bloom_write(texts, to, &chunk->filter_bytes);
    return r;
}

static int encode_texts(struct chunk_encoder *encoder, const struct row_group *group,
                        const struct column *column, struct buf *to, struct chunk *chunk)
{
    const struct dictionary *texts = &column->texts;
    bound_texts(texts, chunk);
    chunk->has_dictionary = texts->count <= group->rows / 2 || texts->count == 1;
    if (chunk->has_dictionary)
        return encode_texts_once(encoder, group, column, to, chunk);
    print_levels(encoder, group, column);
    for (uint32_t i = 0; i < group->rows; i++)
        print_text(&encoder->plain, texts, column->numbers_of_texts[group->order[i]]);
    return end_page(encoder, PAGE_DATA, group->rows, ENCODING_PLAIN, to, chunk);
}

/* Numbers. */

static uint32_t gather_values(struct chunk_encoder *encoder, const struct row_group *group,
                              const struct column *column)
{
    const uint32_t *order = group->order;
    int64_t *values = encoder->values;
    if (column->type == FIELD_INT32)
        for (uint32_t i = 0; i < group->rows; i++)
            values[i] = column->numbers32[order[i]];
    else
        for (uint32_t i = 0; i < group->rows; i++)
            values[i] = column->numbers64[order[i]];
    if (column->missing == 0)
        return group->rows;
    uint32_t count = 0;
    for (uint32_t i = 0; i < group->rows; i++) {
        values[count] = values[i];
        count += row_group_is_valid(column, order[i]);
    }
    return count;
}

static void print_values(struct buf *plain, const int64_t *values, uint32_t count, size_t size)
{
    char *room = buf_reserve(plain, count * size + sizeof(uint64_t));
    if (!room)
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t little = htole64((uint64_t)values[i]);
        memcpy(room + i * size, &little, sizeof little);
    }
    plain->len += count * size;
}

static void keep_number(int64_t number, size_t size, struct chunk_bound *ret)
{
    uint64_t little = htole64((uint64_t)number);
    memcpy(ret->bytes, &little, size);
    ret->len = (uint32_t)size;
}

static void bound_numbers(const int64_t *values, uint32_t count, size_t size, struct chunk *chunk)
{
    int64_t min = values[0], max = values[0];
    for (uint32_t i = 1; i < count; i++) {
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
    }
    keep_number(min, size, &chunk->min);
    keep_number(max, size, &chunk->max);
    chunk->has_bounds = true;
}

static int encode_numbers(struct chunk_encoder *encoder, const struct row_group *group,
                          const struct column *column, struct buf *to, struct chunk *chunk)
{
    size_t size = column->type == FIELD_INT32 ? sizeof(int32_t) : sizeof(int64_t);
    uint32_t count = gather_values(encoder, group, column);
    uint32_t distinct = 0;
    if (count > 0)
        bound_numbers(encoder->values, count, size, chunk);
    chunk->has_dictionary = number_set_find(encoder->distinct, encoder->values, count, &distinct);
    if (chunk->has_dictionary) {
        print_values(&encoder->plain, number_set_values(encoder->distinct), distinct, size);
        int r = end_page(encoder, PAGE_DICTIONARY, distinct, ENCODING_PLAIN, to, chunk);
        if (r < 0)
            return r;
        chunk->data_at = chunk->packed_bytes;
    }
    print_levels(encoder, group, column);
    if (!chunk->has_dictionary) {
        print_values(&encoder->plain, encoder->values, count, size);
        return end_page(encoder, PAGE_DATA, group->rows, ENCODING_PLAIN, to, chunk);
    }
    number_set_number(encoder->distinct, encoder->values, count, encoder->numbers);
    return end_numbered_page(encoder, count, distinct, to, chunk);
}

int chunk_encode(struct chunk_encoder *encoder, const struct row_group *group, const struct column *column,
                 struct buf *to, struct chunk *ret)
{
    *ret = (struct chunk){.field = column->field, .rows = group->rows, .missing = column->missing};
    buf_clear(&encoder->plain);
    int r = make_room(encoder, group->rows);
    if (r < 0)
        return r;
    return column->type == FIELD_STRING ? encode_texts(encoder, group, column, to, ret)
                                        : encode_numbers(encoder, group, column, to, ret);
}
