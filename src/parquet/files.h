/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files of records, whatever their form: src/record's text forms and Parquet. */

#include "record/input.h"
#include "record/output.h"

/* As input_open(); what begins as Parquet does is read as that. */
int files_open_input(struct input **ret, const char *path, const struct input_options *options,
                     struct fault *fault) MUST_USE;

/* As output_open(), with the Parquet forms. */
int files_open_output(struct output **ret, const char *path, enum output_form form,
                      const struct format *format, bool header, struct fault *fault) MUST_USE;
