/* SPDX-License-Identifier: Apache-2.0 */
#include "insights/pattern.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "insights/sql.h"

#define FIELDS_MAX 256
#define DEPTH_MAX 16

struct reader {
    const char *pattern; /* its begin */
    const char *at;
    const char *column;
    struct fault *fault;
};

static int fail(const struct reader *reader, const char *what)
{
    return fault_set(reader->fault, -EINVAL, "the filter pattern at position %td: %s",
                     reader->at - reader->pattern + 1, what);
}

static void skip_blank(struct reader *reader)
{
    reader->at += strspn(reader->at, " \t\r\n");
}

static bool take(struct reader *reader, const char *sign)
{
    skip_blank(reader);
    bool is = strncmp(reader->at, sign, strlen(sign)) == 0;
    if (is)
        reader->at += strlen(sign);
    return is;
}

/* "text" with its escapes. */
static int read_quoted(struct reader *reader, struct buf *to)
{
    for (reader->at++; *reader->at && *reader->at != '"'; reader->at++) {
        if (*reader->at == '\\' && reader->at[1])
            reader->at++;
        buf_char(to, *reader->at);
    }
    if (!*reader->at)
        return fail(reader, "the closing \" is missing");
    reader->at++;
    return 0;
}

/* %expression%, of the characters that AWS allows. */
static int read_regex(struct reader *reader, struct buf *to)
{
    for (reader->at++; *reader->at && *reader->at != '%'; reader->at++) {
        if (*reader->at != '\\' && !isalnum((unsigned char)*reader->at) &&
            !strchr(":_#=@/;,-^$?[]{}|*+. ", *reader->at))
            return fail(reader, "this character is not allowed in an expression");
        buf_char(to, *reader->at);
        if (*reader->at == '\\' && reader->at[1])
            buf_char(to, *++reader->at);
    }
    if (!*reader->at)
        return fail(reader, "the closing % is missing");
    reader->at++;
    return 0;
}

/* ---- Terms ---- */

enum term_sign { TERM_ALL, TERM_ANY, TERM_NOT, TERM_SIGNS };

/* Conditions of one sign, with OR or AND between. */
static void add_condition(struct buf *to, const char *between, const struct buf *condition)
{
    buf_text(to, to->len ? between : "");
    buf_join(to, condition);
}

static int read_term(struct reader *reader, struct buf *to)
{
    struct buf text AUTO_BUF = BUF_INIT(PATTERN_MAX);
    bool regex = *reader->at == '%';
    int r = 0;
    if (regex)
        r = read_regex(reader, &text);
    else if (*reader->at == '"')
        r = read_quoted(reader, &text);
    else
        while (*reader->at && !isspace((unsigned char)*reader->at))
            buf_char(&text, *reader->at++);
    if (r < 0)
        return r;
    if (!text.len)
        return fail(reader, "a term is missing");
    buf_printf(to, "%s(%s, ", regex ? "regexp_matches" : "contains", reader->column);
    sql_text(to, text.data, text.len);
    buf_char(to, ')');
    return 0;
}

static int translate_terms(struct reader *reader, struct buf *to)
{
    struct buf conditions[TERM_SIGNS] = {BUF_INIT(8 * PATTERN_MAX), BUF_INIT(8 * PATTERN_MAX),
                                         BUF_INIT(8 * PATTERN_MAX)};
    int r = 0;
    for (skip_blank(reader); *reader->at && r == 0; skip_blank(reader)) {
        enum term_sign sign = *reader->at == '?' ? TERM_ANY : *reader->at == '-' ? TERM_NOT : TERM_ALL;
        struct buf term AUTO_BUF = BUF_INIT(2 * PATTERN_MAX);
        reader->at += sign != TERM_ALL;
        buf_text(&term, sign == TERM_NOT ? "NOT " : "");
        r = read_term(reader, &term);
        add_condition(&conditions[sign], sign == TERM_ANY ? " OR " : " AND ", &term);
    }
    /* `?` means nothing beside other terms (AWS). */
    bool only_any = !conditions[TERM_ALL].len && !conditions[TERM_NOT].len;
    buf_char(to, '(');
    if (only_any)
        buf_join(to, &conditions[TERM_ANY]);
    buf_join(to, &conditions[TERM_ALL]);
    buf_text(to, conditions[TERM_ALL].len && conditions[TERM_NOT].len ? " AND " : "");
    buf_join(to, &conditions[TERM_NOT]);
    buf_char(to, ')');
    for (size_t i = 0; i < TERM_SIGNS; i++)
        buf_done(&conditions[i]);
    return r;
}

/* ---- Fields between spaces ---- */

struct pattern_field {
    const char *name;
    size_t len;
    int index; /* as in DuckDB's lists: from 1, from the end -1 */
};

