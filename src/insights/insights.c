/* SPDX-License-Identifier: Apache-2.0 */
#include "insights/insights.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "insights/expression.h"
#include "insights/scope.h"
#include "insights/sql.h"

#define SHOWN_MAX 256
#define STATS_MAX 2 /* commands in a query (AWS) */

/* A column of the answer. */
struct shown {
    char name[SCOPE_NAME_MAX];
    unsigned column;
    enum kind kind;
};

struct translation {
    struct lexer lexer;
    struct scope scope;
    struct buf sql;     /* what the commands so far give */
    struct buf order;   /* of the rows, as behind ORDER BY; empty when none was asked for */
    struct buf matched; /* the rows before the first `stats`, `limit` or `dedup` */
    struct shown shown[SHOWN_MAX];
    size_t shown_count;
    unsigned stats; /* commands so far */
    bool sorted;    /* by a `sort` */
    bool deduped;
    uint64_t limit; /* of the last `limit`; 0: none */
    bool no_memory;
};

void insights_sql_done(struct insights_sql *sql)
{
    buf_done(&sql->rows);
    buf_done(&sql->matched);
}

/* The query so far becomes SELECT `items` FROM (itself) `rest`. */
static void wrap(struct translation *t, const char *items, const char *rest)
{
    struct buf sql = BUF_INIT(INSIGHTS_SQL_MAX);
    buf_printf(&sql, "SELECT %s FROM (", items);
    buf_join(&sql, &t->sql);
    buf_printf(&sql, ") AS e %s", rest);
    buf_done(&t->sql);
    t->sql = sql;
}

/* A field of the scope for an expression; its column, or -1 with an error. */
static int add_field(struct translation *t, const char *name, enum kind kind)
{
    int column = scope_add(&t->scope, name, kind);
    t->no_memory |= column == -ENOMEM;
    if (column < 0)
        lexer_fail(&t->lexer, "too many fields, or a name is too long");
    return column;
}

static bool show(struct translation *t, const char *name, unsigned column, enum kind kind)
{
    for (size_t i = 0; i < t->shown_count; i++)
        if (strcmp(t->shown[i].name, name) == 0) {
            t->shown[i].column = column;
            t->shown[i].kind = kind;
            return true;
        }
    if (t->shown_count == SHOWN_MAX || strlen(name) >= SCOPE_NAME_MAX)
        return lexer_fail(&t->lexer, "too many columns, or a name is too long");
    struct shown *shown = &t->shown[t->shown_count++];
    *shown = (struct shown){.column = column, .kind = kind};
    memcpy(shown->name, name, strlen(name) + 1);
    return true;
}

static bool parse_alias(struct translation *t, struct buf *ret)
{
    struct lexer *lexer = &t->lexer;
    if (lexer->token.type != TOKEN_NAME)
        return lexer_fail(lexer, "a name is missing here");
    token_value(&lexer->token, ret);
    lexer_next(lexer);
    return (ret->len && !ret->failed) || lexer_fail(lexer, "the name before this is empty or too long");
}

/* What an expression without `as` is called: its own text. */
static void take_source(const struct lexer *lexer, const char *begin, struct buf *to)
{
    const char *end = lexer->behind;
    bool quoted = *begin == '`' && end[-1] == '`' && !memchr(begin + 1, '`', (size_t)(end - begin) - 2);
    buf_append(to, begin + quoted, (size_t)(end - begin) - 2 * quoted);
}

/* expression [as name] */
static bool parse_item(struct translation *t, struct value *value, struct buf *name)
{
    const char *begin = t->lexer.token.text;
    if (!expression_parse(&t->lexer, &t->scope, value))
        return false;
    if (lexer_take_word(&t->lexer, "as"))
        return parse_alias(t, name);
    take_source(&t->lexer, begin, name);
    return !name->failed || lexer_fail(&t->lexer, "the expression before this needs a name: as …");
}

