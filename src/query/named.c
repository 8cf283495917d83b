/* SPDX-License-Identifier: Apache-2.0 */
#include "query/named.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/macro.h"
#include "base/nearest.h"
#include "base/num.h"

/*
 * In the SQL of a query:
 *   {PARAMETER}             its value as a literal, or a list of literals with commas
 *   {flows}                 a named subquery: records that describe traffic, of the time asked for
 *   {period}                " AND …", the time asked for, and further conditions
 *   {end}                   the column end, which is a reserved word
 *   {time COLUMN}           seconds since the epoch as "2026-11-25T16:20:00Z"
 *   {words COLUMN}          aggregate: the smallest distinct values, at most 8
 *   {digits COLUMN}         an IPv6 address as 32 hexadecimal digits
 *   {in COLUMN PARAMETER}   the address lies in one of the blocks
 *   {opens}                 the record tells of a conversation's beginning, its source being who began
 * COLUMN is a name or an expression without spaces.
 */

#define VALUE_MAX (16 * 1024)
#define BLOCKS_MAX 64
#define COLUMN_MAX 256
#define WORDS_SHOWN "8"

/* Who begins sends SYN without ACK (tcp_flags are or-ed, an answer's are 18 at least). Without flags, a port
 * below the ephemeral ones is taken for a service's, unless the other port is a better one. */
#define OPENS                                                                                                \
    "CASE WHEN protocol = 6 AND tcp_flags IS NOT NULL THEN tcp_flags % 4 >= 2 AND tcp_flags % 32 < 16 "      \
    "ELSE dstport < 32768 AND NOT (srcport < 1024 AND dstport >= 1024) END"

const struct named_parameter named_common[] = {
    {"since", "", "records that end at this time or later", NAMED_TIME},
    {"until", "", "records that start at this time or before", NAMED_TIME},
    {"limit", "50", "rows at most", NAMED_COUNT},
    {.name = NULL},
};

const char *named_type_word(enum named_type type)
{
    static const char *const words[] = {
        [NAMED_COUNT] = "number",    [NAMED_DURATION] = "duration",   [NAMED_PERCENT] = "percent",
        [NAMED_PORTS] = "ports",     [NAMED_PROTOCOL] = "protocol",   [NAMED_BLOCKS] = "blocks",
        [NAMED_ADDRESS] = "address", [NAMED_INTERFACE] = "interface", [NAMED_TIME] = "time",
    };
    return words[type];
}

const struct named_query *named_find(const char *name)
{
    for (const struct named_query *query = named_queries; query->name; query++)
        if (strcmp(query->name, name) == 0 || (query->aws && strcmp(query->aws, name) == 0))
            return query;
    return NULL;
}

const char *named_nearest(const char *name)
{
    struct nearest nearest = {.wanted = name, .len = strlen(name)};
    for (const struct named_query *query = named_queries; query->name; query++)
        nearest_consider(&nearest, query->name);
    return nearest.name;
}

const char *named_initial(const struct named_query *query, const struct named_parameter *parameter)
{
    return query->limit && strcmp(parameter->name, "limit") == 0 ? query->limit : parameter->initial;
}

static const struct named_parameter *find_in(const struct named_parameter *list, const char *name, size_t len)
{
    for (; list->name; list++)
        if (strlen(list->name) == len && memcmp(list->name, name, len) == 0)
            return list;
    return NULL;
}

const struct named_parameter *named_parameter_find(const struct named_query *query, const char *name,
                                                   size_t len)
{
    const struct named_parameter *own = find_in(query->parameters, name, len);
    return own ? own : find_in(named_common, name, len);
}

/* What is being rendered. */
struct rendering {
    const struct named_query *query;
    const struct named_options *options;
    const struct dialect *dialect;
    struct buf *sql;
};

/* The text given for a parameter, its default, or "" for none. */
static const char *value_of(const struct rendering *rendering, const struct named_parameter *parameter)
{
    size_t len = strlen(parameter->name);
    for (size_t i = 0; i < rendering->options->value_count; i++) {
        const char *value = rendering->options->values[i];
        if (strncmp(value, parameter->name, len) == 0 && value[len] == '=')
            return value + len + 1;
    }
    const char *initial = named_initial(rendering->query, parameter);
    return initial ? initial : "";
}

