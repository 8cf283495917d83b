/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Hands out the lines of a list of files in blocks to several threads, each line once. A large plain file is
 * cut into ranges that threads read beside each other; a compressed one, and one of JSON, belongs to the
 * thread that took it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "store/line_scanner.h"
#include "store/sources.h"

struct line_feed;

/* What one thread has in its hands. */
struct line_reader;

enum line_feed_result {
    LINE_FEED_END,   /* all files are taken */
    LINE_FEED_BLOCK, /* lines of a text file; the scanner is set for them */
    LINE_FEED_INPUT, /* a file for record/input.h, from its beginning */
};

/* `files` and `format` (of lines without header; NULL: the default) are borrowed. NULL without memory. */
struct line_feed *line_feed_new(const struct source_file *const *files, size_t count,
                                const struct format *format);
void line_feed_free(struct line_feed *feed);

/* How many threads can have work. */
size_t line_feed_threads(const struct line_feed *feed);

/* `scanner` is the thread's, borrowed. NULL without memory. */
struct line_reader *line_reader_new(struct line_feed *feed, struct line_scanner *scanner);
void line_reader_free(struct line_reader *reader);

/*
 * The next lines of the file in hand or of the next one; texts of the block before may no longer be used.
 * *ret_file is the file's index. A file that cannot be read (on) is a negative errno with its index and a
 * fault; the next call goes on with others.
 */
int line_reader_next(struct line_reader *reader, struct line_block *ret, size_t *ret_file,
                     struct fault *fault) MUST_USE;

/* Bytes of files taken since the last call. */
uint64_t line_reader_bytes(struct line_reader *reader);
