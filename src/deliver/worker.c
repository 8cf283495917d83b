/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "deliver/delivery_state.h"

#define FLUSH_BACKOFF_NS (200 * NS_PER_MS)
#define READ_ATTEMPTS 5 /* DISK_RETRY_NS apart */
#define AGE_CHECK_NS (30 * NS_PER_S)
#define NOT_BEFORE_MAX_NS (900 * NS_PER_S) /* of what a destination may ask for */

static const char *const words[] = {[ERROR_NONE] = "",
                                    [ERROR_RATE_LIMITED] = "Rate limited",
                                    [ERROR_ACCESS] = "Access error",
                                    [ERROR_UNKNOWN] = "Unknown error"};

const char *error_word_text(enum error_word word)
{
    return words[word];
}

void delivery_note_disk(struct delivery *delivery, struct disk_trouble *trouble, const struct fault *fault)
{
    trouble->retry_ns = clock_monotonic_ns() + DISK_RETRY_NS;
    if (strncmp(trouble->told, fault->text, sizeof trouble->told - 1) == 0)
        return;
    (void)snprintf(trouble->told, sizeof trouble->told, "%.255s", fault->text);
    report_say(&delivery->report, LOG_LEVEL_ERROR, "flow log %s: %s; tried again", delivery->flow_log_id,
               fault->text);
}

static void give_up(struct delivery *delivery, struct spool_item *item, enum spool_fate fate, const char *why)
{
    report_say(&delivery->report, LOG_LEVEL_ERROR,
               "flow log %s: given up: %" PRIu64 " records from window %" PRIu64 " on, %" PRIu64
               " packets: %s",
               delivery->flow_log_id, item->sum.records, item->window, item->sum.packets, why);
    batch_sum_add(&delivery->counts.given_up, &item->sum);
    delivery->counts.items_given_up++;
    spool_decide(delivery->spool, item, fate, why);
}

void delivery_give_up(struct delivery *delivery, struct spool_item *item, const char *why)
{
    give_up(delivery, item, SPOOL_GIVEN_UP, why);
}

void delivery_note_unread(struct delivery *delivery, struct disk_trouble *trouble, struct spool_item *item,
                          int error, const struct fault *fault)
{
    if (error == -ENOENT)
        delivery_give_up(delivery, item, fault->text);
    else if (spool_is_unreadable(error) && ++item->unread >= READ_ATTEMPTS)
        give_up(delivery, item, SPOOL_REJECTED, fault->text);
    else
        delivery_note_disk(delivery, trouble, fault);
}

static void note_error(struct delivery *delivery, enum error_word word, const struct fault *fault)
{
    struct delivery_counts *counts = &delivery->counts;
    counts->word = words[word];
    (void)snprintf(counts->error, sizeof counts->error, "%.511s", fault->text);
}

void delivery_reject(struct delivery *delivery, struct spool_item *item, const struct fault *fault)
{
    report_say(&delivery->report, LOG_LEVEL_ERROR,
               "flow log %s: set aside in %s/rejected: %" PRIu64 " records from window %" PRIu64 " on: %s",
               delivery->flow_log_id, delivery->spool->folder, item->sum.records, item->window, fault->text);
    note_error(delivery, ERROR_UNKNOWN, fault);
    batch_sum_add(&delivery->counts.rejected, &item->sum);
    delivery->counts.items_rejected++;
    spool_decide(delivery->spool, item, SPOOL_REJECTED, fault->text);
}

void delivery_keep_bounds(struct delivery *delivery)
{
    uint64_t bytes = spool_bytes(delivery->spool);
    uint64_t now_s = clock_wall_ns() / NS_PER_S;
    for (size_t i = 0; i < delivery->spool->count; i++) {
        struct spool_item *item = &delivery->spool->items[i];
        bool too_many = bytes > delivery->max_bytes;
        if (item->fate != SPOOL_WAITING || item->busy)
            continue;
        if (!too_many && item->end + delivery->max_age_s >= now_s)
            return;
        bytes -= item->bytes;
        delivery_give_up(delivery, item,
                         too_many ? "the spool is full (spool.max-size)" : "older than spool.max-age");
    }
}

/* One attempt. */

static void count_refused(struct delivery_counts *counts, const struct outcome *outcome)
{
    for (size_t i = 0; i < REFUSALS; i++)
        counts->refused[i] += outcome->refused[i];
}

/*
 * What the destination refused of a batch is told by the next. Records that were refused for their age would
 * be refused again with the same time, so the gap bears that of the refusal.
 */
