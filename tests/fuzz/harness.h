/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the fuzz targets share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool condition)
{
    if (!condition)
        abort();
}

#define FOLDER_MAX 64

/* A new, empty folder below `parent`. */
static inline void make_folder(char ret[static FOLDER_MAX], const char *parent)
{
    int len = snprintf(ret, FOLDER_MAX, "%s/flowlog-fuzz-", parent);
    require(len > 0 && len + 7 <= FOLDER_MAX);
    memset(ret + len, 'X', 6); /* where mkdtemp() puts what makes it unique */
    ret[len + 6] = '\0';
    require(mkdtemp(ret) != NULL);
}
