/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Options of a command: one row each, from which parsing, --help and the manual page come. The command keeps
 * its settings in a struct; a row says where in it the value goes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"

enum option_kind {
    OPTION_FLAG,   /* bool; takes no value */
    OPTION_TEXT,   /* const char *, borrowed from argv */
    OPTION_NUMBER, /* uint64_t in min..max */
    OPTION_CHOICE, /* unsigned: which of the words "a|b|c" in metavar */
    OPTION_LIST,   /* struct option_list; the option may be given again */
};

#define OPTION_LIST_MAX 1024

/* Values in the order in which they were given, borrowed from argv. */
struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

struct option {
    const char *name;    /* without the two hyphens */
    const char *metavar; /* NULL for flags */
    const char *help;    /* a sentence without full stop; names the default */
    size_t offset;       /* of the value in the settings */
    uint64_t min, max;   /* of an OPTION_NUMBER */
    uint8_t kind;        /* enum option_kind */
    char letter;         /* of the short form; '\0' for none */
};

/* For the rows of a command, whose settings are a `struct settings`. */
#define SETTING(member) .offset = offsetof(struct settings, member)
#define TEXT_OPTION(option, member, what, words)                                                             \
    {                                                                                                        \
        .name = option, .metavar = what, .kind = OPTION_TEXT, SETTING(member), .help = words                 \
    }

/* Rows end with one whose name is NULL. "--name value", "--name=value", "-n value" and "-nvalue" are the
 * same. */

/* Fills `settings` and moves the operands to the front of argv; returns their number, or -EINVAL. "-" and
 * everything behind "--" are operands. */
int options_parse(const struct option *options, int argc, char **argv, void *settings,
                  struct fault *fault) MUST_USE;

/* The "  -o, --form FORM" part of a row. */
void option_print_name(const struct option *option, struct buf *buf);
