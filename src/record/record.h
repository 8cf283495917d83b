/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One flow log record: a value for each field of the catalogue that is present. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "record/field.h"

enum value_kind {
    VALUE_ABSENT, /* printed as `-` */
    VALUE_NUMBER,
    VALUE_TEXT,    /* borrowed, not NUL-terminated */
    VALUE_ADDRESS, /* 16 bytes, borrowed; `len` is the family, 4 or 6 */
};

struct value {
    union {
        uint64_t number;
        const char *text;
        const uint8_t *address;
    };
    uint32_t len;
    uint32_t kind; /* enum value_kind */
};

/* What text and addresses point to belongs to the caller and must outlive the record's use. */
struct record {
    struct value values[FIELD_COUNT + 1]; /* FIELD_UNKNOWN has one, too */
};

static inline void record_set_number(struct record *record, enum field_id field, uint64_t number)
{
    record->values[field] = (struct value){.number = number, .kind = VALUE_NUMBER};
}

static inline void record_set_text(struct record *record, enum field_id field, const char *text, size_t len)
{
    record->values[field] = (struct value){.text = text, .len = (uint32_t)len, .kind = VALUE_TEXT};
}

/* "" is absent: nobody knows. */
static inline void record_set_string(struct record *record, enum field_id field, const char *text)
{
    size_t len = strlen(text);
    record->values[field] =
        (struct value){.text = text, .len = (uint32_t)len, .kind = len ? VALUE_TEXT : VALUE_ABSENT};
}

static inline void record_set_address(struct record *record, enum field_id field, const uint8_t *bytes,
                                      uint8_t family)
{
    record->values[field] = (struct value){.address = bytes, .len = family, .kind = VALUE_ADDRESS};
}

static inline void record_clear(struct record *record, enum field_id field)
{
    record->values[field].kind = VALUE_ABSENT;
}