static bool literal_number(const char *text, size_t len, uint64_t max, struct buf *to)
{
    uint64_t number;
    if (!num_parse_u64(text, len, max, &number))
        return false;
    buf_u64(to, number);
    return true;
}

static bool literal_duration(const char *text, struct buf *to)
{
    static const struct {
        char unit;
        uint32_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    size_t len = strlen(text);
    uint64_t seconds = 1;
    for (size_t i = 0; i < ARRAY_SIZE(units) && len; i++)
        if (text[len - 1] == units[i].unit) {
            seconds = units[i].seconds;
            len--;
            break;
        }
    uint64_t number;
    if (!num_parse_u64(text, len, UINT32_MAX, &number) || number == 0)
        return false;
    buf_u64(to, number * seconds);
    return true;
}

static bool literal_ports(const char *text, struct buf *to)
{
    for (;;) {
        size_t len = strcspn(text, ",");
        if (!literal_number(text, len, UINT16_MAX, to))
            return false;
        if (!text[len])
            return true;
        buf_text(to, ", ");
        text += len + 1;
    }
}

static bool literal_protocol(const char *text, struct buf *to)
{
    static const struct {
        const char *name;
        uint8_t number;
    } protocols[] = {{"icmp", 1}, {"tcp", 6},     {"udp", 17},  {"gre", 47},
                     {"esp", 50}, {"icmpv6", 58}, {"sctp", 132}};
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        if (strcmp(protocols[i].name, text) == 0) {
            buf_u64(to, protocols[i].number);
            return true;
        }
    return literal_number(text, strlen(text), UINT8_MAX, to);
}

/* In the form in which records have it. */
static bool literal_address(const char *text, struct buf *to)
{
    struct address address;
    char canonical[ADDRESS_TEXT_MAX];
    if (!address_parse(text, strlen(text), &address))
        return false;
    size_t len = address_format(canonical, address.bytes, address.family);
    buf_printf(to, "'%.*s'", (int)len, canonical);
    return true;
}

static bool literal_interface(const char *text, struct buf *to)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/";
    size_t len = strlen(text);
    if (len == 0 || len > 64 || strspn(text, characters) != len)
        return false;
    buf_printf(to, "'%s'", text);
    return true;
}

/* Blocks are no literals, but a condition: `column` lies in one of them. NULL only checks them. */
struct membership {
    const struct dialect *dialect;
    const char *column;
    struct buf *to;
    unsigned count;
};

static bool add_blocks(struct membership *membership, const char *text)
{
    static const char private_blocks[] = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,"
                                         "169.254.0.0/16,127.0.0.0/8,fc00::/7,fe80::/10";
    for (;;) {
        size_t len = strcspn(text, ",");
        struct address_block block;
        if (len == strlen(NAMED_PRIVATE) && memcmp(text, NAMED_PRIVATE, len) == 0) {
            if (!add_blocks(membership, private_blocks))
                return false;
        } else {
            if (membership->count == BLOCKS_MAX || !address_block_parse(text, len, &block))
                return false;
            if (membership->count++ > 0)
                buf_text(membership->to, "\n    OR ");
            if (membership->column)
                dialect_in_block(membership->dialect, membership->to, membership->column, &block);
        }
        if (!text[len])
            return true;
        text += len + 1;
    }
}

static bool in_blocks(const struct dialect *dialect, const char *column, const char *text, struct buf *to)
{
    struct membership membership = {.dialect = dialect, .column = column, .to = to};
    buf_char(to, '(');
    bool good = add_blocks(&membership, text);
    buf_char(to, ')');
    return good;
}

/* Appends the value as SQL; false when it is not of its type. */
static bool literal(const struct named_parameter *parameter, const char *text, struct buf *to)
{
    switch (parameter->type) {
    case NAMED_COUNT:
        return literal_number(text, strlen(text), INT64_MAX, to);
    case NAMED_DURATION:
        return literal_duration(text, to);
    case NAMED_PERCENT:
        return literal_number(text, strlen(text), 100, to);
    case NAMED_PORTS:
        return literal_ports(text, to);
    case NAMED_PROTOCOL:
        return literal_protocol(text, to);
    case NAMED_BLOCKS:
        return in_blocks(NULL, NULL, text, to);
    case NAMED_ADDRESS:
        return literal_address(text, to);
    case NAMED_INTERFACE:
        return literal_interface(text, to);
    case NAMED_TIME:
        return literal_number(text, strlen(text), INT64_MAX, to);
    }
    return false;
}

