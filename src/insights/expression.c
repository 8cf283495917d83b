/* SPDX-License-Identifier: Apache-2.0 */
#include "insights/expression.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "base/words.h"
#include "insights/function.h"
#include "insights/sql.h"

#define DEPTH_MAX 64

struct parser {
    struct lexer *lexer;
    struct scope *scope;
    unsigned depth;
};

void value_done(struct value *value)
{
    buf_done(&value->sql);
}

/* The value's SQL becomes before + itself + after. */
static void surround(struct value *value, const char *before, const char *after)
{
    struct buf sql = BUF_INIT(EXPRESSION_SQL_MAX);
    buf_text(&sql, before);
    buf_join(&sql, &value->sql);
    buf_text(&sql, after);
    buf_done(&value->sql);
    value->sql = sql;
    value->field = NULL;
}

/* How a kind is had as a number and as text. */
static const struct {
    const char *number[2], *text[2];
} conversions[] = {
    [KIND_NUMBER] = {{"", ""}, {"CAST(", " AS VARCHAR)"}},
    [KIND_TEXT] = {{"TRY_CAST(", " AS DOUBLE)"}, {"", ""}},
    [KIND_LOOSE] = {{"TRY_CAST(", " AS DOUBLE)"}, {"", ""}},
    [KIND_BOOL] = {{"CAST(", " AS INTEGER)"}, {"CAST(CAST(", " AS INTEGER) AS VARCHAR)"}},
    [KIND_TIME] = {{"epoch_ms(", ")"}, {"strftime(", ", '%Y-%m-%d %H:%M:%S.%g')"}},
};

static void convert(struct value *value, const char *const around[static 2], struct buf *to)
{
    buf_text(to, around[0]);
    buf_join(to, &value->sql);
    buf_text(to, around[1]);
}

void value_as_number(struct value *value, struct buf *to)
{
    convert(value, conversions[value->kind].number, to);
}

void value_as_text(struct value *value, struct buf *to)
{
    convert(value, conversions[value->kind].text, to);
}

static bool parse_condition(struct parser *parser, struct value *ret);
static bool parse_sum(struct parser *parser, struct value *ret);

static bool enter(struct parser *parser)
{
    if (parser->depth++ < DEPTH_MAX)
        return true;
    return lexer_fail(parser->lexer, "too many parentheses and calls inside each other");
}

/* Periods: the number's bound is the unit's, as bin(300s) means 60 s (AWS). */
static const struct {
    const char *words, *sql;
    unsigned factor;
    uint64_t max;
} units[] = {
    {"ms|msec|msecs|millisecond|milliseconds", "milliseconds", 1, 1000},
    {"s|sec|secs|second|seconds", "seconds", 1, 60},
    {"m|min|mins|minute|minutes", "minutes", 1, 60},
    {"h|hr|hrs|hour|hours", "hours", 1, 24},
    {"d|day|days", "days", 1, 10000},
    {"w|week|weeks", "weeks", 1, 1000},
    {"mo|mon|month|months", "months", 1, 1000},
    {"q|qtr|quarter|quarters", "months", 3, 400},
    {"y|yr|yrs|year|years", "years", 1, 100},
};

static bool is_one_of(const struct lexer *lexer, const char *words)
{
    size_t len;
    const char *word;
    for (unsigned i = 0; (word = words_at(words, i, &len)); i++)
        if (len == lexer->token.len && strncasecmp(word, lexer->token.text, len) == 0)
            return true;
    return false;
}

static bool parse_period(struct lexer *lexer, struct value *ret)
{
    uint64_t number;
    if (lexer->token.type != TOKEN_NUMBER ||
        !num_parse_u64(lexer->token.text, lexer->token.len, UINT32_MAX, &number) || !number)
        return lexer_fail(lexer, "a period such as 5m is missing here");
    lexer_next(lexer);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (lexer->token.type != TOKEN_NAME || !is_one_of(lexer, units[i].words))
            continue;
        number = (number < units[i].max ? number : units[i].max) * units[i].factor;
        buf_printf(&ret->sql, "INTERVAL '%llu %s'", (unsigned long long)number, units[i].sql);
        lexer_next(lexer);
        return true;
    }
    return lexer_fail(lexer, "a unit of time is missing here: ms, s, m, h, d, w, mo, q or y");
}