static bool parse_shown_item(struct translation *t)
{
    struct value value AUTO_VALUE = VALUE_INIT;
    struct buf name AUTO_BUF = BUF_INIT(SCOPE_NAME_MAX - 1);
    if (!parse_item(t, &value, &name))
        return false;
    if (value.is_aggregate)
        return lexer_fail(&t->lexer, "aggregates are for stats");
    if (value.field && scope_find(&t->scope, buf_string(&name)) == value.field)
        return show(t, buf_string(&name), value.field->column, value.kind);
    int column = add_field(t, buf_string(&name), value.kind);
    if (column < 0)
        return false;
    struct buf items AUTO_BUF = BUF_INIT(EXPRESSION_SQL_MAX);
    buf_text(&items, "*, ");
    buf_join(&items, &value.sql);
    buf_printf(&items, " AS c%d", column);
    wrap(t, buf_string(&items), "");
    return show(t, buf_string(&name), (unsigned)column, value.kind);
}

static bool parse_fields(struct translation *t)
{
    do
        if (!parse_shown_item(t))
            return false;
    while (lexer_take_sign(&t->lexer, ","));
    return true;
}

/* Those alone, whatever was shown before. */
static bool parse_display(struct translation *t)
{
    t->shown_count = 0;
    return parse_fields(t);
}

static bool parse_filter(struct translation *t)
{
    struct value value AUTO_VALUE = VALUE_INIT;
    struct buf where AUTO_BUF = BUF_INIT(EXPRESSION_SQL_MAX);
    if (!condition_parse(&t->lexer, &t->scope, &value))
        return false;
    if (value.is_aggregate)
        return lexer_fail(&t->lexer, "aggregates are for stats");
    buf_text(&where, "WHERE ");
    buf_join(&where, &value.sql);
    wrap(t, "*", buf_string(&where));
    return true;
}

/* The rows so far are what the filters let through, whatever is done with them from here on. */
static void note_matched(struct translation *t)
{
    if (!t->matched.len)
        buf_join(&t->matched, &t->sql);
}

/* An item of stats: its SQL is added to the list, its field to the scope that comes. */
static bool parse_stats_item(struct translation *t, struct scope *next, bool aggregate, struct buf *items,
                             struct buf *order)
{
    struct value value AUTO_VALUE = VALUE_INIT;
    struct buf name AUTO_BUF = BUF_INIT(SCOPE_NAME_MAX - 1);
    if (!parse_item(t, &value, &name))
        return false;
    if (value.is_aggregate != aggregate)
        return lexer_fail(&t->lexer, aggregate ? "an aggregate such as sum(bytes) is missing before this"
                                               : "an aggregate cannot be grouped by");
    int column = scope_add(next, buf_string(&name), value.kind);
    if (column < 0)
        return lexer_fail(&t->lexer, "too many columns");
    buf_text(items, items->len ? ", " : "");
    buf_join(items, &value.sql);
    buf_printf(items, " AS c%d", column);
    if (!aggregate)
        buf_printf(order, "%se.c%d NULLS FIRST", order->len ? ", " : "", column);
    return true;
}

static bool parse_stats_items(struct translation *t, struct scope *next, struct buf *items, struct buf *order)
{
    do
        if (!parse_stats_item(t, next, true, items, order))
            return false;
    while (lexer_take_sign(&t->lexer, ","));
    if (!lexer_take_word(&t->lexer, "by"))
        return true;
    do
        if (!parse_stats_item(t, next, false, items, order))
            return false;
    while (lexer_take_sign(&t->lexer, ","));
    return true;
}

/* What is grouped by comes first, then the aggregates. */
static bool show_stats(struct translation *t, size_t aggregates)
{
    const struct scope *scope = &t->scope;
    t->shown_count = 0;
    for (size_t i = 0; i < scope->count; i++) {
        const struct scope_field *field = &scope->fields[(i + aggregates) % scope->count];
        if (!show(t, field->name, field->column, field->kind))
            return false;
    }
    return true;
}

static bool parse_stats(struct translation *t)
{
    struct scope next CLEANUP(scope_done) = scope_after(&t->scope);
    struct buf items AUTO_BUF = BUF_INIT(EXPRESSION_SQL_MAX);
    struct buf order AUTO_BUF = BUF_INIT(SCOPE_NAME_MAX * SHOWN_MAX);
    if (t->stats++ == STATS_MAX)
        return lexer_fail(&t->lexer, "a query has at most %d stats", STATS_MAX);
    if (t->sorted || t->limit)
        return lexer_fail(&t->lexer, "sort and limit come behind the last stats");
    if (!parse_stats_items(t, &next, &items, &order))
        return false;
    note_matched(t);
    wrap(t, buf_string(&items), order.len ? "GROUP BY ALL" : "");
    size_t groups = 0;
    for (size_t i = 0; i < order.len; i++)
        groups += i == 0 || order.data[i] == ',';
    memcpy(next.used, t->scope.used, sizeof next.used);
    scope_done(&t->scope);
    t->scope = next;
    next = (struct scope){0};
    buf_clear(&t->order);
    buf_join(&t->order, &order);
    return show_stats(t, t->scope.count - groups);
}

