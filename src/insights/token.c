/* SPDX-License-Identifier: Apache-2.0 */
#include "insights/token.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const two_character_signs[] = {"!=", "<=", ">=", "=~"};

static bool is_name_character(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '@' || c == '.';
}

static const char *skip_blank(const char *at)
{
    for (;;) {
        at += strspn(at, " \t\r\n");
        if (*at != '#')
            return at;
        at += strcspn(at, "\n");
    }
}

/* Behind the closing quote, or NULL. */
static const char *skip_quoted(const char *at)
{
    char quote = *at++;
    while (*at && *at != quote)
        at += at[0] == '\\' && at[1] ? 2 : 1;
    return *at ? at + 1 : NULL;
}

static const char *skip_number(const char *at)
{
    at += strspn(at, "0123456789");
    if (at[0] == '.' && isdigit((unsigned char)at[1]))
        at += 1 + strspn(at + 1, "0123456789");
    return at;
}

static const char *skip_name(const char *at)
{
    while (is_name_character(*at))
        at++;
    return at;
}

static const char *skip_sign(const char *at)
{
    for (size_t i = 0; i < ARRAY_SIZE(two_character_signs); i++)
        if (strncmp(at, two_character_signs[i], 2) == 0)
            return at + 2;
    return at + 1;
}

static enum token_type type_of(char first)
{
    if (!first)
        return TOKEN_END;
    if (first == '"' || first == '\'')
        return TOKEN_TEXT;
    if (isdigit((unsigned char)first))
        return TOKEN_NUMBER;
    return is_name_character(first) || first == '`' ? TOKEN_NAME : TOKEN_SIGN;
}

static const char *skip_token(const char *at, enum token_type type)
{
    switch (type) {
    case TOKEN_TEXT:
        return skip_quoted(at);
    case TOKEN_NUMBER:
        return skip_number(at);
    case TOKEN_NAME:
        return *at == '`' ? skip_quoted(at) : skip_name(at);
    case TOKEN_SIGN:
        return skip_sign(at);
    case TOKEN_END:
    case TOKEN_WRONG:
        break;
    }
    return at;
}

void lexer_next(struct lexer *lexer)
{
    if (lexer->token.type == TOKEN_WRONG)
        return;
    const char *at = skip_blank(lexer->at);
    lexer->behind = lexer->at;
    lexer->token = (struct token){type_of(*at), at, 0};
    const char *end = skip_token(at, lexer->token.type);
    if (!end) {
        lexer->token.len = strlen(at);
        lexer_fail(lexer, "the closing %c is missing", *at);
        return;
    }
    lexer->token.len = (size_t)(end - at);
    lexer->at = end;
}

void lexer_begin(struct lexer *lexer, const char *query, struct insights_error *error)
{
    error->message[0] = '\0';
    *lexer = (struct lexer){.query = query, .at = query, .error = error};
    lexer_next(lexer);
}

bool lexer_take_regex(struct lexer *lexer, const char **text, size_t *len)
{
    if (!lexer_is_sign(lexer, "/"))
        return lexer_fail(lexer, "a /regular expression/ is missing here");
    const char *end = skip_quoted(lexer->token.text);
    if (!end)
        return lexer_fail(lexer, "the closing / of the regular expression is missing");
    *text = lexer->token.text + 1;
    *len = (size_t)(end - *text) - 1;
    lexer->at = end;
    lexer_next(lexer);
    return true;
}

bool lexer_is_sign(const struct lexer *lexer, const char *sign)
{
    const struct token *token = &lexer->token;
    return token->type == TOKEN_SIGN && strlen(sign) == token->len &&
           memcmp(token->text, sign, token->len) == 0;
}

bool lexer_is_word(const struct lexer *lexer, const char *word)
{
    const struct token *token = &lexer->token;
    return token->type == TOKEN_NAME && strlen(word) == token->len &&
           strncasecmp(token->text, word, token->len) == 0;
}

bool lexer_take_sign(struct lexer *lexer, const char *sign)
{
    bool is = lexer_is_sign(lexer, sign);
    if (is)
        lexer_next(lexer);
    return is;
}

bool lexer_take_word(struct lexer *lexer, const char *word)
{
    bool is = lexer_is_word(lexer, word);
    if (is)
        lexer_next(lexer);
    return is;
}

/* A backslash escapes quotes and itself; before anything else it stays, as in regular expressions. */
void token_value(const struct token *token, struct buf *to)
{
    bool quoted = token->len >= 2 && token->text[0] && strchr("\"'`", token->text[0]);
    const char *at = token->text + quoted;
    const char *end = token->text + token->len - quoted;
    for (; at < end; at++) {
        if (*at == '\\' && quoted && at + 1 < end && strchr("\\\"'`", at[1]))
            at++;
        buf_char(to, *at);
    }
}

bool lexer_fail(struct lexer *lexer, const char *format, ...)
{
    struct insights_error *error = lexer->error;
    va_list arguments;
    if (!error->message[0]) {
        error->start = (size_t)(lexer->token.text - lexer->query);
        error->end = error->start + lexer->token.len;
        va_start(arguments, format);
        (void)vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    lexer->token.type = TOKEN_WRONG;
    return false;
}