struct call {
    struct value arguments[FUNCTION_ARGUMENTS_MAX];
    size_t count;
    const struct function *function;
};

static void call_done(struct call *call)
{
    for (size_t i = 0; i < call->count; i++)
        value_done(&call->arguments[i]);
}

static void take_argument(struct call *call, size_t index, struct buf *to)
{
    struct value *value = &call->arguments[index];
    char as = function_argument(call->function, index);
    if (as == 't')
        value_as_text(value, to);
    else if (as == 'n' || (as == 'o' && value->kind != KIND_TEXT && value->kind != KIND_TIME))
        value_as_number(value, to);
    else
        buf_join(to, &value->sql);
}

static bool take_time(struct parser *parser, struct buf *to)
{
    const struct scope_field *time = scope_find(parser->scope, "@timestamp");
    if (!time)
        return lexer_fail(parser->lexer, "this needs @timestamp, which is gone after stats");
    scope_column(time, to);
    return true;
}

/* The function's SQL with the arguments in it. */
static bool expand(struct parser *parser, struct call *call, struct value *ret)
{
    buf_char(&ret->sql, '(');
    for (const char *at = call->function->sql; *at; at++) {
        if (*at != '$') {
            buf_char(&ret->sql, *at);
            continue;
        }
        at++;
        if (*at == 'T') {
            if (!take_time(parser, &ret->sql))
                return false;
        } else if (*at == '*') {
            for (size_t i = 0; i < call->count; i++) {
                buf_text(&ret->sql, i ? ", " : "");
                take_argument(call, i, &ret->sql);
            }
        } else {
            take_argument(call, (size_t)(*at - '1'), &ret->sql);
        }
    }
    buf_char(&ret->sql, ')');
    return true;
}

static enum kind kind_of_result(struct call *call)
{
    const struct function *function = call->function;
    if (!function->result_as_argument)
        return function->result;
    enum kind first = call->arguments[0].kind;
    if (function_argument(function, 0) == 'o')
        return first == KIND_TEXT || first == KIND_TIME ? first : KIND_NUMBER;
    /* What differs is taken as text. */
    for (size_t i = 1; i < call->count; i++)
        if (call->arguments[i].kind != first)
            return KIND_LOOSE;
    return first;
}

/* Arguments of several kinds become text, as a column has one. */
static void make_alike(struct call *call)
{
    if (kind_of_result(call) != KIND_LOOSE || function_argument(call->function, 0) != 'v' ||
        !call->function->result_as_argument)
        return;
    for (size_t i = 0; i < call->count; i++) {
        struct value *value = &call->arguments[i];
        surround(value, conversions[value->kind].text[0], conversions[value->kind].text[1]);
        value->kind = KIND_LOOSE;
    }
}

static bool parse_arguments(struct parser *parser, const char *name, struct call *call)
{
    struct lexer *lexer = parser->lexer;
    if (strcasecmp(name, "count") == 0 && lexer_take_sign(lexer, "*"))
        return lexer_take_sign(lexer, ")") || lexer_fail(lexer, "a closing parenthesis is missing here");
    if (lexer_take_sign(lexer, ")"))
        return true;
    do {
        if (call->count == FUNCTION_ARGUMENTS_MAX)
            return lexer_fail(lexer, "more than %u arguments", FUNCTION_ARGUMENTS_MAX);
        struct value *argument = &call->arguments[call->count++];
        *argument = VALUE_INIT;
        if (function_takes_period(name, call->count - 1) ? !parse_period(lexer, argument)
                                                         : !parse_condition(parser, argument))
            return false;
    } while (lexer_take_sign(lexer, ","));
    return lexer_take_sign(lexer, ")") ||
           lexer_fail(lexer, "a comma or a closing parenthesis is missing here");
}

static bool find_function(struct parser *parser, const char *name, struct call *call)
{
    bool named;
    call->function = function_find(name, call->count, &named);
    if (call->function)
        return true;
    return named ? lexer_fail(parser->lexer, "%s() does not take %zu arguments", name, call->count)
                 : lexer_fail(parser->lexer, "there is no function %s(); the nearest is %s()", name,
                              function_nearest(name));
}

