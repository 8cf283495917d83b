/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The records that a command answers from: the options of from.h and operands; bad lines; progress. */

#include "answer/diagnose.h"
#include "answer/reading.h"
#include "cli/command.h"
#include "cli/from.h"
#include "cli/progress.h"
#include "cli/twice.h"
#include "parquet/session.h"
#include "record/format.h"

/* Must stay in place until records_close. */
struct records {
    const struct command *command;
    struct format format;
    struct input_options input;
    struct from from;
    struct twice text;  /* of records_open_text */
    const char **paths; /* owned list */
    int narrowed;       /* a file of what records_narrow() kept, or -1 */
    char narrowed_path[SESSION_FILE_MAX];
    uint64_t bad_lines;
    struct progress progress;
    struct readings readings; /* for src/answer */
};

/* What the options name and the operands; the daemon's store when that is nothing. Takes the operands into
 * `settings`. */
int records_open(struct records *records, const struct command *command, struct from_settings *settings,
                 int operands, char **argv, struct fault *fault) MUST_USE;

/* Of text that is no file. */
int records_open_text(struct records *records, const struct command *command,
                      const struct from_settings *settings, const char *text, size_t len,
                      struct fault *fault) MUST_USE;

/*
 * Lets only those records be read from now on that bear on the question. Does nothing where that might not
 * give the same, and where some of the records are no Parquet, as text is to be told of line by line.
 */
int records_narrow(struct records *records, const struct question *question, struct fault *fault) MUST_USE;

/* EXIT_DATA, or EXIT_UNREACHABLE, where something that was named could not be read, else `status`. */
int records_status(const struct records *records, int status);

/* A line on standard error when lines were bad. `count`: records that were read. */
void records_tell_bad_lines(struct records *records, uint64_t count);
void records_close(struct records *records);

/* For policy_load(): a mistake of the documents, by the command in `context`. */
void records_tell_document(void *context, const char *line);
