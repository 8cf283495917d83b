/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where records go: kinds of destinations, and what they need to know. */

#include <stdbool.h>
#include <stdint.h>

#include "parquet/writer.h"

enum destination_kind {
    DESTINATION_FILE,
    DESTINATION_STDOUT,
};

enum file_format {
    FILE_FORMAT_PLAIN_TEXT, /* objects: gzip text with a header line (delivery.md 2.5) */
    FILE_FORMAT_JSON,       /* JSON lines; objects: gzip */
    FILE_FORMAT_PARQUET,    /* delivery.md 2.6; objects only */
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
};

struct delivery_driver;
const struct delivery_driver *destination_driver(enum destination_kind kind);
