/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A stream of records to a file or standard output; the name's extension decides the form. */

#include <stdbool.h>

#include "base/buf.h"
#include "base/fault.h"
#include "record/format.h"
#include "record/record.h"

enum output_form {
    OUTPUT_TEXT,       /* .log or anything else */
    OUTPUT_TEXT_GZ,    /* .log.gz: one gzip member */
    OUTPUT_JSON,       /* .json: JSON lines */
    OUTPUT_JSON_GZ,    /* .json.gz */
    OUTPUT_CSV,        /* .csv: RFC 4180, always with a header line; `-` is an empty cell */
    OUTPUT_CSV_GZ,     /* .csv.gz */
    OUTPUT_PARQUET,    /* .parquet: not written here, see output_open_with() */
    OUTPUT_PARQUET_GZ, /* .gz.parquet: its columns packed by gzip */
};

struct output;

/* By the extension; OUTPUT_TEXT for NULL and for names that say nothing. */
enum output_form output_form_of(const char *path);
bool output_form_is_gzip(enum output_form form);

/*
 * `path` NULL or "-" is standard output. A header line comes first, once, if asked for (text forms only). A
 * file is written beside its name and put in place by output_close; what is no regular file (a pipe,
 * /dev/null) is written straight into. `format` is copied. -ENOTSUP for a name that asks for a form
 * that is not written here (.parquet, .zst).
 */
int output_open(struct output **ret, const char *path, enum output_form form, const struct format *format,
                bool header, struct fault *fault) MUST_USE;

/* What writes a form that is no text, into the file that is open as `fd` and stays the output's. */
struct output_writer {
    int (*open)(void **ret, int fd, const char *name, const struct format *format, struct fault *fault);
    int (*write)(void *state, const struct record *record, struct fault *fault);
    int (*close)(void *state, struct fault *fault); /* completes the file; frees in every case */
    void (*abandon)(void *state);
};

/* An output to a file as output_open() puts it in place. -EINVAL for standard output. */
int output_open_with(struct output **ret, const char *path, const struct output_writer *writer,
                     const struct format *format, struct fault *fault) MUST_USE;

int output_write(struct output *output, const struct record *record, struct fault *fault) MUST_USE;

/*
 * The same for a record that stands in `line` as it is written in the format `from`. The output that has just
 * these fields takes the line as it is: 0. Every other one writes the record.
 */
int output_write_line(struct output *output, const struct record *record, const struct format *from,
                      const char *line, size_t len, struct fault *fault) MUST_USE;

/* Other fields from the next record on; JSON only, where each record names its own. */
void output_set_format(struct output *output, const struct format *format);

/* Hands what is buffered to the file, so that a reader of a pipe or terminal sees it. */
int output_flush(struct output *output, struct fault *fault) MUST_USE;

/* Flushes, syncs, renames; frees in every case. */
int output_close(struct output *output, struct fault *fault) MUST_USE;

/* Frees without putting the file in place. */
void output_abandon(struct output *output);