/* Numbers in their order behind what is none (AWS's natural order). */
static void order_by(struct translation *t, struct value *value, bool descending)
{
    const char *direction = descending ? "DESC NULLS LAST" : "ASC NULLS FIRST";
    bool text = value->kind == KIND_TEXT || value->kind == KIND_LOOSE;
    buf_text(&t->order, t->order.len ? ", " : "");
    if (text) {
        value_as_number(value, &t->order);
        buf_printf(&t->order, " %s, ", direction);
    }
    buf_join(&t->order, &value->sql);
    buf_printf(&t->order, " %s", direction);
}

static bool parse_sort(struct translation *t)
{
    buf_clear(&t->order);
    t->sorted = true;
    do {
        struct value value AUTO_VALUE = VALUE_INIT;
        if (!expression_parse(&t->lexer, &t->scope, &value))
            return false;
        if (value.is_aggregate)
            return lexer_fail(&t->lexer, "aggregates are for stats; sort by their name");
        bool descending = lexer_take_word(&t->lexer, "desc");
        if (!descending)
            (void)lexer_take_word(&t->lexer, "asc");
        order_by(t, &value, descending);
    } while (lexer_take_sign(&t->lexer, ","));
    return true;
}

/* Newest first, where nothing else was asked for and records are what is shown. */
static void set_default_order(struct translation *t)
{
    const struct scope_field *time = scope_find(&t->scope, "@timestamp");
    if (t->order.len || !time || t->stats)
        return;
    scope_column(time, &t->order);
    buf_text(&t->order, " DESC");
}

/* "ORDER BY …", or nothing. */
static void put_order(struct translation *t, struct buf *to)
{
    set_default_order(t);
    if (t->order.len)
        buf_text(to, "ORDER BY ");
    buf_join(to, &t->order);
}

static bool parse_limit(struct translation *t)
{
    struct buf rest AUTO_BUF = BUF_INIT(INSIGHTS_SQL_MAX);
    const struct token *token = &t->lexer.token;
    if (token->type != TOKEN_NUMBER ||
        !num_parse_u64(token->text, token->len, INSIGHTS_ROWS_MAX, &t->limit) || !t->limit)
        return lexer_fail(&t->lexer, "limit takes a number from 1 to %d", INSIGHTS_ROWS_MAX);
    lexer_next(&t->lexer);
    note_matched(t);
    put_order(t, &rest);
    buf_printf(&rest, " LIMIT %llu", (unsigned long long)t->limit);
    wrap(t, "*", buf_string(&rest));
    return true;
}

static bool parse_dedup(struct translation *t)
{
    struct buf by AUTO_BUF = BUF_INIT(EXPRESSION_SQL_MAX);
    struct buf absent AUTO_BUF = BUF_INIT(EXPRESSION_SQL_MAX);
    struct buf rest AUTO_BUF = BUF_INIT(INSIGHTS_SQL_MAX);
    do {
        struct value value AUTO_VALUE = VALUE_INIT;
        if (!expression_parse(&t->lexer, &t->scope, &value))
            return false;
        if (value.is_aggregate)
            return lexer_fail(&t->lexer, "aggregates are for stats");
        buf_text(&by, by.len ? ", " : "");
        buf_join(&by, &value.sql);
        buf_text(&absent, " OR ");
        buf_join(&absent, &value.sql);
        buf_text(&absent, " IS NULL");
    } while (lexer_take_sign(&t->lexer, ","));
    note_matched(t);
    buf_text(&rest, "QUALIFY row_number() OVER (PARTITION BY ");
    buf_join(&rest, &by);
    buf_char(&rest, ' ');
    put_order(t, &rest);
    buf_text(&rest, ") = 1"); /* rows that lack a value are all kept (AWS) */
    buf_join(&rest, &absent);
    wrap(t, "*", buf_string(&rest));
    t->deduped = true;
    return true;
}