static void tell_refused(struct delivery *delivery, struct spool_item *item, const struct outcome *outcome)
{
    uint64_t interval = item->end - item->window, start = item->window;
    if (outcome->refused[REFUSAL_TOO_OLD] || outcome->refused[REFUSAL_EXPIRED] ||
        outcome->refused[REFUSAL_TOO_NEW]) {
        uint64_t now = clock_wall_ns() / NS_PER_S;
        start = now - now % interval;
    }
    spool_refuse(delivery->spool, item, outcome->refused_of, outcome->refused_of_count, start,
                 start + interval);
}

static void settle_delivered(struct delivery *delivery, struct spool_item *item,
                             const struct outcome *outcome)
{
    struct delivery_counts *counts = &delivery->counts;
    const struct batch_sum *rejected = &outcome->rejected;
    const struct batch_sum taken = {.records = item->sum.records - rejected->records,
                                    .packets = item->sum.packets - rejected->packets,
                                    .lost = item->sum.lost - rejected->lost};
    batch_sum_add(&counts->delivered, &taken);
    batch_sum_add(&counts->rejected, rejected);
    count_refused(counts, outcome);
    counts->deliveries++;
    counts->repeated += outcome->repeated;
    counts->delivered_ns = clock_wall_ns();
    memcpy(counts->last_object, outcome->object, sizeof counts->last_object);
    if (counts->error[0] && !rejected->records)
        report_say(&delivery->report, LOG_LEVEL_INFO, "flow log %s: delivered again", delivery->flow_log_id);
    note_error(delivery, outcome->word, &outcome->fault);
    backoff_reset(&delivery->backoff);
    delivery->attempt_ns = 0;
    if (rejected->records)
        tell_refused(delivery, item, outcome);
    spool_decide(delivery->spool, item, SPOOL_DELIVERED, NULL);
}

/* The destination's own wish, in monotonic time, within reason. */
static uint64_t wished_wait(const struct outcome *outcome)
{
    uint64_t now_ns = clock_wall_ns();
    uint64_t wait_ns = outcome->not_before_ns > now_ns ? outcome->not_before_ns - now_ns : 0;
    return wait_ns < NOT_BEFORE_MAX_NS ? wait_ns : NOT_BEFORE_MAX_NS;
}

static void settle_failed(struct delivery *delivery, const struct outcome *outcome)
{
    uint64_t wait_ns = backoff_next(&delivery->backoff);
    if (outcome->not_before_ns)
        wait_ns = wished_wait(outcome);
    if (delivery->flushing && wait_ns > FLUSH_BACKOFF_NS)
        wait_ns = FLUSH_BACKOFF_NS;
    delivery->attempt_ns = clock_monotonic_ns() + wait_ns;
    delivery->counts.failures++;
    if (strncmp(delivery->counts.error, outcome->fault.text, sizeof delivery->counts.error - 1) != 0)
        report_say(&delivery->report, LOG_LEVEL_WARNING, "flow log %s: %s; it is kept and tried again",
                   delivery->flow_log_id, outcome->fault.text);
    note_error(delivery, outcome->word == ERROR_NONE ? ERROR_UNKNOWN : outcome->word, &outcome->fault);
}

static void settle(struct delivery *delivery, struct spool_item *item, const struct outcome *outcome)
{
    switch (outcome->kind) {
    case OUTCOME_DELIVERED:
        settle_delivered(delivery, item, outcome);
        break;
    case OUTCOME_RETRY:
        if (!atomic_load(&delivery->cancelled))
            settle_failed(delivery, outcome);
        break;
    case OUTCOME_REJECTED:
        count_refused(&delivery->counts, outcome);
        delivery_reject(delivery, item, &outcome->fault);
        break;
    }
}

/* -EBADMSG: its bytes are not what they were. Of one that is verified the size alone tells. */
static int check_object(const char *path, const struct spool_item *item, struct fault *fault)
{
    struct stat found;
    uint8_t sha256[sizeof item->sha256];
    if (stat(path, &found) < 0)
        return fault_set(fault, -errno, "%s: cannot read: %s", path, strerror(errno));
    if ((uint64_t)found.st_size != item->bytes)
        return fault_set(fault, -EBADMSG, "%s: damaged: holds %lld bytes of %" PRIu64, path,
                         (long long)found.st_size, item->bytes);
    int r = item->verified ? 0 : object_digest(path, sha256, fault);
    if (r < 0 || item->verified || memcmp(sha256, item->sha256, sizeof sha256) == 0)
        return r;
    return fault_set(fault, -EBADMSG, "%s: damaged", path);
}

