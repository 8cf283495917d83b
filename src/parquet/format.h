/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Numbers of Parquet's definition (parquet.thrift of the Apache project), as far as files of ours have them.
 */

#define PARQUET_MAGIC "PAR1"

enum physical_type { PHYSICAL_INT32 = 1, PHYSICAL_INT64 = 2, PHYSICAL_BYTES = 6 };
enum encoding { ENCODING_PLAIN = 0, ENCODING_RLE = 3, ENCODING_DICTIONARY = 8 };
enum page_type { PAGE_DATA = 0, PAGE_DICTIONARY = 2 };

enum {
    CODEC_GZIP = 2,
    CODEC_ZSTD = 6,
    CONVERTED_UTF8 = 0,
    CONVERTED_INT32 = 17,
    CONVERTED_INT64 = 18,
    REPETITION_OPTIONAL = 1,
    LOGICAL_STRING = 1,
    LOGICAL_INTEGER = 10,
    ORDER_BY_TYPE = 1,
};

enum page_header_member {
    PAGE_HEADER_TYPE = 1,
    PAGE_HEADER_PLAIN_SIZE = 2,
    PAGE_HEADER_PACKED_SIZE = 3,
    PAGE_HEADER_DATA = 5,
    PAGE_HEADER_DICTIONARY = 7,
    /* of the two last */
    PAGE_VALUES = 1,
    PAGE_ENCODING = 2,
    DATA_PAGE_DEFINITION_LEVELS = 3,
    DATA_PAGE_REPETITION_LEVELS = 4,
};

enum filter_member { FILTER_BYTES = 1, FILTER_ALGORITHM = 2, FILTER_HASH = 3, FILTER_COMPRESSION = 4 };

enum footer_member {
    FOOTER_VERSION = 1,
    FOOTER_SCHEMA = 2,
    FOOTER_ROWS = 3,
    FOOTER_ROW_GROUPS = 4,
    FOOTER_CREATED_BY = 6,
    FOOTER_COLUMN_ORDERS = 7,
};

enum schema_member {
    SCHEMA_TYPE = 1,
    SCHEMA_REPETITION = 3,
    SCHEMA_NAME = 4,
    SCHEMA_CHILDREN = 5,
    SCHEMA_CONVERTED_TYPE = 6,
    SCHEMA_LOGICAL_TYPE = 10,
    /* of an integer's logical type */
    INTEGER_BITS = 1,
    INTEGER_SIGNED = 2,
};

enum row_group_member {
    ROW_GROUP_COLUMNS = 1,
    ROW_GROUP_PLAIN_BYTES = 2,
    ROW_GROUP_ROWS = 3,
    ROW_GROUP_OFFSET = 5,
    ROW_GROUP_PACKED_BYTES = 6,
};

enum chunk_member {
    CHUNK_OFFSET = 2,
    CHUNK_DATA = 3,
    /* of the last */
    CHUNK_TYPE = 1,
    CHUNK_ENCODINGS = 2,
    CHUNK_PATH = 3,
    CHUNK_CODEC = 4,
    CHUNK_VALUES = 5,
    CHUNK_PLAIN_BYTES = 6,
    CHUNK_PACKED_BYTES = 7,
    CHUNK_DATA_OFFSET = 9,
    CHUNK_DICTIONARY_OFFSET = 11,
    CHUNK_STATISTICS = 12,
    CHUNK_FILTER_OFFSET = 14,
    CHUNK_FILTER_BYTES = 15,
    /* of its statistics */
    STATISTICS_MISSING = 3,
    STATISTICS_MAX = 5,
    STATISTICS_MIN = 6,
};