static bool check_aggregate(struct parser *parser, struct call *call, struct value *ret)
{
    bool inside = false;
    for (size_t i = 0; i < call->count; i++)
        inside |= call->arguments[i].is_aggregate;
    if (inside && call->function->is_aggregate)
        return lexer_fail(parser->lexer, "%s() cannot be of another aggregate", call->function->name);
    ret->is_aggregate = inside || call->function->is_aggregate;
    return true;
}

/* Behind the name and its opening parenthesis. */
static bool parse_call(struct parser *parser, const char *name, struct value *ret)
{
    struct call call CLEANUP(call_done) = {.count = 0};
    if (!enter(parser) || !parse_arguments(parser, name, &call) || !find_function(parser, name, &call) ||
        !check_aggregate(parser, &call, ret))
        return false;
    make_alike(&call);
    ret->kind = kind_of_result(&call);
    parser->depth--;
    return expand(parser, &call, ret);
}

static bool parse_name(struct parser *parser, struct value *ret)
{
    struct lexer *lexer = parser->lexer;
    const struct token token = lexer->token;
    AUTO_BUF struct buf name = BUF_INIT(SCOPE_NAME_MAX);
    token_value(&token, &name);
    if (name.failed || buf_string(&name)[0] == '\0')
        return lexer_fail(lexer, "a name has 1 to %d characters", SCOPE_NAME_MAX - 1);
    const struct scope_field *field = scope_find(parser->scope, buf_string(&name));
    struct lexer ahead = *lexer;
    lexer_next(&ahead);
    if (*token.text != '`' && lexer_is_sign(&ahead, "(")) {
        lexer_next(lexer);
        lexer_next(lexer);
        return parse_call(parser, buf_string(&name), ret);
    }
    if (!field) {
        const char *nearest = scope_nearest(parser->scope, buf_string(&name));
        return lexer_fail(lexer, "there is no field %s; the nearest is %s", buf_string(&name),
                          nearest ? nearest : "none");
    }
    lexer_next(lexer);
    scope_column(field, &ret->sql);
    ret->kind = field->kind;
    ret->field = field;
    return true;
}

static bool parse_primary(struct parser *parser, struct value *ret)
{
    struct lexer *lexer = parser->lexer;
    switch (lexer->token.type) {
    case TOKEN_NAME:
        return parse_name(parser, ret);
    case TOKEN_NUMBER:
        buf_append(&ret->sql, lexer->token.text, lexer->token.len);
        ret->kind = KIND_NUMBER;
        lexer_next(lexer);
        return true;
    case TOKEN_TEXT: {
        AUTO_BUF struct buf text = BUF_INIT(EXPRESSION_SQL_MAX);
        token_value(&lexer->token, &text);
        sql_text(&ret->sql, text.data, text.len);
        ret->kind = KIND_TEXT;
        lexer_next(lexer);
        return true;
    }
    case TOKEN_SIGN:
        if (!lexer_is_sign(lexer, "("))
            break;
        lexer_next(lexer);
        if (!enter(parser) || !parse_condition(parser, ret))
            return false;
        parser->depth--;
        if (!lexer_take_sign(lexer, ")"))
            return lexer_fail(lexer, "a closing parenthesis is missing here");
        surround(ret, "(", ")");
        return true;
    case TOKEN_END:
    case TOKEN_WRONG:
        break;
    }
    return lexer_fail(lexer, "a field, a value or a function is missing here");
}

static bool parse_signed(struct parser *parser, struct value *ret)
{
    if (!lexer_take_sign(parser->lexer, "-"))
        return parse_primary(parser, ret);
    if (!enter(parser) || !parse_signed(parser, ret))
        return false;
    parser->depth--;
    struct value number AUTO_VALUE = VALUE_INIT;
    value_as_number(ret, &number.sql);
    buf_clear(&ret->sql);
    buf_join(&ret->sql, &number.sql);
    surround(ret, "(-", ")");
    ret->kind = KIND_NUMBER;
    return true;
}

