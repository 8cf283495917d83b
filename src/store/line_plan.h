/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is to be looked at in lines of a format, worked out once: for src/store's scanner alone. */

#include "store/line_scanner.h"

#define LINE_WORDS_MAX 16                            /* usual lines have up to 64 times as many bytes */
#define LINE_LANES 16                                /* lengths that are compared at once */
#define LINE_FIELDS (FORMAT_FIELDS_MAX + LINE_LANES) /* room for whole lanes */
#define LINE_BOUND_DIGITS 8                          /* numbers with at most as many are compared as text */

/* A value that has to look like something, or that is asked for. */
struct line_item {
    uint16_t position; /* in the line, from 0 */
    uint8_t field;
    uint8_t column; /* that gets it; of a wanted item */
};

struct line_items {
    unsigned count;
    struct line_item items[FORMAT_FIELDS_MAX];
};

/* Neighbours that hold numbers, by position. */
struct line_run {
    uint16_t first, last;
};

/* A number whose bound has few digits: as many digits may not be greater than the bound's, as text. */
struct line_bound {
    uint16_t position;
    uint8_t digits;
    uint64_t text; /* of the bound, the first digit highest */
};

struct line_plan {
    unsigned count;                           /* fields of a line */
    const struct line_columns *columns;       /* that it was made for */
    uint16_t length_max[LINE_FIELDS];         /* longer values need a look, or are not usual */
    uint64_t is_number[LINE_FIELDS / 64 + 1]; /* by position */
    struct line_run runs[FORMAT_FIELDS_MAX];
    unsigned run_count;
    struct line_bound bounds[FORMAT_FIELDS_MAX];
    unsigned bound_count;
    struct line_items addresses;
    struct line_items words; /* actions and statuses */
    struct line_items times; /* never "-" */
    struct line_items wanted;
    int start, end; /* positions of the times, the last of several; -1: none */
};

/* Takes lines of the block as long as they are usual ones and there is room; false at one that is not. */
bool line_take_usual(const struct line_scanner *scanner, struct line_block *block,
                     struct line_columns *columns);

/*
 * The first line from the one at `at` on that begins with a lower-case letter, as header lines do; `end`,
 * which is behind a newline, where there is none. Adds the number of lines before it to *lines.
 */
const char *line_find_lower(const char *at, const char *end, uint64_t *lines);

/* Whether this processor can do these. */
bool line_can_take_usual(void);

static inline bool line_is_in_time(const struct line_scanner *scanner, uint64_t start_s, uint64_t end_s)
{
    return end_s >= scanner->since_s && start_s <= scanner->until_s;
}