#define GROUPS_MAX 128 /* of an expression */

/* A glob as a regular expression: each `*` is a group, as short as can be but for one that ends it. */
static bool glob_to_regex(struct translation *t, const struct buf *glob, struct buf *to, size_t *ret_groups)
{
    *ret_groups = 0;
    buf_text(to, "(?s)");
    for (size_t i = 0; i < glob->len; i++) {
        bool star = glob->data[i] == '*';
        if (star)
            buf_text(to, i + 1 == glob->len ? "(.*)" : "(.*?)");
        else
            sql_literal_pattern(to, &glob->data[i], 1);
        *ret_groups += star;
    }
    return *ret_groups || lexer_fail(&t->lexer, "the pattern before this has no *");
}

/* A regular expression whose groups become fields. */
struct extraction {
    struct value source;
    struct buf regex;             /* as SQL text */
    size_t groups;                /* up to the last that has a name */
    unsigned columns[GROUPS_MAX]; /* of the group's field; 0: it has no name (0 is a record's) */
};

static void extraction_done(struct extraction *extraction)
{
    value_done(&extraction->source);
    buf_done(&extraction->regex);
}

/* The field of a group, counted from 1. */
static bool name_group(struct translation *t, struct extraction *x, size_t group, const struct buf *name)
{
    struct buf text AUTO_BUF = BUF_INIT(SCOPE_NAME_MAX);
    buf_join(&text, name);
    if (group > GROUPS_MAX)
        return lexer_fail(&t->lexer, "more than %d groups", GROUPS_MAX);
    int column = add_field(t, buf_string(&text), KIND_LOOSE);
    if (column < 0)
        return false;
    x->columns[group - 1] = (unsigned)column;
    x->groups = group;
    return true;
}

/* All groups at once as a STRUCT, nothing where the expression does not match; then each as a column. */
static void extract(struct translation *t, struct extraction *x)
{
    struct buf items AUTO_BUF = BUF_INIT(INSIGHTS_SQL_MAX);
    unsigned groups = t->scope.columns++;
    buf_text(&items, "*, CASE WHEN regexp_matches(");
    value_as_text(&x->source, &items);
    buf_text(&items, ", ");
    buf_join(&items, &x->regex);
    buf_text(&items, ") THEN regexp_extract(");
    value_as_text(&x->source, &items);
    buf_text(&items, ", ");
    buf_join(&items, &x->regex);
    for (size_t i = 0; i < x->groups; i++)
        buf_printf(&items, "%s'g%zu'", i ? ", " : ", [", i);
    buf_printf(&items, "]) END AS c%u", groups);
    wrap(t, buf_string(&items), "");
    buf_clear(&items);
    buf_char(&items, '*');
    for (size_t i = 0; i < x->groups; i++)
        if (x->columns[i])
            buf_printf(&items, ", e.c%u.g%zu AS c%u", groups, i, x->columns[i]);
    wrap(t, buf_string(&items), "");
}

/* "glob * with *" as a, b */
static bool parse_glob(struct translation *t, struct extraction *x)
{
    struct buf glob AUTO_BUF = BUF_INIT(INSIGHTS_QUERY_MAX);
    struct buf regex AUTO_BUF = BUF_INIT(4 * INSIGHTS_QUERY_MAX);
    size_t groups, names = 0;
    token_value(&t->lexer.token, &glob);
    lexer_next(&t->lexer);
    if (!glob_to_regex(t, &glob, &regex, &groups))
        return false;
    sql_text(&x->regex, regex.data, regex.len);
    if (!lexer_take_word(&t->lexer, "as"))
        return lexer_fail(&t->lexer, "`as` and a name for each * are missing here");
    do {
        struct buf name AUTO_BUF = BUF_INIT(SCOPE_NAME_MAX - 1);
        if (!parse_alias(t, &name) || !name_group(t, x, ++names, &name))
            return false;
    } while (lexer_take_sign(&t->lexer, ","));
    return names == groups || lexer_fail(&t->lexer, "%zu names for %zu *", names, groups);
}

