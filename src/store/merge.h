/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Several Parquet files of records as one. */

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"

/*
 * Writes the rows of `paths`, in that order, to a new file `to`, which is synced; a column that a file lacks
 * is null there. All rows have to come out again, else nothing is made. -EINVAL where a column is no field of
 * records, so that nothing is left out; -ECANCELED.
 */
int merge_files(const char *to, char *const *paths, size_t count, const atomic_bool *cancelled,
                uint64_t *ret_rows, struct fault *fault) MUST_USE;
