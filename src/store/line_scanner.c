/* SPDX-License-Identifier: Apache-2.0 */
#include "store/line_scanner.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "record/parse.h"
#include "store/line_plan.h"

static atomic_bool vectors_off;

bool line_scanner_use_vectors(bool on)
{
    atomic_store(&vectors_off, !on);
    return on && line_can_take_usual();
}

static uint8_t count_digits(uint64_t number)
{
    uint8_t digits = 1;
    for (; number >= 10; number /= 10)
        digits++;
    return digits;
}

/* Longest value of the field that is usual or compared with its bound. */
static uint16_t safe_length(const struct field *field)
{
    if (field->max == 0)
        return UINT16_MAX;
    if (field->kind == FIELD_KIND_TIME)
        return 12; /* thirteen digits are milliseconds */
    uint8_t digits = count_digits(field->max);
    return digits <= LINE_BOUND_DIGITS ? digits : digits - 1;
}

static void add_bound(struct line_plan *plan, unsigned position, uint64_t max)
{
    struct line_bound *bound = &plan->bounds[plan->bound_count++];
    *bound = (struct line_bound){.position = (uint16_t)position, .digits = count_digits(max)};
    for (unsigned shift = 0; max > 0; max /= 10, shift += 8)
        bound->text |= ('0' + max % 10) << shift;
}

static void add_item(struct line_items *items, unsigned position, uint8_t field)
{
    items->items[items->count++] = (struct line_item){.position = (uint16_t)position, .field = field};
}

static void plan_field(struct line_plan *plan, unsigned position, uint8_t id)
{
    const struct field *field = &field_catalogue[id];
    plan->length_max[position] = safe_length(field);
    if (field->max != 0) {
        plan->is_number[position / 64] |= 1ULL << position % 64;
        if (plan->run_count > 0 && plan->runs[plan->run_count - 1].last + 1U == position)
            plan->runs[plan->run_count - 1].last = (uint16_t)position;
        else
            plan->runs[plan->run_count++] = (struct line_run){(uint16_t)position, (uint16_t)position};
    }
    if (field->max != 0 && field->kind != FIELD_KIND_TIME && count_digits(field->max) <= LINE_BOUND_DIGITS)
        add_bound(plan, position, field->max);
    if (field->kind == FIELD_KIND_ADDRESS)
        add_item(&plan->addresses, position, id);
    if (field->kind == FIELD_KIND_ACTION || field->kind == FIELD_KIND_LOG_STATUS)
        add_item(&plan->words, position, id);
    if (field->kind == FIELD_KIND_TIME)
        add_item(&plan->times, position, id);
    if (id == FIELD_START)
        plan->start = (int)position;
    if (id == FIELD_END)
        plan->end = (int)position;
}

/* Of a field that stands in the line twice the last one counts. */
static int last_position(const struct format *format, uint8_t field)
{
    const uint8_t *found = memrchr(format->fields, field, format->count);
    return found ? (int)(found - format->fields) : -1;
}

static void make_plan(struct line_scanner *scanner, const struct line_columns *columns)
{
    struct line_plan *plan = scanner->plan;
    const struct format *format = &scanner->format;
    *plan = (struct line_plan){.count = format->count, .columns = columns, .start = -1, .end = -1};
    memset(plan->length_max, 0xff, sizeof plan->length_max);
    for (unsigned i = 0; i < format->count; i++)
        plan_field(plan, i, format->fields[i]);
    for (unsigned i = 0; i < columns->count; i++) {
        int position = last_position(format, columns->columns[i].field);
        if (position < 0)
            continue;
        add_item(&plan->wanted, (unsigned)position, columns->columns[i].field);
        plan->wanted.items[plan->wanted.count - 1].column = (uint8_t)i;
    }
}

