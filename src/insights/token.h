/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The words of a Logs Insights query. */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macro.h"

/* Where a query is wrong: StartQuery's queryCompileError. */
struct insights_error {
    size_t start, end; /* characters of the query */
    char message[256];
};

enum token_type {
    TOKEN_END,
    TOKEN_NAME,   /* letters, digits, `_`, `@`, `.`; anything in back-ticks */
    TOKEN_NUMBER, /* digits, perhaps with a fraction; its unit, if any, is a token of its own */
    TOKEN_TEXT,   /* in single or double quotes */
    TOKEN_SIGN,   /* everything else: one or two characters */
    TOKEN_WRONG,  /* an error has been set */
};

struct token {
    enum token_type type;
    const char *text; /* with its quotes, in the query */
    size_t len;
};

struct lexer {
    const char *query; /* begin of the query */
    const char *at;    /* behind `token` */
    struct token token;
    const char *behind;           /* the token before it */
    struct insights_error *error; /* the first mistake stays; an empty message means none */
};

void lexer_begin(struct lexer *lexer, const char *query, struct insights_error *error);

/* Goes on to the next token; stays at the end, and at what is wrong. */
void lexer_next(struct lexer *lexer);

/* Reads the token at which we are again, as a /regular expression/; its parts without the slashes are *text.
 */
bool lexer_take_regex(struct lexer *lexer, const char **text, size_t *len) MUST_USE;

bool lexer_is_sign(const struct lexer *lexer, const char *sign);

/* In any case of letters; names in back-ticks are no words. */
bool lexer_is_word(const struct lexer *lexer, const char *word);

/* The same, and goes on when it is. */
bool lexer_take_sign(struct lexer *lexer, const char *sign);
bool lexer_take_word(struct lexer *lexer, const char *word);

/* The name or text of a token without its quotes and escapes. */
void token_value(const struct token *token, struct buf *to);

/* A mistake at the token where we are; always false. */
bool lexer_fail(struct lexer *lexer, const char *format, ...) PRINTF_LIKE(2, 3);
