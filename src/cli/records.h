/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The records that a command answers from: --from, --input-format and operands; bad lines; progress. */

#include "answer/reading.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/twice.h"
#include "record/format.h"

#define RECORDS_FROM_HELP                                                                                    \
    "records, in any form that convert reads; - is standard input; further files may follow as operands"
#define RECORDS_FORMAT_HELP "fields of lines that no header line precedes; default: default"

/* Must stay in place until records_close. */
struct records {
    const struct command *command;
    struct format format;
    struct input_options input;
    struct twice *inputs; /* owned */
    const char **paths;   /* owned list; of the inputs */
    size_t count;
    uint64_t bad_lines;
    struct progress progress;
    struct readings readings; /* for src/answer */
};

/* `from` and the operands are files; at least one of them is due. `format` is NULL for the default one. */
int records_open(struct records *records, const struct command *command, const char *format, const char *from,
                 int operands, char **argv, struct fault *fault) MUST_USE;

/* Of text that is no file. */
int records_open_text(struct records *records, const struct command *command, const char *format,
                      const char *text, size_t len, struct fault *fault) MUST_USE;

/* A line on standard error when lines were bad. `count`: records that were read. */
void records_tell_bad_lines(struct records *records, uint64_t count);
void records_close(struct records *records);

/* For policy_load(): a mistake of the documents, by the command in `context`. */
void records_tell_document(void *context, const char *line);
