/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "deliver/delivery_state.h"
#include "deliver/skipdata.h"

#define PUBLISH_GRACE_S 5 /* for the last window of a publish interval to come in */

/* Which objects a batch belongs into: batches of one number go together. */
static uint64_t period_of(const struct delivery *delivery, const struct spool_item *batch)
{
    return (batch->end - 1) / delivery->publish_interval_s;
}

/* When the batch's period is over, monotonic: with the window that ends it, or soon after that had to come.
 */
static uint64_t due_time(const struct delivery *delivery, const struct spool_item *batch)
{
    const struct spool *spool = delivery->spool;
    uint64_t over_s = (period_of(delivery, batch) + 1) * delivery->publish_interval_s;
    if (delivery->flushing || spool->items[spool->count - 1].end >= over_s)
        return 0;
    uint64_t now_ns = clock_wall_ns();
    uint64_t due_ns = (over_s + PUBLISH_GRACE_S) * NS_PER_S;
    return due_ns > now_ns ? clock_monotonic_ns() + (due_ns - now_ns) : 0;
}

static struct spool_item *oldest_batch(struct delivery *delivery)
{
    struct spool *spool = delivery->spool;
    for (size_t i = 0; i < spool->count; i++)
        if (spool->items[i].kind == SPOOL_BATCH && spool->items[i].fate == SPOOL_WAITING)
            return &spool->items[i];
    return NULL;
}

static void set_busy(struct delivery *delivery, const uint64_t *sequences, size_t count, bool busy)
{
    for (size_t i = 0; i < count; i++) {
        struct spool_item *item = spool_find(delivery->spool, sequences[i], SPOOL_BATCH, 0);
        if (item)
            item->busy = busy;
    }
}

/* The sequences of the batches that go together with the oldest; owned. 0 without memory. */
static size_t collect_period(const struct delivery *delivery, const struct spool_item *oldest, uint64_t **ret)
{
    const struct spool *spool = delivery->spool;
    uint64_t *sequences = calloc(spool->count, sizeof *sequences);
    size_t count = 0;
    for (size_t i = (size_t)(oldest - spool->items); sequences && i < spool->count; i++) {
        const struct spool_item *item = &spool->items[i];
        if (item->kind != SPOOL_BATCH || item->fate != SPOOL_WAITING ||
            period_of(delivery, item) != period_of(delivery, oldest))
            break;
        sequences[count++] = item->last;
    }
    *ret = sequences;
    return count;
}

void delivery_salvage(struct delivery *delivery, uint64_t sequence, struct disk_trouble *trouble)
{
    char path[PATH_MAX];
    struct batch_sum sum = {0};
    struct batch_sum missing = {0};
    uint64_t bytes = 0;
    struct fault fault = {0};
    spool_batch_path(delivery->spool, sequence, path);
    int r = skipdata_salvage(path, &sum, &bytes, &missing, &fault);
    pthread_mutex_lock(&delivery->lock);
    struct spool_item *item = spool_find(delivery->spool, sequence, SPOOL_BATCH, 0);
    if (r == 0) {
        const struct batch_sum added = {.records = sum.records + missing.records - item->sum.records,
                                        .lost = sum.lost + missing.lost - item->sum.lost};
        batch_sum_add(&delivery->counts.taken, &added);
        batch_sum_add(&delivery->counts.given_up, &missing);
        spool_update_batch(item, &sum, bytes);
        report_say(&delivery->report, LOG_LEVEL_ERROR,
                   "flow log %s: %s was damaged: %" PRIu64 " records with %" PRIu64
                   " packets are lost and told as SKIPDATA; the rest is delivered",
                   delivery->flow_log_id, path, missing.records, missing.packets);
    } else if (r == -EBADMSG) {
        delivery->counts.unreadable++;
        delivery_give_up(delivery, item, fault.text);
    } else {
        delivery_note_disk(delivery, trouble, &fault);
    }
    pthread_mutex_unlock(&delivery->lock);
}

static bool is_poison(int error)
{
    return error == -EINVAL || error == -ERANGE || error == -ENAMETOOLONG;
}

/* Whether `error` comes from the batch's file, and not from the objects that are written. */
static bool is_unread(const struct delivery *delivery, uint64_t sequence, int error)
{
    char path[PATH_MAX];
    struct batch batch;
    if (error != -ENOENT && !spool_is_unreadable(error))
        return false;
    spool_batch_path(delivery->spool, sequence, path);
    int r = batch_load(&batch, path, NULL);
    if (r == 0)
        batch_done(&batch);
    return r == error;
}

/* What came of it, with the lock held again. */
static void settle_pack(struct delivery *delivery, int error, struct spool_item *failed, bool unread,
                        const struct fault *fault)
{
    if (error == 0)
        delivery->packing.told[0] = '\0';
    else if (unread && failed)
        delivery_note_unread(delivery, &delivery->packing, failed, error, fault);
    else if (is_poison(error) && failed)
        delivery_reject(delivery, failed, fault);
    else if (error != -EBADMSG || !failed) /* a damaged batch is mended already */
        delivery_note_disk(delivery, &delivery->packing, fault);
}

static void pack(struct delivery *delivery, const uint64_t *sequences, size_t count)
{
    struct spool_item *objects = NULL;
    size_t object_count = 0;
    size_t used = 0;
    struct fault fault = {0};
    set_busy(delivery, sequences, count, true);
    pthread_mutex_unlock(&delivery->lock);
    int r = object_pack(delivery->spool, &delivery->objects, sequences, count, &objects, &object_count, &used,
                        &fault);
    if (r == -EBADMSG && used < count)
        delivery_salvage(delivery, sequences[used], &delivery->packing);
    bool unread = used < count && is_unread(delivery, sequences[used], r);
    pthread_mutex_lock(&delivery->lock);
    set_busy(delivery, sequences, count, false);
    if (r == 0)
        r = spool_add_pack(delivery->spool, sequences[0], sequences[used - 1], objects, object_count, &fault);
    struct spool_item *failed =
        r < 0 && used < count ? spool_find(delivery->spool, sequences[used], SPOOL_BATCH, 0) : NULL;
    settle_pack(delivery, r, failed, unread, &fault);
    free(objects);
}

bool delivery_pack(struct delivery *delivery, uint64_t *ret_next_ns)
{
    uint64_t *sequences = NULL;
    const struct spool_item *oldest = delivery->driver->put ? oldest_batch(delivery) : NULL;
    if (!oldest)
        return false;
    uint64_t due_ns = due_time(delivery, oldest);
    due_ns = due_ns > delivery->packing.retry_ns ? due_ns : delivery->packing.retry_ns;
    if (clock_monotonic_ns() < due_ns) {
        *ret_next_ns = *ret_next_ns < due_ns ? *ret_next_ns : due_ns;
        return false;
    }
    size_t count = collect_period(delivery, oldest, &sequences);
    if (count)
        pack(delivery, sequences, count);
    else
        delivery_note_disk(delivery, &delivery->packing, &(struct fault){.text = "out of memory"});
    free(sequences);
    return true;
}
