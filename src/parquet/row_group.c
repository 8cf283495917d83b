/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/row_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/macro.h"

#define WORD_BITS 64
#define ROWS_FIRST 128

/* Room for so many rows; what is there stays. */
static bool make_room(struct row_group *group, uint32_t rows)
{
    size_t words = (rows + WORD_BITS - 1) / WORD_BITS;
    for (unsigned i = 0; i < group->schema->count; i++) {
        struct column *column = &group->columns[i];
        void *values = reallocarray(column->any, rows, schema_value_bytes(column->field));
        if (!values)
            return false;
        column->any = values;
        if (column->type == FIELD_STRING)
            continue;
        uint64_t *valid = reallocarray(column->valid, words, sizeof *valid);
        if (!valid)
            return false;
        column->valid = valid;
    }
    group->rows_room = rows;
    return true;
}

/* Groups begin small, as there may be many of them with few rows. */
static int grow(struct row_group *group, uint32_t more)
{
    uint32_t room = group->rows_room ? group->rows_room : ROWS_FIRST;
    while (room < group->rows + more)
        room *= 2;
    room = room < group->rows_max ? room : group->rows_max;
    return make_room(group, room) ? 0 : -ENOMEM;
}

struct row_group *row_group_new(const struct schema *schema, uint32_t rows_max)
{
    struct row_group *group = calloc(1, sizeof *group);
    if (!group)
        return NULL;
    group->schema = schema;
    group->rows_max = rows_max;
    for (unsigned i = 0; i < schema->count; i++) {
        struct column *column = &group->columns[i];
        column->field = schema->fields[i];
        column->type = field_catalogue[column->field].type;
        column->texts = DICTIONARY_INIT;
    }
    return group;
}

void row_group_free(struct row_group *group)
{
    if (!group)
        return;
    for (unsigned i = 0; i < group->schema->count; i++) {
        free(group->columns[i].any);
        free(group->columns[i].valid);
        dictionary_done(&group->columns[i].texts);
    }
    free(group->order);
    free(group->keys);
    free(group->spare);
    free(group);
}

uint32_t row_group_rows(const struct row_group *group)
{
    return group->rows;
}

size_t row_group_text_bytes(const struct row_group *group)
{
    return group->text_bytes;
}

static int set_text(struct row_group *group, struct column *column, uint32_t row, const char *text,
                    size_t len)
{
    uint32_t *to = &column->numbers_of_texts[row];
    if (row > 0) { /* most columns hardly change */
        const struct dictionary_text *before = &column->texts.texts[to[-1]];
        if (before->len == len && memcmp(column->texts.bytes.data + before->offset, text, len) == 0) {
            *to = to[-1];
            return 0;
        }
    }
    size_t bytes = column->texts.bytes.len;
    int r = dictionary_add(&column->texts, text, len, to);
    group->text_bytes += column->texts.bytes.len - bytes;
    return r;
}

static int set_text_value(struct row_group *group, struct column *column, uint32_t row,
                          const struct value *value)
{
    char text[ADDRESS_TEXT_MAX];
    switch ((enum value_kind)value->kind) {
    case VALUE_TEXT:
        return set_text(group, column, row, value->text, value->len);
    case VALUE_ADDRESS:
        return set_text(group, column, row, text, address_format(text, value->address, (uint8_t)value->len));
    case VALUE_ABSENT:
    case VALUE_NUMBER:
        break;
    }
    return set_text(group, column, row, "-", 1);
}

static void set_number(struct column *column, uint32_t row, const struct value *value)
{
    uint64_t bit = 1ULL << row % WORD_BITS;
    if (value->kind != VALUE_NUMBER) {
        column->valid[row / WORD_BITS] &= ~bit;
        column->missing++;
        return;
    }
    column->valid[row / WORD_BITS] |= bit;
    if (column->type == FIELD_INT32)
        column->numbers32[row] = (int32_t)value->number;
    else
        column->numbers64[row] = (int64_t)value->number;
}

int row_group_add(struct row_group *group, const struct record *record)
{
    const struct value version = {.number = group->schema->version, .kind = VALUE_NUMBER};
    if (group->rows == group->rows_room && grow(group, 1) < 0)
        return -ENOMEM;
    for (unsigned i = 0; i < group->schema->count; i++) {
        struct column *column = &group->columns[i];
        const struct value *value =
            column->field == FIELD_VERSION && version.number ? &version : &record->values[column->field];
        int r = 0;
        if (column->type == FIELD_STRING)
            r = set_text_value(group, column, group->rows, value);
        else
            set_number(column, group->rows, value);
        if (r < 0)
            return r;
    }
    group->rows++;
    return 0;
}

static bool is_there(const uint64_t *valid, uint32_t row)
{
    return !valid || (valid[row / WORD_BITS] >> row % WORD_BITS & 1);
}

static const char *text_of(const duckdb_string_t *text)
{
    return text->value.inlined.length <= sizeof text->value.inlined.inlined ? text->value.inlined.inlined
                                                                            : text->value.pointer.ptr;
}

