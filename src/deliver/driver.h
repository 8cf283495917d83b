/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What each kind of destination supplies; one row per kind in destination.c. */

#include "deliver/destination.h"

/* Same contracts as the destination_… functions. `batch_objects`: objects made; `last_object`: "" if unnamed.
 */
struct destination_driver {
    int (*open)(void **ret, const struct destination_settings *settings, struct fault *fault);
    void (*close)(void *state);
    int (*begin)(void *state, uint64_t window, uint64_t sequence, struct fault *fault);
    int (*add)(void *state, const struct record *record, struct fault *fault);
    int (*commit)(void *state, uint64_t *objects, struct fault *fault);
    void (*abandon)(void *state);
    const char *(*last_object)(const void *state);
};

extern const struct destination_driver deliver_file_driver;
extern const struct destination_driver deliver_stdout_driver;
