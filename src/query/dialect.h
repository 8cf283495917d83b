/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What differs between the SQL of the engines that read flow logs: one row each. In the texts of a row, $1
 * and $2 stand for what they are applied to.
 */

#include "base/address.h"
#include "base/buf.h"
#include "base/fault.h"

enum sql_engine {
    SQL_DUCKDB,
    SQL_ATHENA,
    SQL_TRINO,
    SQL_SPARK,
    SQL_CLICKHOUSE,
    SQL_ENGINE_COUNT,
    SQL_OWN = SQL_ENGINE_COUNT, /* flowlog's own session: DuckDB with the function in_cidr */
};

struct dialect {
    const char *name;
    char quote;        /* round a name that is a reserved word or has hyphens */
    const char *time;  /* $1, seconds since the epoch, as "2026-11-25T16:20:00Z" */
    const char *words; /* aggregate: the $2 smallest distinct values of $1, in order, a space between */
    const char *part;  /* the number in part $2, from 1, of an IPv4 address $1; of other text what it likes */
    const char *digits;  /* an IPv6 address $1 as 32 hexadecimal digits; of other text what it likes */
    const char *in_cidr; /* $1, an address, lies in '$2'; NULL: spelt out with the rows above */
};

const struct dialect *dialect_of(enum sql_engine engine);

/* Appends `text` with $1 and $2 replaced. */
void dialect_apply(struct buf *sql, const char *text, const char *first, const char *second);

/* A condition: the address in `column` lies in the block. Null where the column is, false for "-". */
void dialect_in_block(const struct dialect *dialect, struct buf *sql, const char *column,
                      const struct address_block *block);

/* A name between the dialect's quotes. */
void dialect_name(const struct dialect *dialect, struct buf *sql, const char *name);