int line_scanner_begin(struct line_scanner *scanner, const struct format *format)
{
    if (!scanner->plan)
        scanner->plan = calloc(1, sizeof *scanner->plan);
    if (!scanner->plan)
        return -ENOMEM;
    struct format set;
    if (format)
        set = *format;
    else
        format_set_default(&set);
    line_scanner_go_on(scanner, &set, !format);
    scanner->is_first = true;
    scanner->had_record = false;
    return 0;
}

void line_scanner_go_on(struct line_scanner *scanner, const struct format *format, bool is_guessed)
{
    scanner->format = *format;
    scanner->is_guessed = is_guessed;
    scanner->is_first = false;
    scanner->had_record = true;
    scanner->record = (struct record){0};
    scanner->plan->columns = NULL;
}

void line_scanner_done(struct line_scanner *scanner)
{
    free(scanner->plan);
    scanner->plan = NULL;
}

void line_columns_begin(struct line_columns *columns, const struct format *format)
{
    for (unsigned i = 0; i < columns->count; i++) {
        struct line_column *column = &columns->columns[i];
        bool has = format_has(format, (enum field_id)column->field);
        memset(column->valid, has ? 0xff : 0, sizeof column->valid);
        column->has_null = !has;
    }
}

void line_columns_add(struct line_columns *columns, const struct record *record)
{
    for (unsigned i = 0; i < columns->count; i++) {
        struct line_column *column = &columns->columns[i];
        const struct value *value = &record->values[column->field];
        if (value->kind == VALUE_ABSENT)
            line_column_set_null(column, columns->rows);
        else if (value->kind == VALUE_NUMBER)
            line_column_set_number(column, columns->rows, value->number);
        else
            line_column_set_text(column, columns->rows, value->text, value->len);
    }
    columns->rows++;
}

static void refuse(struct line_scanner *scanner, uint64_t line, const char *reason)
{
    scanner->is_first = false;
    scanner->bad_line(scanner->userdata, line, reason);
}

static bool is_blank_or_comment(const char *line, size_t len)
{
    size_t at = 0;
    while (at < len && (line[at] == ' ' || line[at] == '\t' || line[at] == '\r'))
        at++;
    return at == len || line[at] == '#';
}

/*
 * As record/input.h takes header lines: the number of its unknown names, negative for what is no header line.
 * At the beginning of a file the first name may be unknown, too.
 */
static int read_header(const char *line, size_t len, bool is_first, struct format *ret, struct fault *fault)
{
    if (line[0] < 'a' || line[0] > 'z')
        return -EINVAL;
    const char *space = memchr(line, ' ', len);
    size_t word = space ? (size_t)(space - line) : len;
    if (!is_first && format_find_column(line, word) < 0)
        return -EINVAL;
    return format_parse_header(ret, line, len, fault);
}

static bool take_header(struct line_scanner *scanner, const char *line, size_t len, uint64_t number)
{
    struct format format;
    struct fault fault = {0};
    bool is_first = scanner->is_first;
    bool had_record = scanner->had_record;
    int unknown = read_header(line, len, is_first, &format, &fault);
    if (unknown < 0)
        return false;
    line_scanner_go_on(scanner, &format, false);
    scanner->is_first = is_first;
    scanner->had_record = had_record;
    if (unknown > 0) {
        fault_prefix(&fault, "left out");
        refuse(scanner, number, fault.text);
    }
    return true;
}

/* Past the mark of UTF-8 that some programs put at the beginning of a file. */
static void skip_mark(const char **line, size_t *len)
{
    static const char mark[] = {'\xef', '\xbb', '\xbf'};
    if (*len < sizeof mark || memcmp(*line, mark, sizeof mark) != 0)
        return;
    *line += sizeof mark;
    *len -= sizeof mark;
}

static uint64_t number_or(const struct record *record, enum field_id field, uint64_t otherwise)
{
    const struct value *value = &record->values[field];
    return value->kind == VALUE_NUMBER ? value->number : otherwise;
}

