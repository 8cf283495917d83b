/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What one flow log has recorded and not delivered yet, in a folder that outlives the process:
 *
 *   SEQUENCE.batch        a batch (batch.h)
 *   SEQUENCE-PART.object  the bytes of an object made of batches, the last of which had that sequence
 *   SEQUENCE.pack         puts those objects in the place of the batches: once it is there, they are gone
 *   SEQUENCE.copy         the pack once more, in case the disk loses some of it
 *   state                 the highest sequence ever taken in, gaps not yet told, files whose end is decided
 *   rejected/             what the destination will never take, each with its reason
 *
 * Whatever happens to an item happens in one rename: of a batch, a pack or the state. Items are in order of
 * their sequences; sequences rise. Knows nothing of destinations. Not safe for two threads at once: see
 * delivery.c.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"
#include "deliver/batch.h"
#include "deliver/gaps.h"
#include "deliver/report.h"

enum spool_kind { SPOOL_BATCH, SPOOL_OBJECT };

/* What becomes of an item. */
enum spool_fate {
    SPOOL_WAITING,
    SPOOL_DELIVERED,
    SPOOL_GIVEN_UP, /* its packets become a gap */
    SPOOL_REJECTED, /* the same, and it is set aside */
};

struct spool_item {
    enum spool_kind kind;
    enum spool_fate fate;
    uint64_t first; /* sequences of the batches in it */
    uint64_t last;
    uint32_t part;   /* of a pack */
    uint64_t window; /* of the first batch, seconds since the epoch */
    uint64_t end;    /* of the last batch's window */
    uint64_t bytes;
    struct batch_sum sum;
    unsigned unread; /* times in a row that its file could not be read */
    bool busy;       /* a worker has it: it is not given up meanwhile */
    bool verified;   /* this process wrote it, or has read it whole; and no attempt has failed since */
    bool has_gap;    /* was delivered but for what has become a gap */
    char *reason;    /* owned; why it was rejected */

    /* Of an object; owned. */
    char *key;
    char *content_type;
    uint8_t sha256[32];
    struct batch_interface *interfaces; /* only on the way into spool_add_pack() */
    uint32_t interface_count;
};

struct spool {
    char folder[PATH_MAX];
    struct spool_item *items; /* owned; oldest first. Moves when items come or go */
    size_t count;
    size_t capacity;
    uint64_t accepted;       /* highest sequence taken in */
    uint64_t accepted_noted; /* the same as `state` has it */
    uint64_t unreadable;     /* files whose contents nobody can tell any more */
    struct gaps gaps;
    bool dirty;       /* `state` is behind */
    bool told_behind; /* it has gaps that batches tell: only those prove it, and stay until it is written */
    const struct report *report;
};

/*
 * Makes the folder, takes up what an earlier process left, and cleans up what it did not finish. `report` is
 * borrowed.
 */
int spool_open(struct spool **ret, const char *folder, const struct report *report,
               struct fault *fault) MUST_USE;
void spool_close(struct spool *spool);

void spool_batch_path(const struct spool *spool, uint64_t sequence, char ret[static PATH_MAX]);
void spool_item_path(const struct spool *spool, const struct spool_item *item, char ret[static PATH_MAX]);

/* Whether reading a file failed because of the file, and not for want of memory or the like. */
bool spool_is_unreadable(int error);

/* The oldest item whose fate is open, or NULL. */
struct spool_item *spool_oldest(struct spool *spool);

/* The item by what never changes of it, or NULL. */
struct spool_item *spool_find(struct spool *spool, uint64_t last, enum spool_kind kind, uint32_t part);

/* Of the items that wait. */
uint64_t spool_bytes(const struct spool *spool);
struct batch_sum spool_sum(const struct spool *spool);

/*
 * A batch that was put into its place. When it tells gaps they are forgotten, durably, before this returns;
 * on failure the batch is removed again.
 */
int spool_add_batch(struct spool *spool, const struct batch_head *head, const struct batch_sum *sum,
                    uint64_t bytes, struct fault *fault) MUST_USE;

/*
 * Objects, in their places under the names of spool_item_path(), take the place of the batches from `first`
 * to `last`, which must all be there. No objects: the batches had no records. The objects' texts and accounts
 * are taken over in every case; on failure the batches stay and the objects are removed.
 */
int spool_add_pack(struct spool *spool, uint64_t first, uint64_t last, struct spool_item *objects,
                   size_t count, struct fault *fault) MUST_USE;

/* The batch was written anew with other contents. */
void spool_update_batch(struct spool_item *item, const struct batch_sum *sum, uint64_t bytes);

/*
 * Decides an item's fate. `reason` is kept with what is set aside. When the disk does not take the decision
 * it stands all the same, and spool_sweep() tries again; a process killed before that finds the item as it
 * was.
 */
void spool_decide(struct spool *spool, struct spool_item *item, enum spool_fate fate, const char *reason);

/*
 * Packets that the destination refused of a batch that it took otherwise become a gap of the time given;
 * followed by spool_decide(), which makes both durable at once.
 */
void spool_refuse(struct spool *spool, struct spool_item *item, const struct batch_interface *interfaces,
                  uint32_t count, uint64_t start, uint64_t end);

/* What a batch would have held becomes a gap; the same holds for the disk. */
void spool_lose(struct spool *spool, const struct batch_head *head);

/*
 * Removes what is decided. False when something is left, because the disk is full or broken. On a full one,
 * which does not take `state`, what was delivered goes all the same, as far as nothing else proves by it.
 */
bool spool_sweep(struct spool *spool, struct fault *fault);
