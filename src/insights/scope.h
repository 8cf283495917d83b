/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The fields that a command of a query sees, and what kind of value an expression has. */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macro.h"

enum kind {
    KIND_NUMBER,
    KIND_TEXT,
    KIND_LOOSE, /* text that is a number where one is wanted: what `parse` makes */
    KIND_BOOL,
    KIND_TIME,
};

#define SCOPE_NAME_MAX 128
#define SCOPE_FIELDS_MAX 512

struct scope_field {
    char name[SCOPE_NAME_MAX];
    unsigned column; /* cN in the SQL */
    enum kind kind;
    bool discovered; /* of the record: its name may be written as AWS, Parquet or the record does */
};

#define SCOPE_RECORD_FIELDS_MAX 128

struct scope {
    struct scope_field *fields; /* owned; a later one hides an earlier one of the same name */
    size_t count;
    unsigned columns;                   /* numbers given so far */
    bool used[SCOPE_RECORD_FIELDS_MAX]; /* columns of the record that were found so far */
};

void scope_done(struct scope *scope);

/* What every query begins with: the fields of a record, `@timestamp`, `@message` and their like. -ENOMEM. */
int scope_begin(struct scope *ret) MUST_USE;

/* The SELECT that gives those of them that were found since, out of `flow_logs`; `group` is what `@log` says.
 */
void scope_select(const struct scope *scope, const char *group, struct buf *to);

/* NULL when there is none. */
const struct scope_field *scope_find(struct scope *scope, const char *name);

/* The nearest name, for "did you mean". */
const char *scope_nearest(const struct scope *scope, const char *name);

/* The new field's column, or -E2BIG, -ENOMEM. */
int scope_add(struct scope *scope, const char *name, enum kind kind) MUST_USE;

/* An empty scope that goes on with the numbers of columns: what `stats` begins. */
struct scope scope_after(const struct scope *scope);

/* e.cN: of a query that is called e. */
void scope_column(const struct scope_field *field, struct buf *to);
