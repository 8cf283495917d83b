/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/row_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/macro.h"

#define BLOCK_SIZE (1024 * 1024) /* of the texts */
#define INLINE_MAX 12            /* longer texts are pointed to */
#define WORD_BITS 64
#define ROWS_FIRST 128

struct block {
    struct block *next;
    size_t cap;
    char bytes[];
};

struct column {
    union {
        duckdb_string_t *texts;
        int32_t *numbers32;
        int64_t *numbers64;
        void *any;
    };
    uint64_t *valid; /* a bit per row; NULL for texts, where a missing value is the text "-" */
};

struct sort_row {
    uint64_t key;
    uint32_t row;
};

struct row_group {
    const struct schema *schema; /* borrowed */
    uint32_t rows;
    uint32_t rows_max;
    uint32_t rows_room;                 /* what there is memory for */
    struct column columns[FIELD_COUNT]; /* the schema's, in its order */
    struct sort_row *order;             /* which row comes where; made by the sort */
    struct sort_row *spare;             /* its other half */
    struct block *blocks;               /* the first is being filled, the others behind it are full */
    struct block *empty;
    size_t used; /* of the first block */
    size_t text_bytes;
};

int schema_from_format(struct schema *ret, const struct format *format, struct fault *fault)
{
    struct schema schema = {.version = format->version};
    bool seen[FIELD_COUNT + 1] = {[FIELD_UNKNOWN] = true};
    for (unsigned i = 0; i < format->count; i++) {
        if (seen[format->fields[i]])
            continue;
        seen[format->fields[i]] = true;
        schema.fields[schema.count++] = format->fields[i];
    }
    if (schema.count == 0)
        return fault_set(fault, -EINVAL, "a Parquet file needs at least one column");
    *ret = schema;
    return 0;
}

const char *schema_column_name(char to[static COLUMN_NAME_MAX], enum field_id field)
{
    const struct field *row = &field_catalogue[field];
    for (size_t i = 0; i < row->name_len; i++)
        to[i] = row->name[i] == '-' ? '_' : row->name[i];
    to[row->name_len] = '\0';
    return to;
}

static size_t value_size(enum field_id field)
{
    static const size_t sizes[] = {
        [FIELD_INT32] = sizeof(int32_t),
        [FIELD_INT64] = sizeof(int64_t),
        [FIELD_STRING] = sizeof(duckdb_string_t),
    };
    return sizes[field_catalogue[field].type];
}

size_t schema_row_bytes(const struct schema *schema)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < schema->count; i++)
        bytes += value_size((enum field_id)schema->fields[i]);
    return bytes;
}