struct fields {
    struct pattern_field list[FIELDS_MAX];
    size_t count;
    bool open; /* there is a `...` */
    struct buf conditions;
};

/* What is in brackets or quotes is one field; the brackets and quotes are not of it. */
#define EVENT_FIELDS "regexp_extract_all(%s, '\\[[^\\]]*\\]|\"[^\"]*\"|[^ ]+')"

static void put_field(const struct reader *reader, int index, struct buf *to)
{
    buf_text(to, "trim(");
    buf_printf(to, EVENT_FIELDS, reader->column);
    buf_printf(to, "[%d], '[]\"')", index);
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || strchr("_.-/:*@", c);
}

static int read_name(struct reader *reader, struct pattern_field *ret)
{
    skip_blank(reader);
    ret->name = reader->at;
    while (isalnum((unsigned char)*reader->at) || *reader->at == '_' || *reader->at == '-')
        reader->at++;
    ret->len = (size_t)(reader->at - ret->name);
    return ret->len ? 0 : fail(reader, "the name of a field is missing");
}

/* 5, -5, 5.25 */
static bool is_number(const struct buf *text)
{
    const char *at = text->data, *end = at + text->len;
    size_t digits = 0, points = 0;
    for (at += text->len && *at == '-'; at < end && (isdigit((unsigned char)*at) || *at == '.'); at++) {
        digits += *at != '.';
        points += *at == '.';
    }
    return at == end && digits && points <= 1;
}

static void put_number_comparison(const struct reader *reader, int index, const char *sign,
                                  const struct buf *value, struct buf *to)
{
    buf_text(to, "coalesce(TRY_CAST(");
    put_field(reader, index, to);
    buf_printf(to, " AS DOUBLE) %s ", sign);
    buf_join(to, value);
    buf_text(to, ", false)");
}

/* `*` stands for any text. */
static void put_text_comparison(const struct reader *reader, int index, bool negated, const struct buf *value,
                                bool is_regex, struct buf *to)
{
    struct buf regex AUTO_BUF = BUF_INIT(4 * PATTERN_MAX);
    for (size_t i = 0; i < value->len && !is_regex; i++) {
        if (value->data[i] == '*')
            buf_text(&regex, ".*");
        else
            sql_literal_pattern(&regex, &value->data[i], 1);
    }
    if (is_regex)
        buf_append(&regex, value->data, value->len);
    buf_printf(to, "%s%s(", negated ? "NOT " : "", is_regex ? "regexp_matches" : "regexp_full_match");
    put_field(reader, index, to);
    buf_text(to, ", ");
    sql_text(to, regex.data, regex.len);
    buf_char(to, ')');
}

static int read_value(struct reader *reader, struct buf *to, bool *ret_regex)
{
    skip_blank(reader);
    *ret_regex = *reader->at == '%';
    if (*reader->at == '%')
        return read_regex(reader, to);
    if (*reader->at == '"')
        return read_quoted(reader, to);
    while (*reader->at && is_word(*reader->at))
        buf_char(to, *reader->at++);
    return to->len ? 0 : fail(reader, "a value is missing");
}

/* op value, for the field at index. */
static int read_comparison(struct reader *reader, int index, struct buf *to)
{
    static const char *const signs[] = {"!=", "<=", ">=", "=", "<", ">"};
    struct buf value AUTO_BUF = BUF_INIT(PATTERN_MAX);
    const char *sign = NULL;
    bool is_regex;
    for (size_t i = 0; i < sizeof signs / sizeof *signs && !sign; i++)
        sign = take(reader, signs[i]) ? signs[i] : NULL;
    if (!sign)
        return fail(reader, "one of = != < <= > >= is missing");
    int r = read_value(reader, &value, &is_regex);
    if (r < 0)
        return r;
    bool number = !is_regex && is_number(&value);
    bool ordered = *sign == '<' || *sign == '>';
    if (ordered && !number)
        return fail(reader, "only a number can be compared so");
    if (ordered)
        put_number_comparison(reader, index, sign, &value, to);
    else
        put_text_comparison(reader, index, *sign == '!', &value, is_regex, to);
    return 0;
}

static int read_condition(struct reader *reader, const struct pattern_field *field, unsigned depth,
                          struct buf *to);

/* name op value, or the same in parentheses. */
static int read_operand(struct reader *reader, const struct pattern_field *field, unsigned depth,
                        struct buf *to)
{
    struct pattern_field named;
    if (depth == DEPTH_MAX)
        return fail(reader, "too many parentheses");
    if (take(reader, "(")) {
        int r = read_condition(reader, field, depth + 1, to);
        return r < 0 || take(reader, ")") ? r : fail(reader, "a closing parenthesis is missing");
    }
    int r = read_name(reader, &named);
    if (r < 0)
        return r;
    if (named.len != field->len || memcmp(named.name, field->name, field->len) != 0)
        return fail(reader, "a condition is for the field in whose place it stands");
    return read_comparison(reader, field->index, to);
}

