/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Named queries of `flowlog query`, and engines elsewhere. */

#include "cli/command.h"
#include "cli/rows.h"
#include "query/engine.h"
#include "query/named.h"

/* Whether an operand is a query's name rather than SQL: SQL has a space or a parenthesis. */
bool named_is_name(const char *operand);

/* --list and --explain-query; the exit status. */
int named_print_list(const struct command *command, const struct rows_options *options);
int named_print_help(const struct command *command, const struct named_query *query);

/* Nothing was found: says which fields the query needs, if any; returns EXIT_NO. */
int named_tell_missing(const struct command *command, const struct named_query *query);

/* Runs the SQL on an engine and prints its rows; the exit status. */
int named_ask_engine(const struct engine *engine, const char *sql, const struct rows_options *options);

/* The page flowlog-queries(7). */
void named_manual(struct buf *page);
