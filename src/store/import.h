/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inputs of any form into a store, by several threads. What was imported before, whatever its name was then,
 * is passed over. Several inputs go together as a unit (import_unit.h); one that cannot be read to its end is
 * left out whole, and can come again when it is mended.
 */

#include <stdatomic.h>

#include "record/input.h"
#include "store/sources.h"

struct import_options {
    const char *store;            /* folder; made where there is none */
    const struct format *format;  /* of lines before any header; NULL: the default */
    unsigned threads;             /* above 0 */
    const atomic_bool *cancelled; /* units under way are given up; may be NULL */
    void *userdata;
    /* All of these one at a time, from any thread. */
    void (*tell)(void *userdata, const char *line); /* an input that was left out, or somebody to wait for */
    void (*bad_line)(void *userdata, const char *name, uint64_t line, const char *reason);
    /* Bad lines verbatim, of inputs that are in the store now; may be NULL. */
    void (*rejects)(void *userdata, const char *text, size_t len);
};

struct import_counts {
    uint64_t inputs; /* imported, known from before, or failed */
    uint64_t imported;
    uint64_t known;
    uint64_t failed;
    uint64_t records; /* of inputs that are in the store now; while it runs, of all that were read */
    uint64_t bad_lines;
    uint64_t files; /* made */
    uint64_t bytes; /* of inputs, done so far and in all */
    uint64_t bytes_total;
};

struct import;

/* Opens the store and finishes what was begun. Waits for another import into it. */
int import_open(struct import **ret, const struct import_options *options, struct fault *fault) MUST_USE;

/* Whether something that a service calls so has been imported: for sources_open(). Counts what is. */
bool import_is_known(struct import *import, const struct source_identity *identity);

/* Begins with inputs, which are borrowed until import_close(). On failure that is still to be called. */
int import_start(struct import *import, const struct sources *sources, struct fault *fault) MUST_USE;

/* True when all is done; false after so many nanoseconds. */
bool import_wait(struct import *import, uint64_t timeout_ns);
void import_progress(struct import *import, struct import_counts *ret);

/* Waits for the end, and frees. An error is what ended it early: the rest can be imported later. */
int import_close(struct import *import, struct import_counts *ret, struct fault *fault) MUST_USE;