static int check_list(const struct rendering *rendering, const struct named_parameter *list,
                      struct fault *fault)
{
    static const char *const forms[] = {
        [NAMED_COUNT] = "a whole number",
        [NAMED_DURATION] = "a duration such as 90s, 10m, 2h, 7d",
        [NAMED_PERCENT] = "a whole number from 0 to 100",
        [NAMED_PORTS] = "ports such as 22,3389",
        [NAMED_PROTOCOL] = "a protocol number, or tcp, udp, icmp, icmpv6, sctp, gre, esp",
        [NAMED_BLOCKS] = "address blocks such as 10.0.0.0/8,fc00::/7 or private, at most 64",
        [NAMED_ADDRESS] = "an IPv4 or IPv6 address",
        [NAMED_INTERFACE] = "an interface id such as eni-0123456789abcdef0",
        [NAMED_TIME] = "a time",
    };
    for (; list->name; list++) {
        const char *initial = named_initial(rendering->query, list);
        const char *value = value_of(rendering, list);
        AUTO_BUF struct buf text = BUF_INIT(VALUE_MAX);
        if (!*value && !initial)
            return fault_set(fault, -EINVAL, "%s needs %s=…: %s", rendering->query->name, list->name,
                             list->help);
        if (value != initial && !literal(list, value, &text))
            return fault_set(fault, -EINVAL, "%s: '%s' is not %s", list->name, value, forms[list->type]);
    }
    return 0;
}

/* Names of what was given: known, and once. */
static int check_names(const struct rendering *rendering, struct fault *fault)
{
    const struct named_options *options = rendering->options;
    for (size_t i = 0; i < options->value_count; i++) {
        size_t len = strcspn(options->values[i], "=");
        if (options->values[i][len] != '=')
            return fault_set(fault, -EINVAL, "'%s': a parameter is due, as NAME=VALUE", options->values[i]);
        if (!named_parameter_find(rendering->query, options->values[i], len)) {
            struct nearest nearest = {.wanted = options->values[i], .len = len};
            for (const struct named_parameter *row = rendering->query->parameters; row->name; row++)
                nearest_consider(&nearest, row->name);
            for (const struct named_parameter *row = named_common; row->name; row++)
                nearest_consider(&nearest, row->name);
            return fault_set(fault, -EINVAL, "%s has no parameter '%.*s'; the nearest is '%s'",
                             rendering->query->name, (int)len, options->values[i], nearest.name);
        }
        for (size_t before = 0; before < i; before++)
            if (strncmp(options->values[before], options->values[i], len + 1) == 0)
                return fault_set(fault, -EINVAL, "%.*s: given twice", (int)len, options->values[i]);
    }
    return 0;
}

static void render_period(const struct rendering *rendering)
{
    struct buf *sql = rendering->sql;
    const char *since = value_of(rendering, &named_common[0]);
    const char *until = value_of(rendering, &named_common[1]);
    if (*since) {
        buf_text(sql, " AND ");
        dialect_name(rendering->dialect, sql, "end");
        buf_printf(sql, " >= %s", since); /* digits, as was checked */
    }
    if (*until)
        buf_printf(sql, " AND start <= %s", until);
    if (rendering->options->where)
        buf_printf(sql, " AND (%s)", rendering->options->where);
}

static void render_flows(const struct rendering *rendering)
{
    buf_text(rendering->sql, "flows AS (SELECT * FROM flow_logs WHERE srcaddr <> '-'");
    render_period(rendering);
    buf_char(rendering->sql, ')');
}

