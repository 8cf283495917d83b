/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files of a spool, for what changes it and for what takes it up at the start. */

#include "deliver/spool.h"

void spool_item_done(struct spool_item *item);

/* Room for more items. -ENOMEM. */
int spool_reserve(struct spool *spool, size_t more) MUST_USE;

/* Takes the item over, into its place in the order; there must be room. */
void spool_insert(struct spool *spool, const struct spool_item *item);

void spool_state_path(const struct spool *spool, char ret[static PATH_MAX]);
void spool_pack_path(const struct spool *spool, uint64_t last, char ret[static PATH_MAX]);

/* Writes `state` if it is behind. */
int spool_write_state(struct spool *spool, struct fault *fault) MUST_USE;

/*
 * A pack is two files that say the same, the copy first: objects alone tell neither their names nor what they
 * hold, so that the loss of a few bytes of one must not cost all of them. The pack is what counts; a copy
 * without it is what a process that was killed left behind.
 */
int spool_write_pack(const struct spool *spool, uint64_t first, uint64_t last,
                     const struct spool_item *objects, size_t count, struct fault *fault) MUST_USE;
void spool_remove_pack(const struct spool *spool, uint64_t last);

/*
 * The pack's objects with their accounts. *ret is owned, each of its items, too. -EBADMSG when both files are
 * damaged, -ENOMEM.
 */
int spool_read_pack(const struct spool *spool, uint64_t last, struct spool_item **ret, size_t *ret_count,
                    uint64_t *ret_first, struct fault *fault) MUST_USE;

/* Moves a file to rejected/, with a text beside it that says why. */
int spool_set_aside(const struct spool *spool, const char *path, const char *reason);