struct named_groups {
    struct {
        const char *name; /* behind the `<` */
        size_t len, number;
    } list[GROUPS_MAX];
    size_t count;
};

/* Groups without a name are counted, those that start with `(?` but name nothing are none. */
static bool find_groups(struct translation *t, const char *text, size_t len, struct named_groups *ret)
{
    size_t number = 0;
    bool in_class = false;
    for (const char *at = text, *end = text + len; at < end; at++) {
        if (*at == '\\') {
            at++;
            continue;
        }
        in_class = *at == '[' || (in_class && *at != ']');
        bool special = at + 1 < end && at[1] == '?';
        bool named = special && end - at > 3 && at[2] == '<' && !strchr("=!", at[3]);
        if (in_class || *at != '(' || (special && !named))
            continue;
        number++;
        const char *close = named ? memchr(at, '>', (size_t)(end - at)) : NULL;
        if (!named)
            continue;
        if (!close || ret->count == GROUPS_MAX)
            return lexer_fail(&t->lexer,
                              "the expression before this has a group without > or too many groups");
        ret->list[ret->count].name = at + 3;
        ret->list[ret->count].len = (size_t)(close - at) - 3;
        ret->list[ret->count++].number = number;
    }
    return ret->count || lexer_fail(&t->lexer, "the expression before this names no group: (?<name>…)");
}

/* /(?<name>…)/: each named group becomes a field. RE2 writes them as `(?P<name>`. */
static bool parse_named_groups(struct translation *t, struct extraction *x)
{
    const char *text;
    size_t len;
    struct named_groups groups = {.count = 0};
    struct buf regex AUTO_BUF = BUF_INIT(2 * INSIGHTS_QUERY_MAX);
    if (!lexer_take_regex(&t->lexer, &text, &len) || !find_groups(t, text, len, &groups))
        return false;
    const char *at = text;
    for (size_t i = 0; i < groups.count; i++) {
        buf_append(&regex, at, (size_t)(groups.list[i].name - 1 - at));
        buf_char(&regex, 'P');
        at = groups.list[i].name - 1;
    }
    buf_append(&regex, at, (size_t)(text + len - at));
    sql_text(&x->regex, regex.data, regex.len);
    for (size_t i = 0; i < groups.count; i++) {
        struct buf name AUTO_BUF = BUF_INIT(SCOPE_NAME_MAX - 1);
        buf_append(&name, groups.list[i].name, groups.list[i].len);
        if (!name.len || name.failed)
            return lexer_fail(&t->lexer, "a group's name is empty or too long");
        if (!name_group(t, x, groups.list[i].number, &name))
            return false;
    }
    return true;
}

static bool parse_parse(struct translation *t)
{
    struct extraction x CLEANUP(extraction_done) = {.source = VALUE_INIT,
                                                    .regex = BUF_INIT(4 * INSIGHTS_QUERY_MAX)};
    if (!operand_parse(&t->lexer, &t->scope, &x.source))
        return false;
    if (t->lexer.token.type == TOKEN_TEXT ? !parse_glob(t, &x) : !parse_named_groups(t, &x))
        return false;
    extract(t, &x);
    return true;
}

static const struct command {
    const char *name;
    bool (*parse)(struct translation *t); /* NULL: of the language, but not here */
    bool after_dedup;
} commands[] = {
    {"fields", parse_fields},
    {"display", parse_display},
    {"filter", parse_filter},
    {"filterIndex", parse_filter},
    {"stats", parse_stats},
    {"sort", parse_sort},
    {"limit", parse_limit, .after_dedup = true},
    {"parse", parse_parse},
    {"dedup", parse_dedup},
    {"pattern"},
    {"diff"},
    {"anomaly"},
    {"unmask"},
    {"unnest"},
    {"lookup"},
    {"SOURCE"},
};

static bool parse_command(struct translation *t)
{
    struct lexer *lexer = &t->lexer;
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!lexer_is_word(lexer, commands[i].name))
            continue;
        if (!commands[i].parse)
            return lexer_fail(lexer, "the command %s is not supported", commands[i].name);
        if (t->deduped && !commands[i].after_dedup)
            return lexer_fail(lexer, "only limit may follow dedup");
        lexer_next(lexer);
        return commands[i].parse(t);
    }
    return lexer_fail(lexer, "a command is missing here: fields, display, filter, stats, sort, limit, parse "
                             "or dedup");
}

