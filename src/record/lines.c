/* SPDX-License-Identifier: Apache-2.0 */
#include "record/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAP_FIRST (512 * 1024)
#define READ_MIN (128 * 1024)

int lines_init(struct lines *lines, struct source *source, size_t max_len, struct fault *fault)
{
    char *buffer = malloc(CAP_FIRST);
    if (!buffer)
        return fault_set(fault, -ENOMEM, "out of memory");
    *lines = (struct lines){.source = source, .buffer = buffer, .cap = CAP_FIRST, .max_len = max_len};
    return 0;
}

void lines_done(struct lines *lines)
{
    free(lines->buffer);
    lines->buffer = NULL;
}

/* Room for a read behind what is held, by moving it to the front or by a larger buffer. */
static bool make_room(struct lines *lines)
{
    size_t held = lines->end - lines->current;
    if (lines->current > 0) {
        memmove(lines->buffer, lines->buffer + lines->current, held);
        lines->begin -= lines->current;
        lines->end = held;
        lines->current = 0;
    }
    if (lines->cap - lines->end >= READ_MIN)
        return true;
    char *larger = realloc(lines->buffer, lines->cap * 2);
    if (!larger)
        return false;
    lines->buffer = larger;
    lines->cap *= 2;
    return true;
}

/* Reads on behind what is held; false at the end of the source and when it broke. */
static bool read_more(struct lines *lines)
{
    if (lines->at_end || lines->error < 0)
        return false;
    if (!make_room(lines)) {
        lines->error = fault_set(&lines->fault, -ENOMEM, "out of memory");
        return false;
    }
    ssize_t got =
        source_read(lines->source, lines->buffer + lines->end, lines->cap - lines->end, &lines->fault);
    if (got < 0)
        lines->error = (int)got;
    else
        lines->end += (size_t)got;
    lines->at_end = got == 0;
    return got > 0;
}

static int hand_out(struct lines *lines, size_t len, size_t newline, const char **ret_text, size_t *ret_len,
                    enum lines_result result)
{
    *ret_text = lines->buffer + lines->begin;
    *ret_len = len;
    lines->current = lines->begin;
    lines->begin += len + newline;
    return (int)result;
}

/* What is held has no newline and the source has no more. */
static int hand_out_rest(struct lines *lines, const char **ret_text, size_t *ret_len, struct fault *fault)
{
    size_t held = lines->end - lines->begin;
    bool in_long = lines->in_long;
    lines->in_long = false;
    if (held == 0 && !in_long) {
        if (lines->error < 0 && fault)
            *fault = lines->fault;
        return lines->error < 0 ? lines->error : LINES_END;
    }
    enum lines_result result = lines->error < 0 ? LINES_CUT : in_long ? LINES_LONG_END : LINES_LINE;
    return hand_out(lines, held, 0, ret_text, ret_len, result);
}

int lines_next(struct lines *lines, const char **ret_text, size_t *ret_len, struct fault *fault)
{
    size_t searched = 0;
    lines->current = lines->begin;
    if (!lines->in_long)
        lines->number++;
    for (;;) {
        const char *text = lines->buffer + lines->begin;
        size_t held = lines->end - lines->begin;
        const char *newline = memchr(text + searched, '\n', held - searched);
        size_t len = newline ? (size_t)(newline - text) : held;
        if (newline && (len <= lines->max_len || lines->in_long)) {
            enum lines_result result = lines->in_long ? LINES_LONG_END : LINES_LINE;
            lines->in_long = false;
            return hand_out(lines, len, 1, ret_text, ret_len, result);
        }
        if (len > lines->max_len) {
            lines->in_long = true;
            return hand_out(lines, lines->max_len, 0, ret_text, ret_len, LINES_LONG);
        }
        searched = held;
        if (!read_more(lines))
            return hand_out_rest(lines, ret_text, ret_len, fault);
    }
}

bool lines_peek_rest(struct lines *lines, const char **ret_text, size_t *ret_len)
{
    while (lines->end - lines->current <= lines->max_len && read_more(lines))
        continue;
    *ret_text = lines->buffer + lines->current;
    *ret_len = lines->end - lines->current;
    return *ret_len <= lines->max_len && lines->error == 0;
}

void lines_skip_rest(struct lines *lines)
{
    lines->begin = lines->end;
}