/* left SIGN right, as numbers; division is that of real numbers, by zero nothing. */
static void combine(struct value *left, char sign, struct value *right)
{
    struct buf sql = BUF_INIT(EXPRESSION_SQL_MAX);
    buf_text(&sql, sign == '^' ? "pow(" : "(");
    value_as_number(left, &sql);
    buf_printf(&sql, " %c ", sign == '^' ? ',' : sign);
    buf_text(&sql, sign == '/' || sign == '%' ? "nullif(" : "");
    value_as_number(right, &sql);
    buf_text(&sql, sign == '/' || sign == '%' ? ", 0))" : ")");
    buf_done(&left->sql);
    left->sql = sql;
    left->kind = KIND_NUMBER;
    left->field = NULL;
    left->is_aggregate |= right->is_aggregate;
}

typedef bool parse_function(struct parser *parser, struct value *ret);

/* operand { SIGN operand }, from the left. */
static bool parse_operators(struct parser *parser, const char *signs, parse_function *operand,
                            struct value *ret)
{
    struct lexer *lexer = parser->lexer;
    if (!operand(parser, ret))
        return false;
    while (lexer->token.type == TOKEN_SIGN && lexer->token.len == 1 && strchr(signs, *lexer->token.text)) {
        char sign = *lexer->token.text;
        struct value right AUTO_VALUE = VALUE_INIT;
        lexer_next(lexer);
        if (!operand(parser, &right))
            return false;
        combine(ret, sign, &right);
    }
    return true;
}

static bool parse_power(struct parser *parser, struct value *ret)
{
    return parse_operators(parser, "^", parse_signed, ret);
}

static bool parse_product(struct parser *parser, struct value *ret)
{
    return parse_operators(parser, "*/%", parse_power, ret);
}

static bool parse_sum(struct parser *parser, struct value *ret)
{
    return parse_operators(parser, "+-", parse_product, ret);
}

/* Text with text, else as numbers; `-` and what is absent differs from everything, as AWS's `-` does. */
static void compare(struct value *left, const char *sign, struct value *right)
{
    bool as_text = (left->kind == KIND_TEXT || left->kind == KIND_LOOSE) &&
                   (right->kind == KIND_TEXT || right->kind == KIND_LOOSE);
    struct buf sql = BUF_INIT(EXPRESSION_SQL_MAX);
    buf_char(&sql, '(');
    (as_text ? value_as_text : value_as_number)(left, &sql);
    buf_printf(&sql, " %s ", strcmp(sign, "!=") == 0 ? "IS DISTINCT FROM" : sign);
    (as_text ? value_as_text : value_as_number)(right, &sql);
    buf_char(&sql, ')');
    buf_done(&left->sql);
    left->sql = sql;
    left->kind = KIND_BOOL;
    left->field = NULL;
    left->is_aggregate |= right->is_aggregate;
}

/* like "part", like /expression/, =~ /expression/. */
static bool parse_likeness(struct parser *parser, struct value *ret)
{
    struct lexer *lexer = parser->lexer;
    struct buf sql = BUF_INIT(EXPRESSION_SQL_MAX);
    const char *pattern;
    size_t len;
    bool is_part = lexer->token.type == TOKEN_TEXT;
    struct value part AUTO_VALUE = VALUE_INIT;
    if (is_part ? !parse_primary(parser, &part) : !lexer_take_regex(lexer, &pattern, &len))
        return false;
    buf_text(&sql, is_part ? "contains(" : "regexp_matches(");
    value_as_text(ret, &sql);
    buf_text(&sql, ", ");
    if (is_part)
        buf_join(&sql, &part.sql);
    else
        sql_text(&sql, pattern, len);
    buf_char(&sql, ')');
    buf_done(&ret->sql);
    ret->sql = sql;
    ret->kind = KIND_BOOL;
    ret->field = NULL;
    return true;
}

/* in [a, b]: equal to one of them. */
static bool parse_membership(struct parser *parser, struct value *ret)
{
    struct lexer *lexer = parser->lexer;
    struct buf sql AUTO_BUF = BUF_INIT(EXPRESSION_SQL_MAX);
    const char *separator = "(";
    if (!lexer_take_sign(lexer, "["))
        return lexer_fail(lexer, "a list such as [22, 3389] is missing here");
    do {
        struct value left AUTO_VALUE = VALUE_INIT;
        struct value item AUTO_VALUE = VALUE_INIT;
        buf_join(&left.sql, &ret->sql);
        left.kind = ret->kind;
        if (!parse_sum(parser, &item))
            return false;
        compare(&left, "=", &item);
        buf_text(&sql, separator);
        buf_join(&sql, &left.sql);
        separator = " OR ";
    } while (lexer_take_sign(lexer, ","));
    if (!lexer_take_sign(lexer, "]"))
        return lexer_fail(lexer, "a comma or a closing bracket is missing here");
    buf_char(&sql, ')');
    buf_clear(&ret->sql);
    buf_join(&ret->sql, &sql);
    ret->kind = KIND_BOOL;
    ret->field = NULL;
    return true;
}

