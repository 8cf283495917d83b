/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A source cut into lines of bounded length. */

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "record/source.h"

struct lines {
    struct source *source; /* borrowed */
    char *buffer;          /* owned */
    size_t cap;
    size_t current;    /* where the line handed out last begins */
    size_t begin, end; /* bytes that are read and not handed out */
    size_t max_len;    /* of a line; may be raised at any time */
    uint64_t number;   /* of the line that was handed out last, from 1 */
    bool in_long;      /* inside a line that is longer than max_len */
    bool at_end;
    int error; /* of the source; handed out after the bytes that came before it */
    struct fault fault;
};

enum lines_result {
    LINES_END,
    LINES_LINE,
    LINES_LONG, /* a piece of a line beyond max_len; more follow until LINES_LONG_END */
    LINES_LONG_END,
    LINES_CUT, /* the rest of a line whose end the source could not deliver */
};

int lines_init(struct lines *lines, struct source *source, size_t max_len, struct fault *fault) MUST_USE;
void lines_done(struct lines *lines);

/* Text without its newline, valid until the next call; an enum lines_result, or the source's error. */
int lines_next(struct lines *lines, const char **ret_text, size_t *ret_len, struct fault *fault) MUST_USE;

/*
 * The line handed out last and all that follows it, when that is at most max_len; false when it is more or
 * the source broke. The earlier line's text has moved: take it from here. Nothing is consumed until
 * lines_skip_rest.
 */
bool lines_peek_rest(struct lines *lines, const char **ret_text, size_t *ret_len);
void lines_skip_rest(struct lines *lines);
