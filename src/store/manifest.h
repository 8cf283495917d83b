/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a reader of a store has to know beside its folders: files that are being replaced by another, or taken
 * away. A manifest is a file `.flowlog/manifest.N` of the store; the highest N counts. It is written once and
 * never changed.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/macro.h"

/* Paths are relative to the store's folder. */
struct change {
    char *made;      /* the new file, as long as it has no place among the others; NULL: only files go */
    char *key;       /* where it comes to stand, with `made` */
    char **replaced; /* files whose records it holds, or that go without one */
    size_t replaced_count;
};

struct manifest {
    struct change *changes;
    size_t count;
};

void change_done(struct change *change);
void manifest_done(struct manifest *manifest);

/* Takes the change over, also on failure. -ENOMEM. */
int manifest_add(struct manifest *manifest, struct change *change) MUST_USE;

/* Adds a copy of a path to those a change replaces. -ENOMEM. */
int change_add(struct change *change, const char *path) MUST_USE;

/* As a document; -EILSEQ for a path that is no UTF-8. */
int manifest_print(const struct manifest *manifest, struct buf *buf) MUST_USE;

/* -EBADMSG when it is none, or of a version that this program does not know. */
int manifest_parse(struct manifest *ret, const char *text, size_t len, struct fault *fault) MUST_USE;
