/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Lost packets as records. */

#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"
#include "deliver/batch.h"
#include "flow/ledger.h"

/* A SKIPDATA record of the writer's interface of that index, from `start` to before `end`. */
int skipdata_add(struct batch_writer *writer, uint32_t interface, uint64_t start, uint64_t end,
                 uint64_t packets, enum lost_cause cause, struct fault *fault) MUST_USE;

/*
 * A damaged batch is written anew in its place: with the lines that are intact, and with SKIPDATA records for
 * all that is missing of each interface. *ret_missing is what was lost. -EBADMSG when not even its head can
 * be read.
 */
int skipdata_salvage(const char *path, struct batch_sum *ret, uint64_t *ret_bytes,
                     struct batch_sum *ret_missing, struct fault *fault) MUST_USE;