static int add_texts(struct row_group *group, struct column *column, uint32_t row,
                     const duckdb_string_t *texts, const uint64_t *valid, uint32_t first, uint32_t count)
{
    int r = 0;
    for (uint32_t i = first; r == 0 && i < first + count; i++, row++)
        r = is_there(valid, i)
                ? set_text(group, column, row, text_of(&texts[i]), texts[i].value.inlined.length)
                : set_text(group, column, row, "-", 1);
    return r;
}

static void add_numbers(struct column *column, uint32_t row, const void *numbers, const uint64_t *valid,
                        uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++, row++) {
        struct value value = {.kind = is_there(valid, i) ? VALUE_NUMBER : VALUE_ABSENT};
        value.number = column->type == FIELD_INT32 ? (uint64_t)((const int32_t *)numbers)[i]
                                                   : (uint64_t)((const int64_t *)numbers)[i];
        set_number(column, row, &value);
    }
}

int row_group_add_chunk(struct row_group *group, const struct duckdb_functions *duckdb,
                        duckdb_data_chunk chunk, uint32_t first, uint32_t count)
{
    int r = group->rows + count > group->rows_room ? grow(group, count) : 0;
    for (unsigned i = 0; r == 0 && i < group->schema->count; i++) {
        struct column *column = &group->columns[i];
        duckdb_vector vector = duckdb->data_chunk_get_vector(chunk, i);
        const void *values = duckdb->vector_get_data(vector);
        const uint64_t *valid = duckdb->vector_get_validity(vector);
        if (column->type == FIELD_STRING)
            r = add_texts(group, column, group->rows, values, valid, first, count);
        else
            add_numbers(column, group->rows, values, valid, first, count);
    }
    if (r == 0)
        group->rows += count;
    return r;
}

/* Mixes the column of a field into the keys, if the file has one. Returns the bits that it takes. */
static unsigned mix_column(struct row_group *group, enum field_id field)
{
    const struct column *column = NULL;
    for (unsigned i = 0; i < group->schema->count; i++)
        if (group->columns[i].field == field)
            column = &group->columns[i];
    if (!column || column->texts.count < 2)
        return 0;
    unsigned bits = WORD_BITS - (unsigned)__builtin_clzll(column->texts.count - 1ULL);
    for (uint32_t row = 0; row < group->rows; row++)
        group->keys[row] = group->keys[row] << bits | column->numbers_of_texts[row];
    return bits;
}

#define DIGIT_BITS 8
#define DIGITS (1U << DIGIT_BITS)

/* One pass of a radix sort, which keeps the order of equals. */
static void sort_by_digit(struct row_group *group, unsigned shift)
{
    uint32_t starts[DIGITS] = {0};
    for (uint32_t i = 0; i < group->rows; i++)
        starts[group->keys[i] >> shift & (DIGITS - 1)]++;
    uint32_t start = 0;
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        uint32_t count = starts[digit];
        starts[digit] = start;
        start += count;
    }
    for (uint32_t i = 0; i < group->rows; i++)
        group->spare[starts[group->keys[i] >> shift & (DIGITS - 1)]++] = group->keys[i];
    uint64_t *sorted = group->spare;
    group->spare = group->keys;
    group->keys = sorted;
}

static int make_room_to_sort(struct row_group *group)
{
    uint32_t *order = reallocarray(group->order, group->rows + 1, sizeof *order);
    if (order)
        group->order = order;
    uint64_t *keys = reallocarray(group->keys, group->rows + 1, sizeof *keys);
    if (keys)
        group->keys = keys;
    uint64_t *spare = reallocarray(group->spare, group->rows + 1, sizeof *spare);
    if (spare)
        group->spare = spare;
    return order && keys && spare ? 0 : -ENOMEM;
}

/*
 * Equals have to be neighbours; which group of equals comes first does not matter. Should bits of the
 * interface not fit into a key, some of its rows stand apart, and pack a little worse.
 */
int row_group_sort(struct row_group *group)
{
    if (make_room_to_sort(group) < 0)
        return -ENOMEM;
    memset(group->keys, 0, (group->rows + 1) * sizeof *group->keys);
    unsigned row_bits = WORD_BITS - (unsigned)__builtin_clzll(group->rows | 1ULL);
    unsigned bits = row_bits;
    bits += mix_column(group, FIELD_INTERFACE_ID);
    bits += mix_column(group, FIELD_SRCADDR);
    bits += mix_column(group, FIELD_DSTADDR);
    for (uint32_t row = 0; row < group->rows; row++)
        group->keys[row] = group->keys[row] << row_bits | row;
    for (unsigned shift = row_bits; shift < bits && shift < WORD_BITS; shift += DIGIT_BITS)
        sort_by_digit(group, shift);
    for (uint32_t i = 0; i < group->rows; i++)
        group->order[i] = (uint32_t)(group->keys[i] & ((1ULL << row_bits) - 1));
    return 0;
}

void row_group_clear(struct row_group *group)
{
    for (unsigned i = 0; i < group->schema->count; i++) {
        dictionary_clear(&group->columns[i].texts);
        group->columns[i].missing = 0;
    }
    group->text_bytes = 0;
    group->rows = 0;
}
