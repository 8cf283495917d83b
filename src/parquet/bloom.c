/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/bloom.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "parquet/format.h"
#include "parquet/thrift.h"

#define TEXTS_MIN 64
#define BITS_PER_TEXT 11 /* for one in a hundred */
#define BLOCK_WORDS 8
#define BLOCK_BYTES (BLOCK_WORDS * sizeof(uint32_t))

/* Of the filter's definition. */
static const uint32_t salts[BLOCK_WORDS] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                            0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};

static void insert(char *blocks, uint32_t block_count, uint64_t hash)
{
    char *block = blocks + ((hash >> 32) * block_count >> 32) * BLOCK_BYTES;
    for (unsigned i = 0; i < BLOCK_WORDS; i++) {
        uint32_t word;
        memcpy(&word, block + i * sizeof word, sizeof word);
        word = htole32(le32toh(word) | 1U << ((uint32_t)hash * salts[i] >> 27));
        memcpy(block + i * sizeof word, &word, sizeof word);
    }
}

static void print_header(struct buf *to, uint32_t bytes)
{
    struct thrift thrift = {.to = to};
    thrift_int32(&thrift, FILTER_BYTES, (int32_t)bytes);
    for (unsigned id = FILTER_ALGORITHM; id <= FILTER_COMPRESSION; id++) { /* there is one choice for each */
        thrift_struct(&thrift, id);
        thrift_choice(&thrift, 1);
        thrift_end(&thrift);
    }
    thrift_end(&thrift);
}

int bloom_write(const struct dictionary *texts, struct buf *to, uint64_t *ret_bytes)
{
    if (texts->count < TEXTS_MIN)
        return 0;
    size_t begin = to->len;
    uint32_t block_count = (uint32_t)((uint64_t)texts->count * BITS_PER_TEXT / (8 * BLOCK_BYTES) + 1);
    size_t bytes = block_count * BLOCK_BYTES;
    print_header(to, (uint32_t)bytes);
    char *blocks = buf_reserve(to, bytes);
    if (!blocks)
        return -ENOMEM;
    memset(blocks, 0, bytes);
    to->len += bytes;
    for (uint32_t i = 0; i < texts->count; i++) {
        insert(blocks, block_count, hash_xxh64(dictionary_bytes(texts, i), texts->texts[i].len));
    }
    *ret_bytes = to->len - begin;
    return 0;
}