/* What is not known counts as not so, and its negation as so. */
static void negate(struct value *value)
{
    surround(value, "(NOT coalesce(", ", false))");
    value->kind = KIND_BOOL;
}

static bool parse_comparison(struct parser *parser, struct value *ret)
{
    static const char *const signs[] = {"=", "!=", "<=", ">=", "<", ">"};
    struct lexer *lexer = parser->lexer;
    if (!parse_sum(parser, ret))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
        struct value right AUTO_VALUE = VALUE_INIT;
        if (!lexer_take_sign(lexer, signs[i]))
            continue;
        if (!parse_sum(parser, &right))
            return false;
        compare(ret, signs[i], &right);
        return true;
    }
    if (lexer_take_sign(lexer, "=~"))
        return parse_likeness(parser, ret);
    bool negated = lexer_take_word(lexer, "not");
    bool like = lexer_take_word(lexer, "like");
    bool in = !like && lexer_take_word(lexer, "in");
    if (!like && !in)
        return !negated || lexer_fail(lexer, "`like` or `in` is missing behind `not`");
    if (like ? !parse_likeness(parser, ret) : !parse_membership(parser, ret))
        return false;
    if (negated)
        negate(ret);
    return true;
}

/* Numbers are true unless 0; text is no condition. */
static bool make_condition(struct parser *parser, struct value *value)
{
    if (value->kind == KIND_NUMBER) {
        surround(value, "(", " <> 0)");
        value->kind = KIND_BOOL;
    }
    return value->kind == KIND_BOOL || lexer_fail(parser->lexer, "a condition is missing before this");
}

static bool parse_negation(struct parser *parser, struct value *ret)
{
    if (!lexer_take_word(parser->lexer, "not"))
        return parse_comparison(parser, ret);
    if (!enter(parser) || !parse_negation(parser, ret) || !make_condition(parser, ret))
        return false;
    parser->depth--;
    negate(ret);
    return true;
}

/* operand { WORD operand } */
static bool parse_logic(struct parser *parser, const char *word, parse_function *operand, struct value *ret)
{
    if (!operand(parser, ret))
        return false;
    while (lexer_take_word(parser->lexer, word)) {
        struct value right AUTO_VALUE = VALUE_INIT;
        if (!make_condition(parser, ret) || !operand(parser, &right) || !make_condition(parser, &right))
            return false;
        buf_printf(&ret->sql, " %s ", word);
        buf_join(&ret->sql, &right.sql);
        surround(ret, "(", ")");
        ret->is_aggregate |= right.is_aggregate;
    }
    return true;
}

static bool parse_conjunction(struct parser *parser, struct value *ret)
{
    return parse_logic(parser, "and", parse_negation, ret);
}

static bool parse_condition(struct parser *parser, struct value *ret)
{
    return parse_logic(parser, "or", parse_conjunction, ret);
}

static bool is_complete(struct lexer *lexer, const struct value *value)
{
    return !value->sql.failed || lexer_fail(lexer, "the expression is too long");
}

bool expression_parse(struct lexer *lexer, struct scope *scope, struct value *ret)
{
    struct parser parser = {.lexer = lexer, .scope = scope};
    return parse_condition(&parser, ret) && is_complete(lexer, ret);
}

bool operand_parse(struct lexer *lexer, struct scope *scope, struct value *ret)
{
    struct parser parser = {.lexer = lexer, .scope = scope};
    return parse_primary(&parser, ret) && is_complete(lexer, ret);
}

bool condition_parse(struct lexer *lexer, struct scope *scope, struct value *ret)
{
    struct parser parser = {.lexer = lexer, .scope = scope};
    return parse_condition(&parser, ret) && make_condition(&parser, ret) && is_complete(lexer, ret);
}
