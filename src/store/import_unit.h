/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Some inputs that come into a store together, all or none. Their files are made in a folder
 * `.flowlog/import/ID.part`; with what is to become of them they are complete when it is renamed to
 * `ID.commit`. From then on they will be in the store, also when the process ends: each file gets its name as
 * a second link, the journal learns of the inputs, and the folder goes. As long as it is there nobody merges
 * or removes the files (upkeep.h), so that going through it again does nothing twice.
 */

#include <limits.h>

#include "store/import_journal.h"
#include "store/partitions.h"

struct import_unit {
    char folder[PATH_MAX]; /* ID.part */
    uint64_t id;
};

/* The folder, empty. The same inputs have the same id. */
int import_unit_begin(struct import_unit *ret, const char *store, const struct source_identity *inputs,
                      size_t count, struct fault *fault) MUST_USE;

/* `lock`ed by the caller where several units are under way, as the journal is. */
int import_unit_commit(const struct import_unit *unit, const char *store, struct import_journal *journal,
                       const struct import_entry *entries, size_t entry_count,
                       const struct partition_file *files, size_t file_count, struct fault *fault) MUST_USE;

/* Removes what was made. */
void import_unit_abandon(const struct import_unit *unit);

/* Finishes what an earlier process committed, removes what it did not. */
int import_unit_recover(const char *store, struct import_journal *journal, struct fault *fault) MUST_USE;
