/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What answers need of a record, and files of records read through. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/address.h"
#include "base/fault.h"
#include "base/macro.h"
#include "record/input.h"

struct reading {
    struct address source; /* the packet's own where it is recorded, else as shown */
    struct address destination;
    uint16_t source_port; /* 0 where not recorded */
    uint16_t destination_port;
    uint8_t protocol;
    bool egress;
    bool has_direction; /* flow-direction was recorded */
};

/* In the header, so that lengths of constant words are constants. */
static inline bool reading_is_word(const struct value *value, const char *word)
{
    size_t len = strlen(word);
    return value->kind == VALUE_TEXT && value->len == len && memcmp(value->text, word, len) == 0;
}

static inline uint64_t reading_number(const struct record *record, enum field_id field, uint64_t absent)
{
    const struct value *value = &record->values[field];
    return value->kind == VALUE_NUMBER ? value->number : absent;
}

/* False when the value is no address. Records out of text keep their addresses as such. */
bool reading_address(const struct value *value, struct address *ret);

/* False when addresses or the protocol are missing. */
bool reading_addresses(const struct record *record, struct reading *ret);

typedef int reading_visitor(void *context, const struct record *record);

/* Files of records that are one data set, and may be read several times: no pipes. */
struct readings {
    const char *const *paths;
    size_t count;
    const struct input_options *input;
    uint64_t since_s; /* records that end before are passed over, as are those that start after: */
    uint64_t until_s;
    /* Now and then, unless NULL; `size` is 0 when nobody knows it. */
    void (*progress)(void *context, uint64_t read, uint64_t size, uint64_t records);
    void *context; /* of progress */
};

/* Whether a reading tells of bad lines. */
enum reading_voice { READING_TELLS, READING_SILENT };

/* Every record in the order of the files; a negative result of the visitor ends it and is returned. */
int reading_all(const struct readings *readings, enum reading_voice voice, reading_visitor *visit,
                void *context, uint64_t *ret_records, struct fault *fault) MUST_USE;
