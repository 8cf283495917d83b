/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Records out of a Parquet file: AWS's, ours, and whatever has columns of the fields' names. */

#include "record/input.h"

/* Whether the file begins as Parquet does; its position stays. False for what is no regular file. */
bool parquet_is_file(int fd);

/*
 * `fd` becomes the input's, also on failure. Columns may be in any order; those that are no fields are left
 * out, which is reported as a bad line 0. Rows are counted from 1; one whose values are no record's is a bad
 * line, whose text is its values. -EINVAL where the column of a field is neither number nor text as the field
 * is, -EIO where the file is damaged; both name the file.
 */
int parquet_input_open(struct input **ret, int fd, const char *path, const struct input_options *options,
                       struct fault *fault) MUST_USE;
