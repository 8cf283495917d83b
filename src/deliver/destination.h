/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where records go: kinds of destinations, and what they need to know. */

#include <stdbool.h>
#include <stdint.h>

#include "aws/place.h"
#include "parquet/writer.h"

enum destination_kind {
    DESTINATION_FILE,
    DESTINATION_STDOUT,
    DESTINATION_CLOUDWATCH,
    DESTINATION_FIREHOSE,
    DESTINATION_KAFKA,
    DESTINATION_S3,
};

/* In the order of the words of the configuration keys. */
enum s3_acl { S3_ACL_BUCKET_OWNER_FULL_CONTROL, S3_ACL_BUCKET_OWNER_READ, S3_ACL_PRIVATE, S3_ACL_NONE };
enum s3_encryption { S3_ENCRYPTION_BUCKET, S3_ENCRYPTION_S3, S3_ENCRYPTION_KMS };
enum s3_checksum { S3_CHECKSUM_SHA256, S3_CHECKSUM_NONE };
enum s3_storage_class {
    S3_STORAGE_STANDARD,
    S3_STORAGE_STANDARD_IA,
    S3_STORAGE_ONEZONE_IA,
    S3_STORAGE_INTELLIGENT_TIERING,
    S3_STORAGE_GLACIER_IR,
    S3_STORAGE_GLACIER,
    S3_STORAGE_DEEP_ARCHIVE,
    S3_STORAGE_REDUCED_REDUNDANCY,
};

struct s3_settings {
    enum s3_acl acl;
    enum s3_encryption encryption; /* S3_ENCRYPTION_BUCKET: as the bucket's own setting says */
    enum s3_storage_class storage_class;
    enum s3_checksum checksum;
    const char *kms_key; /* ARN; NULL: the account's own key for S3 */
};

enum file_format {
    FILE_FORMAT_PLAIN_TEXT, /* objects: gzip text with a header line (delivery.md 2.5) */
    FILE_FORMAT_JSON,       /* JSON lines; objects: gzip */
    FILE_FORMAT_PARQUET,    /* delivery.md 2.6; objects only */
};

/* How a record stands in a record of Firehose (delivery.md 3.1). */
enum framing {
    FRAMING_JSON_MESSAGE, /* {"message":"…"} */
    FRAMING_RAW_LINE,
    FRAMING_NEWLINE, /* the line with its newline */
};

enum kafka_security { KAFKA_PLAINTEXT, KAFKA_SSL, KAFKA_SASL_PLAINTEXT, KAFKA_SASL_SSL };
enum kafka_mechanism { KAFKA_PLAIN, KAFKA_SCRAM_SHA_256, KAFKA_SCRAM_SHA_512 };

struct kafka_settings {
    const char *brokers; /* "HOST:PORT,…" */
    enum kafka_security security;
    enum kafka_mechanism mechanism; /* where `security` is one of SASL */
    const char *credentials_file;   /* two lines: user name, password */
};

/* Text is borrowed for the call it is given to. */
struct destination_settings {
    enum destination_kind kind;
    enum file_format file_format;
    enum parquet_codec codec; /* of FILE_FORMAT_PARQUET */
    const char *folder;       /* of DESTINATION_FILE: DIR/P of delivery.md 2.2 */
    const char *account;
    const char *region;
    const char *flow_log_id;
    bool hive;
    bool hourly;
    uint64_t
        origin; /* hash of machine and state folder: daemons that share a folder name objects differently */
    struct s3_settings s3;
    const char *target;        /* log group, Firehose stream, Kafka topic; what keys in S3 begin with */
    const char *stream_suffix; /* of log streams: "all", "accept" or "reject" */
    enum framing framing;
    struct kafka_settings kafka;
    struct aws_settings aws;
};

/* Why a destination takes a record never. */
enum refusal {
    REFUSAL_TOO_NEW, /* for the destination's clock */
    REFUSAL_TOO_OLD, /* for the destination */
    REFUSAL_EXPIRED, /* older than what the destination is told to keep */
    REFUSAL_TOO_LARGE,
    REFUSAL_INVALID, /* it says so without a better reason */
    REFUSALS,
};

/* "too-old", … */
const char *refusal_name(enum refusal refusal);

struct delivery_driver;
const struct delivery_driver *destination_driver(enum destination_kind kind);