/* A line without its newline, by the plain rules. */
static void take_plainly(struct line_scanner *scanner, const char *line, size_t len, uint64_t number,
                         struct line_columns *columns)
{
    struct fault fault = {0};
    if (len > LINE_LEN_MAX) {
        (void)fault_set(&fault, 0, "longer than %d bytes", LINE_LEN_MAX);
        refuse(scanner, number, fault.text);
        return;
    }
    if (number == 1)
        skip_mark(&line, &len);
    if (is_blank_or_comment(line, len))
        return;
    size_t content = line[len - 1] == '\r' ? len - 1 : len;
    if (take_header(scanner, line, content, number))
        return;
    if (record_parse_text(&scanner->record, &scanner->format, line, content, &fault) < 0) {
        if (scanner->is_guessed && !scanner->had_record)
            fault_prefix(&fault,
                         "taken as the default format, since no header line or format says otherwise");
        refuse(scanner, number, fault.text);
        return;
    }
    scanner->is_first = false;
    scanner->had_record = true;
    const struct record *record = &scanner->record;
    uint64_t start = number_or(record, FIELD_START, number_or(record, FIELD_END, UINT64_MAX));
    if (!line_is_in_time(scanner, start, number_or(record, FIELD_END, start)))
        return;
    if (columns->rows == 0)
        line_columns_begin(columns, &scanner->format);
    line_columns_add(columns, record);
}

/* Usual lines as long as there are any; false when there is one that is not. */
static bool take_usual(struct line_scanner *scanner, struct line_block *block, struct line_columns *columns)
{
    if (scanner->is_first)
        return false; /* it may be a header line, whatever its first word */
    uint64_t line = block->line;
    bool all = line_take_usual(scanner, block, columns);
    scanner->had_record |= block->line > line;
    return all;
}

static bool use_vectors(void)
{
    return line_can_take_usual() && !atomic_load_explicit(&vectors_off, memory_order_relaxed);
}

void line_scanner_take(struct line_scanner *scanner, struct line_block *block, struct line_columns *columns)
{
    bool vectors = use_vectors();
    while (block->at < block->end && columns->rows < columns->max) {
        if (scanner->plan->columns != columns) {
            if (columns->rows > 0)
                return; /* one chunk is of one format */
            make_plan(scanner, columns);
        }
        if (columns->rows == 0)
            line_columns_begin(columns, &scanner->format);
        if (vectors && take_usual(scanner, block, columns))
            continue;
        const char *line = block->at;
        const char *newline = memchr(line, '\n', (size_t)(block->end - line));
        block->at = newline + 1;
        take_plainly(scanner, line, (size_t)(newline - line), block->line++, columns);
    }
}

/* One line without its newline; *is_first stays as long as there are but header lines, blanks and comments.
 */
static void survey_line(struct line_survey *survey, const char *line, size_t len, bool *is_first)
{
    struct format format;
    if (!*is_first && (len == 0 || *line < 'a' || *line > 'z'))
        return;
    if (*is_first && survey->lines == 0)
        skip_mark(&line, &len);
    if (is_blank_or_comment(line, len))
        return;
    size_t content = line[len - 1] == '\r' ? len - 1 : len;
    int unknown = len > LINE_LEN_MAX ? -EINVAL : read_header(line, content, *is_first, &format, NULL);
    *is_first &= unknown == 0;
    if (unknown < 0)
        return;
    survey->has_header = true;
    survey->format = format;
}

void line_survey(struct line_survey *ret, const char *at, const char *end, bool is_first)
{
    bool vectors = use_vectors();
    ret->lines = 0;
    ret->has_header = false;
    while (at < end) {
        if (vectors && !is_first)
            at = line_find_lower(at, end, &ret->lines);
        const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        if (!newline)
            return;
        survey_line(ret, at, (size_t)(newline - at), &is_first);
        ret->lines++;
        at = newline + 1;
    }
}
