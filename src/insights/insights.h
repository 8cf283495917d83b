/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The query language of CloudWatch Logs Insights over the view `flow_logs`, as DuckDB's SQL. Commands:
 * fields, display, filter, stats, sort, limit, parse, dedup. Fields are called as CloudWatch Logs discovers
 * them in flow logs (srcAddr, dstPort…), or as in records (pkt-srcaddr) and their tables (pkt_srcaddr).
 *
 * Where the language leaves it open: a field that does not exist is a mistake, not an empty value; what is
 * absent differs from every value; groups come in the order of what they are grouped by.
 */

#include <stdint.h>

#include "base/buf.h"
#include "insights/token.h"

#define INSIGHTS_QUERY_MAX 10000    /* characters (AWS) */
#define INSIGHTS_ROWS_MAX 100000    /* of `limit` (AWS) */
#define INSIGHTS_ROWS_DEFAULT 10000 /* (AWS) */
#define INSIGHTS_SQL_MAX (4 * 1024 * 1024)

struct insights_options {
    const char *group;     /* the log group, for @log */
    const char *condition; /* SQL on the view that comes before everything, or NULL */
    uint32_t rows;         /* unless the query says otherwise */
    bool pointers;         /* raw rows get a column @ptr */
};

struct insights_sql {
    struct buf rows;    /* the answer; its columns have the names that were asked for */
    struct buf matched; /* how many records the filters let through */
};

void insights_sql_done(struct insights_sql *sql);
#define AUTO_INSIGHTS_SQL CLEANUP(insights_sql_done)

/* -EINVAL with *error; -ENOMEM. *ret may be empty to begin with. */
int insights_translate(const char *query, const struct insights_options *options, struct insights_sql *ret,
                       struct insights_error *error) MUST_USE;
