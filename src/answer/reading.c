/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/reading.h"

#include <sys/stat.h>

#include "base/cleanup.h"
#include "parquet/files.h"

#define PROGRESS_EVERY (1U << 16) /* records */

static void input_cleanup(struct input **input)
{
    input_free(*input);
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

static void say_nothing(void *userdata, const char *path, uint64_t line, const char *reason)
{
    (void)userdata;
    (void)path;
    (void)line;
    (void)reason;
}

/* The same options without a word about bad lines. */
static struct input_options silent(const struct input_options *options)
{
    struct input_options quiet = *options;
    quiet.bad_line = say_nothing;
    quiet.bad_text = NULL;
    return quiet;
}

/* Where a reading stands. */
struct position {
    const struct readings *readings;
    uint64_t bytes_before; /* of files that were read */
    uint64_t bytes_total;
    uint64_t *records;
};

static void show_progress(const struct position *position, const struct input *input)
{
    const struct readings *readings = position->readings;
    struct input_counts counts = input_counts(input);
    if (readings->progress)
        readings->progress(readings->context, position->bytes_before + counts.bytes, position->bytes_total,
                           *position->records);
}

static bool is_in_time(const struct readings *readings, const struct record *record)
{
    uint64_t start = reading_number(record, FIELD_START, 0);
    return start <= readings->until_s && reading_number(record, FIELD_END, start) >= readings->since_s;
}

static int read_file(struct position *position, const char *path, const struct input_options *options,
                     reading_visitor *visit, void *context, struct fault *fault)
{
    CLEANUP(input_cleanup) struct input *input = NULL;
    const struct record *record;
    int r = files_open_input(&input, path, options, fault);
    while (r >= 0 && (r = input_next(input, &record, fault)) > 0) {
        if (is_in_time(position->readings, record))
            r = visit(context, record);
        if (++*position->records % PROGRESS_EVERY == 0)
            show_progress(position, input);
    }
    return r;
}

static uint64_t size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
}

int reading_all(const struct readings *readings, enum reading_voice voice, reading_visitor *visit,
                void *context, uint64_t *ret_records, struct fault *fault)
{
    struct input_options options = voice == READING_TELLS ? *readings->input : silent(readings->input);
    struct position position = {.readings = readings, .records = ret_records};
    int r = 0;
    *ret_records = 0;
    for (size_t i = 0; i < readings->count; i++)
        position.bytes_total += size_of(readings->paths[i]);
    for (size_t i = 0; i < readings->count && r >= 0; i++) {
        r = read_file(&position, readings->paths[i], &options, visit, context, fault);
        position.bytes_before += size_of(readings->paths[i]);
    }
    return r;
}
