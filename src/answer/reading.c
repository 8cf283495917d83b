/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/reading.h"

#include <string.h>

#include "base/cleanup.h"
#include "parquet/files.h"

static void input_cleanup(struct input **input)
{
    input_free(*input);
}

bool reading_is_word(const struct value *value, const char *word)
{
    size_t len = strlen(word);
    return value->kind == VALUE_TEXT && value->len == len && memcmp(value->text, word, len) == 0;
}

uint64_t reading_number(const struct record *record, enum field_id field, uint64_t absent)
{
    const struct value *value = &record->values[field];
    return value->kind == VALUE_NUMBER ? value->number : absent;
}

bool reading_address(const struct value *value, struct address *ret)
{
    if (value->kind == VALUE_TEXT)
        return address_parse(value->text, value->len, ret);
    if (value->kind != VALUE_ADDRESS)
        return false;
    ret->family = (uint8_t)value->len;
    memcpy(ret->bytes, value->address, sizeof ret->bytes);
    return true;
}

bool reading_addresses(const struct record *record, struct reading *ret)
{
    const struct value *values = record->values;
    *ret = (struct reading){0};
    if (!(reading_address(&values[FIELD_PKT_SRCADDR], &ret->source) ||
          reading_address(&values[FIELD_SRCADDR], &ret->source)) ||
        !(reading_address(&values[FIELD_PKT_DSTADDR], &ret->destination) ||
          reading_address(&values[FIELD_DSTADDR], &ret->destination)) ||
        values[FIELD_PROTOCOL].kind != VALUE_NUMBER)
        return false;
    ret->protocol = (uint8_t)values[FIELD_PROTOCOL].number;
    ret->source_port = (uint16_t)reading_number(record, FIELD_SRCPORT, 0);
    ret->destination_port = (uint16_t)reading_number(record, FIELD_DSTPORT, 0);
    ret->egress = reading_is_word(&values[FIELD_FLOW_DIRECTION], "egress");
    ret->has_direction = ret->egress || reading_is_word(&values[FIELD_FLOW_DIRECTION], "ingress");
    return true;
}

int reading_file(const char *path, const struct input_options *options, reading_visitor *visit, void *context,
                 struct fault *fault)
{
    CLEANUP(input_cleanup) struct input *input = NULL;
    const struct record *record;
    int r = files_open_input(&input, path, options, fault);
    while (r >= 0 && (r = input_next(input, &record, fault)) > 0)
        r = visit(context, record);
    return r;
}

static void say_nothing(void *userdata, const char *path, uint64_t line, const char *reason)
{
    (void)userdata;
    (void)path;
    (void)line;
    (void)reason;
}

struct input_options reading_silent(const struct input_options *options)
{
    struct input_options silent = *options;
    silent.bad_line = say_nothing;
    silent.bad_text = NULL;
    return silent;
}
