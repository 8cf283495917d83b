/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A line on standard error that tells how far a long command is; nothing unless that is a terminal. */

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *unit; /* "records" */
    bool on;          /* standard error is a terminal */
    bool shown;
    uint64_t begun_ns;
    uint64_t next_ns;
};

void progress_begin(struct progress *progress, const char *unit);

/* Bytes of input so far and in all (0 when nobody knows); cheap enough for every few thousand units. */
void progress_show(struct progress *progress, uint64_t bytes, uint64_t bytes_total, uint64_t units);

/* Takes the line away, before anything else is written there. */
void progress_clear(struct progress *progress);
