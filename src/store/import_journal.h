/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What has been imported into a store, by identity: an append-only file `.flowlog/imports`, a line per input.
 * One process at a time has it. All functions are for one thread, or under the caller's lock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"
#include "store/sources.h"

struct import_entry {
    struct source_identity identity;
    uint64_t records;
    uint64_t bad_lines;
    const char *name;                   /* for people; borrowed */
    const struct source_identity *also; /* what services call it, or what is in it, by; borrowed */
    size_t also_count;
};

struct import_journal;

/* Waits while another import is at the store; `waiting` is called then, and may be NULL. */
int import_journal_open(struct import_journal **ret, const char *store, void (*waiting)(void *userdata),
                        void *userdata, struct fault *fault) MUST_USE;
void import_journal_close(struct import_journal *journal);

bool import_journal_has(const struct import_journal *journal, const struct source_identity *identity);

/* Notes an identity in memory alone: false when it was there. So that one run takes an input once. -ENOMEM.
 */
int import_journal_claim(struct import_journal *journal, const struct source_identity *identity,
                         bool *ret_new) MUST_USE;

/* On the disk when it returns. */
int import_journal_append(struct import_journal *journal, const struct import_entry *entries, size_t count,
                          struct fault *fault) MUST_USE;

/* Whether an identity is on the disk, as one that was only claimed is not. */
bool import_journal_is_written(const struct import_journal *journal, const struct source_identity *identity);