static int put_object(struct delivery *delivery, const struct spool_item *item, struct outcome *outcome,
                      struct fault *fault)
{
    char path[PATH_MAX];
    spool_item_path(delivery->spool, item, path);
    int r = check_object(path, item, fault);
    if (r < 0)
        return r;
    struct object_file object = {.key = item->key,
                                 .path = path,
                                 .content_type = item->content_type,
                                 .size = item->bytes,
                                 .records = item->sum.records};
    memcpy(object.sha256, item->sha256, sizeof object.sha256);
    delivery->driver->put(delivery->state, &object, &delivery->cancelled, outcome);
    return 0;
}

static int send_batch(struct delivery *delivery, const struct spool_item *item, struct outcome *outcome,
                      struct fault *fault)
{
    char path[PATH_MAX];
    struct batch batch;
    spool_item_path(delivery->spool, item, path);
    int r = batch_load(&batch, path, fault);
    if (r < 0)
        return r;
    if (delivery->progress_of != item->last)
        delivery->progress = 0;
    delivery->progress_of = item->last;
    delivery->driver->send(delivery->state, &batch, &delivery->progress, &delivery->cancelled, outcome);
    batch_done(&batch);
    return 0;
}

/* The item is busy, and its texts stay where they are. */
static void attempt(struct delivery *delivery, struct spool_item *waiting)
{
    struct outcome outcome = {0};
    struct fault fault = {0};
    waiting->busy = true;
    const struct spool_item item = *waiting;
    pthread_mutex_unlock(&delivery->lock);
    int r = item.kind == SPOOL_OBJECT ? put_object(delivery, &item, &outcome, &fault)
                                      : send_batch(delivery, &item, &outcome, &fault);
    if (r == -EBADMSG && item.kind == SPOOL_BATCH)
        delivery_salvage(delivery, item.last, &delivery->reading);
    pthread_mutex_lock(&delivery->lock);
    waiting = spool_find(delivery->spool, item.last, item.kind, item.part);
    waiting->busy = false;
    if (r == 0) {
        waiting->unread = 0;
        waiting->verified = outcome.kind != OUTCOME_RETRY; /* its bytes may be the reason */
        delivery->reading.told[0] = '\0';
        settle(delivery, waiting, &outcome);
    } else if (r == -EBADMSG && item.kind == SPOOL_OBJECT) {
        delivery_give_up(delivery, waiting, fault.text);
    } else if (r != -EBADMSG) {
        delivery_note_unread(delivery, &delivery->reading, waiting, r, &fault);
    }
    free(outcome.refused_of);
}

/* False when there is nothing to do before *ret_next_ns. */
static bool deliver_oldest(struct delivery *delivery, uint64_t *ret_next_ns)
{
    struct spool_item *oldest = spool_oldest(delivery->spool);
    if (!oldest || (oldest->kind == SPOOL_BATCH && !delivery->driver->send))
        return false;
    if (oldest->kind == SPOOL_OBJECT && !delivery->driver->put) {
        delivery_reject(
            delivery, oldest,
            &(struct fault){.text =
                                "it was made for a destination of objects, which the flow log has no more"});
        return true;
    }
    uint64_t due_ns =
        delivery->attempt_ns > delivery->reading.retry_ns ? delivery->attempt_ns : delivery->reading.retry_ns;
    if (clock_monotonic_ns() < due_ns) {
        *ret_next_ns = *ret_next_ns < due_ns ? *ret_next_ns : due_ns;
        return false;
    }
    attempt(delivery, oldest);
    return true;
}

static void sweep(struct delivery *delivery, uint64_t *ret_next_ns)
{
    struct fault fault = {0};
    struct disk_trouble *trouble = &delivery->sweeping;
    if (spool_sweep(delivery->spool, &fault)) {
        trouble->told[0] = '\0';
        return;
    }
    delivery_note_disk(delivery, trouble, &fault);
    *ret_next_ns = *ret_next_ns < trouble->retry_ns ? *ret_next_ns : trouble->retry_ns;
}

void *delivery_work(void *opaque)
{
    struct delivery *delivery = opaque;
    pthread_mutex_lock(&delivery->lock);
    while (!delivery->stopping) {
        uint64_t next_ns = clock_monotonic_ns() + AGE_CHECK_NS;
        delivery_keep_bounds(delivery);
        sweep(delivery, &next_ns);
        if (delivery_pack(delivery, &next_ns) || deliver_oldest(delivery, &next_ns))
            continue;
        const struct timespec until = {.tv_sec = (time_t)(next_ns / NS_PER_S),
                                       .tv_nsec = (long)(next_ns % NS_PER_S)};
        (void)pthread_cond_timedwait(&delivery->changed, &delivery->lock, &until);
    }
    sweep(delivery, &(uint64_t){0});
    pthread_mutex_unlock(&delivery->lock);
    return NULL;
}
