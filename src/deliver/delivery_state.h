/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A delivery's inside, for its two threads: the daemon's (delivery.c) and its worker (worker.c, packing.c).
 */

#include <pthread.h>

#include "deliver/backoff.h"
#include "deliver/delivery.h"
#include "deliver/driver.h"
#include "deliver/object.h"
#include "deliver/spool.h"

#define DISK_RETRY_NS NS_PER_S /* when the spool's disk is full or broken */

/* The spool's disk failed at one kind of work, which is tried again by itself and holds up no other. */
struct disk_trouble {
    uint64_t retry_ns; /* monotonic; before it there is no next attempt */
    char told[256];    /* reported last; "" when it works */
};

struct delivery {
    const struct delivery_driver *driver;
    void *state; /* the driver's */
    char *flow_log_id;
    char *account;
    char *region;
    struct object_settings objects;
    uint32_t publish_interval_s;
    uint64_t max_bytes;
    uint64_t max_age_s;
    struct report report;
    pthread_t thread;
    atomic_bool cancelled;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct spool *spool; /* its folder's name never changes and needs no lock */
    struct delivery_counts counts;
    struct backoff backoff;
    uint64_t attempt_ns;  /* monotonic; before it there is no next attempt at the destination */
    uint64_t progress;    /* the driver's, for the oldest batch */
    uint64_t progress_of; /* that batch */
    bool flushing;
    bool stopping;
    struct disk_trouble packing;
    struct disk_trouble sweeping;
    struct disk_trouble reading; /* the oldest item */
};

/* The worker: all of these with the lock held, some let go of it meanwhile. */
void *delivery_work(void *opaque);

/* Makes objects of batches whose time has come. False when there is nothing to do before *ret_next_ns
 * (monotonic). */
bool delivery_pack(struct delivery *delivery, uint64_t *ret_next_ns);

/* Writes a damaged batch anew; the batch is busy. Without the lock. `trouble`: of the work that met it. */
void delivery_salvage(struct delivery *delivery, uint64_t sequence, struct disk_trouble *trouble);

/* Gives up what is beyond the bounds. */
void delivery_keep_bounds(struct delivery *delivery);
void delivery_give_up(struct delivery *delivery, struct spool_item *item, const char *why);

/*
 * The item's file could not be read. One that is not there is given up at once, one that cannot be read
 * several times as well, and that is set aside; whatever else it is may pass.
 */
void delivery_note_unread(struct delivery *delivery, struct disk_trouble *trouble, struct spool_item *item,
                          int error, const struct fault *fault);

/* The item is refused for good: `fault` says why. */
void delivery_reject(struct delivery *delivery, struct spool_item *item, const struct fault *fault);

/* The spool's disk failed, and is tried again a little later; each failure is told once. */
void delivery_note_disk(struct delivery *delivery, struct disk_trouble *trouble, const struct fault *fault);