static bool parse_commands(struct translation *t)
{
    do
        if (!parse_command(t))
            return false;
    while (lexer_take_sign(&t->lexer, "|"));
    return t->lexer.token.type == TOKEN_END || lexer_fail(&t->lexer, "a | is missing before this");
}

static void put_shown(const struct shown *shown, struct buf *to)
{
    struct value value AUTO_VALUE = VALUE_INIT;
    buf_printf(&value.sql, "e.c%u", shown->column);
    value.kind = shown->kind;
    if (shown->kind == KIND_TIME)
        value_as_text(&value, to);
    else if (shown->kind == KIND_BOOL)
        value_as_number(&value, to);
    else
        buf_join(to, &value.sql);
    buf_text(to, " AS ");
    sql_name(to, shown->name, strlen(shown->name));
}

static bool show_defaults(struct translation *t, bool pointers)
{
    static const char *const names[] = {"@timestamp", "@message", "@ptr"};
    bool is_empty = !t->shown_count;
    for (size_t i = 0; i < ARRAY_SIZE(names) && !t->stats; i++) {
        bool pointer = i == 2;
        const struct scope_field *field = scope_find(&t->scope, names[i]);
        if (pointer ? !pointers : !is_empty)
            continue;
        if (field && !show(t, names[i], field->column, field->kind))
            return false;
    }
    return true;
}

/* Only the columns that the query has to do with. */
static void put_records(const struct translation *t, const struct insights_options *options, struct buf *to)
{
    buf_text(to, "WITH records AS (");
    scope_select(&t->scope, options->group, to);
    if (options->condition)
        buf_printf(to, " WHERE %s", options->condition);
    buf_text(to, ") ");
}

static void finish(struct translation *t, const struct insights_options *options, struct insights_sql *ret)
{
    note_matched(t);
    set_default_order(t);
    ret->matched = BUF_INIT(INSIGHTS_SQL_MAX);
    put_records(t, options, &ret->matched);
    buf_text(&ret->matched, "SELECT count(*) FROM (");
    buf_join(&ret->matched, &t->matched);
    buf_text(&ret->matched, ") AS e");
    ret->rows = BUF_INIT(INSIGHTS_SQL_MAX);
    put_records(t, options, &ret->rows);
    buf_text(&ret->rows, "SELECT ");
    for (size_t i = 0; i < t->shown_count; i++) {
        buf_text(&ret->rows, i ? ", " : "");
        put_shown(&t->shown[i], &ret->rows);
    }
    buf_text(&ret->rows, " FROM (");
    buf_join(&ret->rows, &t->sql);
    buf_text(&ret->rows, ") AS e ");
    put_order(t, &ret->rows);
    buf_printf(&ret->rows, " LIMIT %llu", (unsigned long long)(t->limit ? t->limit : options->rows));
}

static void translation_done(struct translation *t)
{
    scope_done(&t->scope);
    buf_done(&t->sql);
    buf_done(&t->order);
    buf_done(&t->matched);
}

int insights_translate(const char *query, const struct insights_options *options, struct insights_sql *ret,
                       struct insights_error *error)
{
    struct translation t CLEANUP(translation_done) = {.sql = BUF_INIT(INSIGHTS_SQL_MAX),
                                                      .order = BUF_INIT(EXPRESSION_SQL_MAX),
                                                      .matched = BUF_INIT(INSIGHTS_SQL_MAX)};
    if (scope_begin(&t.scope) < 0)
        return -ENOMEM;
    buf_text(&t.sql, "FROM records");
    lexer_begin(&t.lexer, query, error);
    if (strlen(query) > INSIGHTS_QUERY_MAX)
        lexer_fail(&t.lexer, "the query is longer than %d characters", INSIGHTS_QUERY_MAX);
    if (!parse_commands(&t) || !show_defaults(&t, options->pointers))
        return t.no_memory ? -ENOMEM : -EINVAL;
    finish(&t, options, ret);
    if (!ret->rows.failed && !ret->matched.failed)
        return 0;
    insights_sql_done(ret);
    lexer_fail(&t.lexer, "the query is too long");
    return -EINVAL;
}
