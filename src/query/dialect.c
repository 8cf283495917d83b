/* SPDX-License-Identifier: Apache-2.0 */
#include "query/dialect.h"

#include <string.h>

#include "base/macro.h"

/* DuckDB, as anybody has it. */
#define DUCKDB_ROW                                                                                           \
    .quote = '"', .time = "strftime(make_timestamp(($1) * 1000000), '%Y-%m-%dT%H:%M:%SZ')",                  \
    .words = "array_to_string(list_sort(list(DISTINCT $1))[1:$2]::VARCHAR[], ' ')",                          \
    .part = "TRY_CAST(split_part($1, '.', $2) AS INTEGER)",                                                  \
    .digits = "rpad(array_to_string([lpad(g, 4, '0') FOR g IN string_split(split_part($1, '::', 1), ':') "   \
              "IF g <> ''], ''), greatest(0, 32 - length(array_to_string([lpad(g, 4, '0') FOR g IN "         \
              "string_split(split_part($1, '::', 2), ':') IF g <> ''], '')))::INTEGER, '0') || "             \
              "array_to_string([lpad(g, 4, '0') FOR g IN string_split(split_part($1, '::', 2), ':') "        \
              "IF g <> ''], '')"

/* Athena's engine is Trino. */
#define TRINO_ROW                                                                                            \
    .quote = '"', .time = "format_datetime(from_unixtime($1, 'UTC'), 'yyyy-MM-dd''T''HH:mm:ss''Z''')",       \
    .words = "array_join(slice(array_sort(array_agg(DISTINCT $1)), 1, $2), ' ')",                            \
    .part = "TRY_CAST(split_part($1, '.', $2) AS INTEGER)",                                                  \
    .digits = "lower(to_hex(CAST(TRY_CAST($1 AS IPADDRESS) AS VARBINARY)))"

#define SPARK_GROUPS(half)                                                                                   \
    "array_join(transform(filter(split(split_part($1, '::', " half "), ':'), g -> g <> ''), "                \
    "g -> lpad(g, 4, '0')), '')"

static const struct dialect dialects[] = {
    [SQL_DUCKDB] = {.name = "duckdb", DUCKDB_ROW},
    [SQL_ATHENA] = {.name = "athena", TRINO_ROW},
    [SQL_TRINO] = {.name = "trino", TRINO_ROW},
    [SQL_SPARK] = {.name = "spark",
                   .quote = '`',
                   /* Without a time zone, as a session may have another than UTC. */
                   .time = "concat(replace(CAST(TIMESTAMP_NTZ '1970-01-01 00:00:00' + "
                           "make_dt_interval(0, 0, 0, $1) AS STRING), ' ', 'T'), 'Z')",
                   .words = "array_join(slice(array_sort(collect_set($1)), 1, $2), ' ')",
                   .part = "TRY_CAST(split_part($1, '.', $2) AS INT)",
                   .digits = "concat(rpad(" SPARK_GROUPS("1") ", greatest(0, 32 - length(" SPARK_GROUPS(
                       "2") ")), '0'), " SPARK_GROUPS("2") ")"},
    [SQL_CLICKHOUSE] = {.name = "clickhouse",
                        .quote = '"',
                        .time = "formatDateTime(toDateTime($1, 'UTC'), '%Y-%m-%dT%H:%i:%SZ', 'UTC')",
                        .words = "arrayStringConcat(arrayMap(v -> toString(v), "
                                 "arraySlice(arraySort(groupUniqArray($1)), 1, $2)), ' ')",
                        .part = "toUInt16OrZero(splitByChar('.', assumeNotNull($1))[$2])",
                        .digits = "lower(hex(toIPv6OrDefault(assumeNotNull($1))))"},
    [SQL_OWN] = {.name = "flowlog", DUCKDB_ROW, .in_cidr = "in_cidr($1, '$2')"},
};

const struct dialect *dialect_of(enum sql_engine engine)
{
    return &dialects[engine];
}

void dialect_apply(struct buf *sql, const char *text, const char *first, const char *second)
{
    for (; *text; text++) {
        if (text[0] == '$' && (text[1] == '1' || text[1] == '2'))
            buf_text(sql, *++text == '1' ? first : second);
        else
            buf_char(sql, *text);
    }
}

void dialect_name(const struct dialect *dialect, struct buf *sql, const char *name)
{
    buf_printf(sql, "%c%s%c", dialect->quote, name, dialect->quote);
}

/* The IPv4 address as text begins as those of the block do; the octet that the prefix cuts lies in a range.
 */
static void in_block_4(const struct dialect *dialect, struct buf *sql, const char *column,
                       const struct address_block *block)
{
    const uint8_t *octets = block->base.bytes + 12;
    unsigned whole = block->prefix / 8;
    unsigned rest = block->prefix % 8;
    AUTO_BUF struct buf start = BUF_INIT(32);
    for (unsigned i = 0; i < whole; i++)
        buf_printf(&start, "%u%s", octets[i], i < 3 ? "." : "");
    if (whole == 4) {
        buf_printf(sql, "%s = '%s'", column, buf_string(&start));
        return;
    }
    buf_printf(sql, "%s%s LIKE '%s%s'", rest ? "(" : "", column, buf_string(&start),
               whole == 3 ? "%" : "%.%");
    if (rest == 0)
        return;
    char number[4];
    (void)snprintf(number, sizeof number, "%u", whole + 1);
    buf_text(sql, " AND ");
    dialect_apply(sql, dialect->part, column, number);
    buf_printf(sql, " BETWEEN %u AND %u)", octets[whole], octets[whole] | (0xffU >> rest));
}

static void hex(struct buf *sql, const uint8_t bytes[static 16], unsigned ones_from)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned ones = ones_from <= i * 8 ? 0xff : ones_from < i * 8 + 8 ? 0xffU >> (ones_from - i * 8) : 0;
        buf_printf(sql, "%02x", bytes[i] | ones);
    }
}

static void in_block_6(const struct dialect *dialect, struct buf *sql, const char *column,
                       const struct address_block *block)
{
    buf_printf(sql, "(%s LIKE '%%:%%' AND ", column);
    dialect_apply(sql, dialect->digits, column, "");
    buf_text(sql, " BETWEEN '");
    hex(sql, block->base.bytes, 128);
    buf_text(sql, "' AND '");
    hex(sql, block->base.bytes, block->prefix);
    buf_text(sql, "')");
}

static void print_block(struct buf *to, const struct address_block *block)
{
    char text[ADDRESS_TEXT_MAX];
    size_t len = address_format(text, block->base.bytes, block->base.family);
    buf_append(to, text, len);
    buf_printf(to, "/%u", block->prefix);
}

void dialect_in_block(const struct dialect *dialect, struct buf *sql, const char *column,
                      const struct address_block *block)
{
    if (dialect->in_cidr) {
        AUTO_BUF struct buf text = BUF_INIT(64);
        print_block(&text, block);
        dialect_apply(sql, dialect->in_cidr, column, buf_string(&text));
    } else if (block->base.family == 4) {
        in_block_4(dialect, sql, column, block);
    } else {
        in_block_6(dialect, sql, column, block);
    }
}
