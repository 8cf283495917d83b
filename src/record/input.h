/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Records out of a file, whatever its form: text with or without a header line, JSON lines, Firehose's
 * {"message": …} objects, CloudWatch Logs subscription documents; each also as gzip. A bad line is reported
 * and the reading goes on.
 */

#include <stdint.h>

#include "base/fault.h"
#include "record/format.h"
#include "record/record.h"

struct input;

struct input_options {
    const struct format *format; /* of lines before any header line; NULL: the default format */
    void *userdata;

    /* What is wrong with which line (counted from 1); never NULL. */
    void (*bad_line)(void *userdata, const char *path, uint64_t line, const char *reason);

    /* The bad line verbatim, its line end included (a missing one is added), maybe in pieces; may be NULL. */
    void (*bad_text)(void *userdata, const char *text, size_t len);
};

struct input_counts {
    uint64_t records;
    uint64_t bad_lines;
    uint64_t bytes;       /* of the file taken so far */
    uint64_t bytes_total; /* 0 where nobody knows */
};

/* Where the records come from something other than text lines: what the functions below call instead. */
struct input_reader {
    int (*next)(void *state, const struct record **ret, struct fault *fault);
    const struct format *(*format)(const void *state);
    struct input_counts (*counts)(const void *state);
    void (*free)(void *state);
};

/* `state` becomes the input's, also on failure. */
int input_wrap(struct input **ret, const struct input_reader *reader, void *state,
               struct fault *fault) MUST_USE;

/* `path` and what the options point to are borrowed until input_free. */
int input_open(struct input **ret, const char *path, const struct input_options *options,
               struct fault *fault) MUST_USE;
void input_free(struct input *input);

/* 1 and a record, valid until the next call; 0 at the end; negative when the file could not be read to its
 * end. */
int input_next(struct input *input, const struct record **ret, struct fault *fault) MUST_USE;

/* Of the record handed out last; it may change with each. */
const struct format *input_format(const struct input *input);

/* The line that it was read from, without its end, if its values stand there as record_write_text() writes
 * them in that format; else NULL. Valid as long as the record. */
const char *input_line(const struct input *input, size_t *ret_len);

struct input_counts input_counts(const struct input *input);
