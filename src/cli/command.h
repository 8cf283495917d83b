/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The commands of `flowlog`: one row each. A new command is a file with its row and its options, the row's
 * name below, and its place in the table in command.c; --help and the manual page come from the row.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "cli/options.h"

struct command {
    const char *name;
    const char *summary;  /* what it does, in a few words */
    const char *operands; /* as in the usage line: "IN...", "" for none */
    const char *details;  /* paragraphs for --help and the manual, separated by empty lines */
    const char *example;  /* a command line that works, begins "flowlog NAME"; may go on in a second line */
    const char *outcome;  /* what the example does */
    const struct option *options;
    /* Gets what follows the command's name; returns an exit status (base/fault.h). */
    int (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command command_access_key;
extern const struct command command_check_config;
extern const struct command command_compact;
extern const struct command command_convert;
extern const struct command command_create_flow_logs;
extern const struct command command_delete_flow_logs;
extern const struct command command_describe_flow_logs;
extern const struct command command_diagnose;
extern const struct command command_explain;
extern const struct command command_fields;
extern const struct command command_findings;
extern const struct command command_import;
extern const struct command command_manual;
extern const struct command command_query;
extern const struct command command_replay;
extern const struct command command_schema;
extern const struct command command_show_status; /* command_status() is taken */
extern const struct command command_tail;
extern const struct command command_timeline;
extern const struct command command_top;
extern const struct command command_whatif;

/* Ends with a NULL. */
extern const struct command *const commands[];

/* NULL when there is none of that name. */
const struct command *command_find(const char *name);

/*
 * Reads the command's options into `settings` (zeroed or filled with the defaults by the caller) and moves
 * the operands to the front of argv. True to go on; false when the command is done, with its exit status:
 * --help was printed, or a mistake reported.
 */
bool command_begin(const struct command *command, int argc, char **argv, void *settings, int *ret_operands,
                   int *ret_status) MUST_USE;

/* One line on standard error, "flowlog NAME: …"; returns `status`. */
int command_fail(const struct command *command, int status, const char *format, ...) PRINTF_LIKE(3, 4);

/* The exit status for a fault of that errno: mistakes in what was asked for are EXIT_USAGE, the rest
 * EXIT_DATA. */
int command_status(int error);

void command_print_help(const struct command *command, struct buf *buf);

/* Writes to standard output; EXIT_DONE, or EXIT_DATA after saying why not. */
int command_print(const struct command *command, const struct buf *text);
