/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Lines of records to columns. Says of every line what record/input.h says of it; each line is checked whole,
 * but only the values that are asked for are taken out of it. The usual line is read by AVX2 where the
 * processor has it; what is not usual, and every line elsewhere, goes through record/parse.h.
 */

#include "base/fault.h"
#include "record/format.h"
#include "store/line_columns.h"

#define LINE_LEN_MAX (1024 * 1024) /* record/input.h's bound */
#define LINE_SLACK 128             /* bytes that may be read behind a block */

/* Whole lines, each with its newline; LINE_SLACK more bytes are readable. */
struct line_block {
    const char *at; /* moves on as lines are taken */
    const char *end;
    uint64_t line; /* number of the first one from 1 */
};

struct line_plan;

struct line_scanner {
    struct format format; /* of the lines to come; header lines change it */
    bool is_guessed;      /* nobody said what the format is */
    bool is_first;        /* no record and no bad line came before */
    bool had_record;
    uint64_t since_s, until_s; /* records that end before or start after are left out */
    void *userdata;
    void (*bad_line)(void *userdata, uint64_t line, const char *reason);
    struct line_plan *plan; /* owned; for the format and the columns */
    struct record record;
};

/* For a file: `format` NULL is the default one. The plan is kept. -ENOMEM. */
int line_scanner_begin(struct line_scanner *scanner, const struct format *format) MUST_USE;

/* As if header lines before had given this format. */
void line_scanner_go_on(struct line_scanner *scanner, const struct format *format, bool is_guessed);
void line_scanner_done(struct line_scanner *scanner);

/*
 * Takes lines until the columns are full, the block is at its end, or a header line has changed the format
 * while there are rows. line_columns_begin() is called where `columns` has no row yet.
 */
void line_scanner_take(struct line_scanner *scanner, struct line_block *block, struct line_columns *columns);

/* Whether lines are read by AVX2; `on` false turns it off, for tests that compare both ways. */
bool line_scanner_use_vectors(bool on);

/* What a survey of a block finds: how many lines it has, and the format that its last header line gives.
 * `is_first`: the block is the beginning of a file. As in a line_block, each line has its newline, and
 * LINE_SLACK more bytes are readable. */
struct line_survey {
    uint64_t lines;
    bool has_header;
    struct format format;
};
void line_survey(struct line_survey *ret, const char *at, const char *end, bool is_first);