/* Room for so many rows; what is there stays. */
static bool make_room(struct row_group *group, uint32_t rows)
{
    size_t words = (rows + WORD_BITS - 1) / WORD_BITS;
    for (unsigned i = 0; i < group->schema->count; i++) {
        enum field_id field = (enum field_id)group->schema->fields[i];
        struct column *column = &group->columns[i];
        void *values = reallocarray(column->any, rows, value_size(field));
        if (!values)
            return false;
        column->any = values;
        if (field_catalogue[field].type == FIELD_STRING)
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
    return group;
}

static void free_blocks(struct block *block)
{
    while (block) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
}

void row_group_free(struct row_group *group)
{
    if (!group)
        return;
    for (unsigned i = 0; i < group->schema->count; i++) {
        free(group->columns[i].any);
        free(group->columns[i].valid);
    }
    free_blocks(group->blocks);
    free_blocks(group->empty);
    free(group->order);
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

/* A block with room for `len` becomes the first. */
static bool add_block(struct row_group *group, size_t len)
{
    struct block *block = len <= BLOCK_SIZE ? group->empty : NULL;
    if (block) {
        group->empty = block->next;
    } else {
        size_t cap = len > BLOCK_SIZE ? len : BLOCK_SIZE;
        block = malloc(sizeof *block + cap);
        if (!block)
            return false;
        block->cap = cap;
    }
    block->next = group->blocks;
    group->blocks = block;
    group->used = 0;
    return true;
}

static char *keep(struct row_group *group, const char *text, size_t len)
{
    if ((!group->blocks || group->blocks->cap - group->used < len) && !add_block(group, len))
        return NULL;
    char *kept = group->blocks->bytes + group->used;
    memcpy(kept, text, len);
    group->used += len;
    group->text_bytes += len;
    return kept;
}

static const char *text_of(const duckdb_string_t *text)
{
    return text->value.inlined.length <= INLINE_MAX ? text->value.inlined.inlined : text->value.pointer.ptr;
}

static bool is_text(const duckdb_string_t *held, const char *text, size_t len)
{
    return held->value.inlined.length == len && memcmp(text_of(held), text, len) == 0;
}

static int set_text(struct row_group *group, struct column *column, const char *text, size_t len)
{
    duckdb_string_t *to = &column->texts[group->rows];
    if (len <= INLINE_MAX) {
        memset(to, 0, sizeof *to);
        to->value.inlined.length = (uint32_t)len;
        memcpy(to->value.inlined.inlined, text, len);
        return 0;
    }
    if (group->rows > 0 && is_text(to - 1, text, len)) { /* most columns hardly change */
        *to = to[-1];
        return 0;
    }
    char *kept = keep(group, text, len);
    if (!kept)
        return -ENOMEM;
    to->value.pointer.length = (uint32_t)len;
    memcpy(to->value.pointer.prefix, text, sizeof to->value.pointer.prefix);
    to->value.pointer.ptr = kept;
    return 0;
}

static int set_text_value(struct row_group *group, struct column *column, const struct value *value)
{
    char text[ADDRESS_TEXT_MAX];
    switch ((enum value_kind)value->kind) {
    case VALUE_TEXT:
        return set_text(group, column, value->text, value->len);
    case VALUE_ADDRESS:
        return set_text(group, column, text, address_format(text, value->address, (uint8_t)value->len));
    case VALUE_ABSENT:
    case VALUE_NUMBER:
        break;
    }
    return set_text(group, column, "-", 1);
}

static void set_number(struct column *column, uint32_t row, uint8_t type, const struct value *value)
{
    uint64_t bit = 1ULL << row % WORD_BITS;
    if (value->kind != VALUE_NUMBER) {
        column->valid[row / WORD_BITS] &= ~bit;
        return;
    }
    column->valid[row / WORD_BITS] |= bit;
    if (type == FIELD_INT32)
        column->numbers32[row] = (int32_t)value->number;
    else
        column->numbers64[row] = (int64_t)value->number;
}

int row_group_add(struct row_group *group, const struct record *record)
{
    const struct schema *schema = group->schema;
    if (group->rows == group->rows_room && grow(group, 1) < 0)
        return -ENOMEM;
    const struct value version = {.number = schema->version, .kind = VALUE_NUMBER};
    for (unsigned i = 0; i < schema->count; i++) {
        unsigned field = schema->fields[i];
        const struct value *value =
            field == FIELD_VERSION && schema->version ? &version : &record->values[field];
        uint8_t type = field_catalogue[field].type;
        int r = 0;
        if (type == FIELD_STRING)
            r = set_text_value(group, &group->columns[i], value);
        else
            set_number(&group->columns[i], group->rows, type, value);
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

static int add_texts(struct row_group *group, struct column *column, const duckdb_string_t *texts,
                     const uint64_t *valid, uint32_t first, uint32_t count)
{
    int r = 0;
    uint32_t begin = group->rows;
    for (uint32_t row = first; r == 0 && row < first + count; row++, group->rows++)
        r = is_there(valid, row)
                ? set_text(group, column, text_of(&texts[row]), texts[row].value.inlined.length)
                : set_text(group, column, "-", 1);
    group->rows = begin;
    return r;
}

static void add_numbers(struct row_group *group, struct column *column, uint8_t type, const void *numbers,
                        const uint64_t *valid, uint32_t first, uint32_t count)
{
    if (type == FIELD_INT32)
        memcpy(column->numbers32 + group->rows, (const int32_t *)numbers + first, count * sizeof(int32_t));
    else
        memcpy(column->numbers64 + group->rows, (const int64_t *)numbers + first, count * sizeof(int64_t));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = group->rows + i;
        uint64_t bit = 1ULL << row % WORD_BITS;
        if (is_there(valid, first + i))
            column->valid[row / WORD_BITS] |= bit;
        else
            column->valid[row / WORD_BITS] &= ~bit;
    }
}

int row_group_add_chunk(struct row_group *group, const struct duckdb_functions *duckdb,
                        duckdb_data_chunk chunk, uint32_t first, uint32_t count)
{
    int r = group->rows + count > group->rows_room ? grow(group, count) : 0;
    for (unsigned i = 0; r == 0 && i < group->schema->count; i++) {
        duckdb_vector vector = duckdb->data_chunk_get_vector(chunk, i);
        const void *values = duckdb->vector_get_data(vector);
        const uint64_t *valid = duckdb->vector_get_validity(vector);
        uint8_t type = field_catalogue[group->schema->fields[i]].type;
        if (type == FIELD_STRING)
            r = add_texts(group, &group->columns[i], values, valid, first, count);
        else
            add_numbers(group, &group->columns[i], type, values, valid, first, count);
    }
    if (r == 0)
        group->rows += count;
    return r;
}

/* Mixes the column of a field into the keys, if the file has one. */
static void mix_column(struct row_group *group, enum field_id field, unsigned bits)
{
    const struct column *column = NULL;
    for (unsigned i = 0; i < group->schema->count; i++)
        if (group->schema->fields[i] == field)
            column = &group->columns[i];
    for (uint32_t row = 0; row < group->rows && column; row++) {
        const duckdb_string_t *text = &column->texts[row];
        uint64_t hash = hash_bytes(text_of(text), text->value.inlined.length, 0);
        group->order[row].key = group->order[row].key << bits | hash >> (WORD_BITS - bits);
    }
}

#define DIGIT_BITS 8
#define DIGITS (1U << DIGIT_BITS)

/* One pass of a radix sort, which keeps the order of equals. */
static void sort_by_digit(struct row_group *group, unsigned shift)
{
    uint32_t starts[DIGITS] = {0};
    for (uint32_t i = 0; i < group->rows; i++)
        starts[group->order[i].key >> shift & (DIGITS - 1)]++;
    uint32_t start = 0;
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        uint32_t count = starts[digit];
        starts[digit] = start;
        start += count;
    }
    for (uint32_t i = 0; i < group->rows; i++)
        group->spare[starts[group->order[i].key >> shift & (DIGITS - 1)]++] = group->order[i];
    struct sort_row *sorted = group->spare;
    group->spare = group->order;
    group->order = sorted;
}

/* Equals have to be neighbours; which group of equals comes first does not matter, so hashes will do. */
int row_group_sort(struct row_group *group)
{
    struct sort_row *order = reallocarray(group->order, group->rows_room + 1, sizeof *order);
    if (order)
        group->order = order;
    struct sort_row *spare = reallocarray(group->spare, group->rows_room + 1, sizeof *spare);
    if (spare)
        group->spare = spare;
    if (!order || !spare)
        return -ENOMEM;
    for (uint32_t row = 0; row < group->rows; row++)
        group->order[row] = (struct sort_row){.row = row};
    mix_column(group, FIELD_INTERFACE_ID, 16);
    mix_column(group, FIELD_SRCADDR, 24);
    mix_column(group, FIELD_DSTADDR, 24);
    for (unsigned shift = 0; shift < WORD_BITS; shift += DIGIT_BITS)
        sort_by_digit(group, shift);
    return 0;
}

static void fill_texts(const struct row_group *group, const struct column *column, uint32_t first,
                       uint32_t count, duckdb_string_t *to)
{
    for (uint32_t i = 0; i < count; i++)
        to[i] = column->texts[group->order[first + i].row];
}

static void fill_numbers(const struct row_group *group, const struct column *column, uint8_t type,
                         uint32_t first, uint32_t count, void *to)
{
    int32_t *to32 = to;
    int64_t *to64 = to;
    if (type == FIELD_INT32)
        for (uint32_t i = 0; i < count; i++)
            to32[i] = column->numbers32[group->order[first + i].row];
    else
        for (uint32_t i = 0; i < count; i++)
            to64[i] = column->numbers64[group->order[first + i].row];
}

static void fill_validity(const struct row_group *group, const struct duckdb_functions *duckdb,
                          const struct column *column, uint32_t first, uint32_t count, duckdb_vector vector)
{
    uint64_t *to = NULL;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = group->order[first + i].row;
        if (column->valid[row / WORD_BITS] >> row % WORD_BITS & 1)
            continue;
        if (!to) { /* it has none as long as all values are there */
            duckdb->vector_ensure_validity_writable(vector);
            to = duckdb->vector_get_validity(vector);
        }
        to[i / WORD_BITS] &= ~(1ULL << i % WORD_BITS);
    }
}

uint32_t row_group_fill(const struct row_group *group, const struct duckdb_functions *duckdb, uint32_t first,
                        duckdb_data_chunk chunk)
{
    uint32_t count = group->rows - first;
    if (count > duckdb->vector_size())
        count = (uint32_t)duckdb->vector_size();
    for (unsigned i = 0; i < group->schema->count; i++) {
        const struct column *column = &group->columns[i];
        duckdb_vector vector = duckdb->data_chunk_get_vector(chunk, i);
        void *to = duckdb->vector_get_data(vector);
        uint8_t type = field_catalogue[group->schema->fields[i]].type;
        if (type == FIELD_STRING) {
            fill_texts(group, column, first, count, to);
            continue;
        }
        fill_numbers(group, column, type, first, count, to);
        fill_validity(group, duckdb, column, first, count, vector);
    }
    duckdb->data_chunk_set_size(chunk, count);
    return count;
}

void row_group_clear(struct row_group *group)
{
    while (group->blocks) {
        struct block *block = TAKE(group->blocks);
        group->blocks = block->next;
        if (block->cap > BLOCK_SIZE) {
            free(block);
            continue;
        }
        block->next = group->empty;
        group->empty = block;
    }
    group->used = 0;
    group->text_bytes = 0;
    group->rows = 0;
}