/* The value of `name`; `now` has one even when none is given. */
static void render_value(const struct rendering *rendering, const char *name, size_t len)
{
    const struct named_parameter *parameter = named_parameter_find(rendering->query, name, len);
    const char *value = value_of(rendering, parameter);
    if (parameter->type == NAMED_TIME && !*value)
        buf_u64(rendering->sql, rendering->options->now_s);
    else
        (void)literal(parameter, value, rendering->sql);
}

static void render_text(const struct rendering *rendering, const char *text, size_t len);

/* Of what stands between { and }: a word and what it is applied to, which may have { } itself. */
struct hook {
    const char *word;
    size_t word_len;
    const char *column;
    size_t column_len;
    const char *rest; /* behind the column */
    size_t rest_len;
};

static struct hook split_hook(const char *text, size_t len)
{
    struct hook hook = {.word = text};
    const char *end = text + len;
    while (hook.word + hook.word_len < end && hook.word[hook.word_len] != ' ')
        hook.word_len++;
    hook.column = hook.word + hook.word_len + (hook.word_len < len);
    while (hook.column + hook.column_len < end && hook.column[hook.column_len] != ' ')
        hook.column_len++;
    hook.rest = hook.column + hook.column_len + (hook.column + hook.column_len < end);
    hook.rest_len = (size_t)(end - hook.rest);
    return hook;
}

static bool is_word(const struct hook *hook, const char *word)
{
    return strlen(word) == hook->word_len && memcmp(word, hook->word, hook->word_len) == 0;
}

/* Hooks with a column. */
static void render_applied(const struct rendering *rendering, const struct hook *hook)
{
    const struct dialect *dialect = rendering->dialect;
    AUTO_BUF struct buf column = BUF_INIT(COLUMN_MAX);
    struct rendering inner = *rendering;
    inner.sql = &column;
    render_text(&inner, hook->column, hook->column_len);
    const char *text = buf_string(&column);
    if (is_word(hook, "time")) {
        dialect_apply(rendering->sql, dialect->time, text, "");
    } else if (is_word(hook, "words")) {
        dialect_apply(rendering->sql, dialect->words, text, WORDS_SHOWN);
    } else if (is_word(hook, "digits")) {
        dialect_apply(rendering->sql, dialect->digits, text, "");
    } else { /* in */
        const struct named_parameter *blocks =
            named_parameter_find(rendering->query, hook->rest, hook->rest_len);
        (void)in_blocks(dialect, text, value_of(rendering, blocks), rendering->sql);
    }
    rendering->sql->failed |= column.failed;
}

static void render_hook(const struct rendering *rendering, const struct hook *hook)
{
    if (hook->column_len > 0)
        render_applied(rendering, hook);
    else if (is_word(hook, "flows"))
        render_flows(rendering);
    else if (is_word(hook, "period"))
        render_period(rendering);
    else if (is_word(hook, "end"))
        dialect_name(rendering->dialect, rendering->sql, "end");
    else if (is_word(hook, "opens"))
        buf_text(rendering->sql, OPENS);
    else
        render_value(rendering, hook->word, hook->word_len);
}

/* The } that belongs to the { before `text`. */
static size_t hook_len(const char *text)
{
    size_t len = 0;
    for (unsigned depth = 1;; len++) {
        depth += text[len] == '{';
        depth -= text[len] == '}';
        if (depth == 0)
            return len;
    }
}

static void render_text(const struct rendering *rendering, const char *text, size_t len)
{
    const char *end = text + len;
    while (text < end) {
        if (*text != '{') {
            buf_char(rendering->sql, *text++);
            continue;
        }
        size_t inside = hook_len(++text);
        struct hook hook = split_hook(text, inside);
        render_hook(rendering, &hook);
        text += inside + 1;
    }
}

int named_render(const struct named_query *query, const struct named_options *options, struct buf *sql,
                 struct fault *fault)
{
    struct rendering rendering = {
        .query = query, .options = options, .dialect = dialect_of(options->engine), .sql = sql};
    int r = check_names(&rendering, fault);
    if (r == 0)
        r = check_list(&rendering, query->parameters, fault);
    if (r == 0)
        r = check_list(&rendering, named_common, fault);
    if (r < 0)
        return r;
    render_text(&rendering, query->sql, strlen(query->sql));
    return sql->failed ? fault_set(fault, -ENOMEM, "out of memory") : 0;
}