/* operand { && or || operand }; && binds closer. */
static int read_condition(struct reader *reader, const struct pattern_field *field, unsigned depth,
                          struct buf *to)
{
    buf_char(to, '(');
    int r = read_operand(reader, field, depth, to);
    while (r == 0) {
        bool both = take(reader, "&&");
        if (!both && !take(reader, "||"))
            break;
        buf_text(to, both ? " AND " : " OR ");
        r = read_operand(reader, field, depth, to);
    }
    buf_char(to, ')');
    return r;
}

/* A field behind `...` is counted from the end, when it is known how many there are. */
static int read_field(struct reader *reader, struct fields *fields)
{
    struct pattern_field *field = &fields->list[fields->count];
    if (fields->count == FIELDS_MAX)
        return fail(reader, "too many fields");
    if (take(reader, "...")) {
        if (fields->open)
            return fail(reader, "there is one ... already");
        fields->open = true;
        return 0;
    }
    while (take(reader, "("))
        ;
    int r = read_name(reader, field);
    field->index = fields->open ? -1 : (int)fields->count + 1;
    for (size_t i = 0; i < fields->count && fields->open; i++)
        fields->list[i].index -= fields->list[i].index < 0;
    fields->count++;
    return r;
}

/* Over a field's conditions, which are read once the places of all fields are known. */
static void skip_conditions(struct reader *reader)
{
    for (; *reader->at && !strchr(",]", *reader->at); reader->at++) {
        char quote = *reader->at;
        if (quote != '"' && quote != '%')
            continue;
        for (reader->at++; *reader->at && *reader->at != quote; reader->at++)
            reader->at += reader->at[0] == '\\' && reader->at[1];
        if (!*reader->at)
            return;
    }
}

static int read_fields(struct reader *reader, struct fields *fields)
{
    do {
        int r = read_field(reader, fields);
        if (r < 0)
            return r;
        skip_conditions(reader);
    } while (take(reader, ","));
    if (!take(reader, "]"))
        return fail(reader, "the closing ] is missing");
    skip_blank(reader);
    return *reader->at ? fail(reader, "nothing may follow the ]") : 0;
}

static int read_conditions(struct reader *reader, struct fields *fields)
{
    size_t next = 0;
    do {
        if (take(reader, "..."))
            continue;
        const struct pattern_field *field = &fields->list[next++];
        struct buf condition AUTO_BUF = BUF_INIT(64 * PATTERN_MAX);
        skip_blank(reader);
        const char *begin = reader->at;
        reader->at = field->name + field->len;
        skip_blank(reader);
        if (begin == field->name && strchr(",]", *reader->at))
            continue;
        reader->at = begin;
        int r = read_condition(reader, field, 0, &condition);
        if (r < 0)
            return r;
        add_condition(&fields->conditions, " AND ", &condition);
    } while (take(reader, ","));
    return take(reader, "]") ? 0 : fail(reader, "&&, || or a comma is missing");
}

static int translate_fields(struct reader *reader, struct buf *to)
{
    struct fields fields = {.conditions = BUF_INIT(256 * PATTERN_MAX)};
    const char *begin = reader->at;
    int r = read_fields(reader, &fields);
    reader->at = begin;
    if (r == 0)
        r = read_conditions(reader, &fields);
    buf_text(to, "(len(");
    buf_printf(to, EVENT_FIELDS, reader->column);
    buf_printf(to, ") %s %zu%s", fields.open ? ">=" : "=", fields.count,
               fields.conditions.len ? " AND " : "");
    buf_join(to, &fields.conditions);
    buf_char(to, ')');
    buf_done(&fields.conditions);
    return r;
}

int pattern_translate(const char *pattern, const char *column, struct buf *to, struct fault *fault)
{
    struct reader reader = {pattern, pattern, column, fault};
    if (strlen(pattern) > PATTERN_MAX)
        return fault_set(fault, -EINVAL, "the filter pattern is longer than %d characters", PATTERN_MAX);
    skip_blank(&reader);
    if (*reader.at == '{')
        return fail(&reader, "events of flow logs are no JSON: use terms or [name, name op value, ...]");
    int r = 0;
    if (!*reader.at || strcmp(reader.at, "\" \"") == 0)
        buf_text(to, "true");
    else
        r = take(&reader, "[") ? translate_fields(&reader, to) : translate_terms(&reader, to);
    if (r == 0 && to->failed)
        return fault_set(fault, -EINVAL, "the filter pattern is too complex");
    return r;
}
