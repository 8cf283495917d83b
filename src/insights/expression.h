/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Expressions of a query as SQL over the columns of a scope. */

#include "base/buf.h"
#include "insights/scope.h"
#include "insights/token.h"

#define EXPRESSION_SQL_MAX (256 * 1024)

struct value {
    struct buf sql; /* owned */
    enum kind kind;
    bool is_aggregate;               /* of many rows: only `stats` may use it */
    const struct scope_field *field; /* when it is nothing but that */
};

#define VALUE_INIT                                                                                           \
    (struct value)                                                                                           \
    {                                                                                                        \
        .sql = BUF_INIT(EXPRESSION_SQL_MAX)                                                                  \
    }
void value_done(struct value *value);
#define AUTO_VALUE CLEANUP(value_done)

/* What to compare and sort by: a number, NULL where it is none. */
void value_as_number(struct value *value, struct buf *to);
void value_as_text(struct value *value, struct buf *to);

/* False where the lexer's error was set. *ret is VALUE_INIT before. */
bool expression_parse(struct lexer *lexer, struct scope *scope, struct value *ret) MUST_USE;

/* The same for a field, a value or a function, without operators. */
bool operand_parse(struct lexer *lexer, struct scope *scope, struct value *ret) MUST_USE;

/* The same where a condition is wanted. */
bool condition_parse(struct lexer *lexer, struct scope *scope, struct value *ret) MUST_USE;
