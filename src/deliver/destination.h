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
    const char *target;        /* log group, Firehose stream or Kafka topic */
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

struct delivery_driver;
const struct delivery_driver *destination_driver(enum destination_kind kind);
