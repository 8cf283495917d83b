/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/delivery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/macro.h"
#include "deliver/delivery_state.h"
#include "deliver/skipdata.h"

/* Of a worker, whose largest array has 64 KiB. A thousand times the usual 8 MiB is more address space than
 * some hosts let a process have. */
#define STACK_BYTES (1024UL * 1024)

static void free_all(struct delivery *delivery)
{
    if (delivery->state)
        delivery->driver->close(delivery->state);
    spool_close(delivery->spool);
    (void)pthread_mutex_destroy(&delivery->lock);
    (void)pthread_cond_destroy(&delivery->changed);
    free(delivery->flow_log_id);
    free(delivery->account);
    free(delivery->region);
    free(delivery);
}

static int copy_settings(struct delivery *delivery, const struct delivery_settings *settings)
{
    const struct destination_settings *destination = &settings->destination;
    delivery->flow_log_id = strdup(destination->flow_log_id);
    delivery->account = strdup(destination->account);
    delivery->region = strdup(destination->region);
    if (!delivery->flow_log_id || !delivery->account || !delivery->region)
        return -ENOMEM;
    delivery->objects = (struct object_settings){.file_format = destination->file_format,
                                                 .codec = destination->codec,
                                                 .full_bytes = OBJECT_FULL_BYTES,
                                                 .layout = {.account = delivery->account,
                                                            .region = delivery->region,
                                                            .flow_log_id = delivery->flow_log_id,
                                                            .hive = destination->hive,
                                                            .hourly = destination->hourly,
                                                            .origin = destination->origin}};
    delivery->publish_interval_s = settings->publish_interval_s;
    delivery->max_bytes = settings->spool_max_bytes;
    delivery->max_age_s = settings->spool_max_age_s;
    delivery->report = settings->report;
    return 0;
}

static struct delivery *make(const struct delivery_settings *settings)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);
    pthread_condattr_t monotonic;
    if (!delivery)
        return NULL;
    delivery->driver = destination_driver(settings->destination.kind);
    delivery->backoff =
        (struct backoff){.random = clock_wall_ns() | 1, .max_s = delivery->driver->backoff_max_s};
    (void)pthread_mutex_init(&delivery->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&delivery->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return delivery;
}

static int start_worker(struct delivery *delivery, struct fault *fault)
{
    pthread_attr_t small;
    (void)pthread_attr_init(&small);
    (void)pthread_attr_setstacksize(&small, STACK_BYTES);
    int r = -pthread_create(&delivery->thread, &small, delivery_work, delivery);
    (void)pthread_attr_destroy(&small);
    return r < 0 ? fault_set(fault, r, "cannot start a thread: %s", strerror(-r)) : 0;
}

int delivery_open(struct delivery **ret, const struct delivery_settings *settings, struct fault *fault)
{
    struct delivery *delivery = make(settings);
    if (!delivery)
        return fault_set(fault, -ENOMEM, "out of memory");
    int r = copy_settings(delivery, settings);
    if (r < 0)
        (void)fault_set(fault, r, "out of memory");
    if (r == 0)
        r = spool_open(&delivery->spool, settings->spool_folder, &delivery->report, fault);
    if (r == 0)
        r = delivery->driver->open(&delivery->state, &settings->destination, fault);
    if (r == 0) {
        delivery->counts.taken = spool_sum(delivery->spool);
        delivery->counts.word = error_word_text(ERROR_NONE);
        r = start_worker(delivery, fault);
    }
    if (r < 0)
        free_all(delivery);
    else
        *ret = delivery;
    return r;
}

uint64_t delivery_accepted(const struct delivery *delivery)
{
    return delivery->spool->accepted; /* changed by this thread alone */
}

/* The head's interfaces, and behind them one for each gap. */
static int add_gaps(struct batch_head *whole, const struct batch_head *head, const struct gaps *gaps)
{
    struct batch_interface *interfaces = calloc(head->interface_count + gaps->count + 1, sizeof *interfaces);
    if (!interfaces)
        return -ENOMEM;
    memcpy(interfaces, head->interfaces, head->interface_count * sizeof *interfaces);
    for (size_t i = 0; i < gaps->count; i++)
        interfaces[head->interface_count + i].identity = gaps->list[i].identity;
    *whole = *head;
    whole->interfaces = interfaces;
    whole->interface_count = head->interface_count + (uint32_t)gaps->count;
    whole->tells = gaps->last_number;
    return 0;
}

static int open_writer(struct delivery *delivery, const struct batch_head *head, const struct gaps *gaps,
                       struct batch_writer **ret, struct fault *fault)
{
    char path[PATH_MAX];
    struct batch_writer *writer = NULL;
    spool_batch_path(delivery->spool, head->sequence, path);
    int r = batch_writer_open(&writer, path, head, fault);
    for (size_t i = 0; r == 0 && i < gaps->count; i++) {
        const struct gap *gap = &gaps->list[i];
        uint32_t interface = head->interface_count - (uint32_t)gaps->count + (uint32_t)i;
        r = skipdata_add(writer, interface, gap->start, gap->end, gap->packets, LOST_UNDELIVERED, fault);
    }
    if (r < 0)
        batch_writer_abandon(writer);
    else
        *ret = writer;
    return r;
}

int delivery_begin(struct delivery *delivery, const struct batch_head *head, struct batch_writer **ret,
                   struct fault *fault)
{
    struct gaps gaps = {0};
    struct batch_head whole = {0};
    pthread_mutex_lock(&delivery->lock);
    int r = head->sequence <= delivery->spool->accepted ? -EALREADY : 0;
    if (r == 0) {
        delivery->spool->gaps.being_told = delivery->spool->gaps.last_number;
        r = gaps_copy_after(&gaps, &delivery->spool->gaps, 0);
    }
    pthread_mutex_unlock(&delivery->lock);
    if (r == 0)
        r = add_gaps(&whole, head, &gaps);
    if (r < 0)
        (void)fault_set(fault, r, r == -EALREADY ? "taken before" : "out of memory");
    if (r == 0)
        r = open_writer(delivery, &whole, &gaps, ret, fault);
    free(whole.interfaces);
    gaps_done(&gaps);
    return r;
}

int delivery_commit(struct delivery *delivery, struct batch_writer *writer, struct fault *fault)
{
    struct batch_sum sum = batch_head_sum(batch_writer_head(writer));
    if (sum.records == 0) {
        batch_writer_abandon(writer);
        return 0;
    }
    uint64_t bytes = 0;
    struct batch_head head = *batch_writer_head(writer);
    head.flow_log_id = head.format_text = NULL; /* freed with the writer; the numbers stay */
    head.interfaces = NULL;
    int r = batch_writer_commit(writer, &sum, &bytes, fault);
    if (r < 0)
        return r;
    pthread_mutex_lock(&delivery->lock);
    r = spool_add_batch(delivery->spool, &head, &sum, bytes, fault);
    if (r == 0) {
        batch_sum_add(&delivery->counts.taken, &sum);
        delivery_keep_bounds(delivery);
        (void)pthread_cond_signal(&delivery->changed);
    }
    pthread_mutex_unlock(&delivery->lock);
    return r;
}

void delivery_lose(struct delivery *delivery, const struct batch_head *head, const char *why)
{
    struct batch_sum sum = batch_head_sum(head);
    pthread_mutex_lock(&delivery->lock);
    report_say(&delivery->report, LOG_LEVEL_ERROR,
               "flow log %s: given up: %" PRIu64 " records of window %" PRIu64 ", %" PRIu64 " packets: %s",
               delivery->flow_log_id, sum.records, head->window, sum.packets, why);
    batch_sum_add(&delivery->counts.taken, &sum);
    batch_sum_add(&delivery->counts.given_up, &sum);
    delivery->counts.items_given_up++;
    spool_lose(delivery->spool, head);
    (void)pthread_cond_signal(&delivery->changed);
    pthread_mutex_unlock(&delivery->lock);
}

/* While the destination itself has no error: what the spool's disk is in. */
static void tell_trouble(const struct delivery *delivery, struct delivery_counts *ret)
{
    const struct disk_trouble *const troubles[] = {&delivery->packing, &delivery->reading,
                                                   &delivery->sweeping};
    for (size_t i = 0; i < ARRAY_SIZE(troubles) && !ret->word[0]; i++) {
        if (!troubles[i]->told[0])
            continue;
        ret->word = error_word_text(ERROR_UNKNOWN);
        (void)snprintf(ret->error, sizeof ret->error, "%s", troubles[i]->told);
    }
}

void delivery_counts(struct delivery *delivery, struct delivery_counts *ret)
{
    pthread_mutex_lock(&delivery->lock);
    struct spool_item *oldest = spool_oldest(delivery->spool);
    *ret = delivery->counts;
    ret->waiting = spool_sum(delivery->spool);
    ret->spool_bytes = spool_bytes(delivery->spool);
    ret->items = delivery->spool->count;
    ret->unreadable += delivery->spool->unreadable;
    ret->oldest = oldest ? oldest->window : 0;
    tell_trouble(delivery, ret);
    pthread_mutex_unlock(&delivery->lock);
}

void delivery_flush(struct delivery *delivery)
{
    pthread_mutex_lock(&delivery->lock);
    delivery->flushing = true;
    delivery->attempt_ns = 0;
    (void)pthread_cond_signal(&delivery->changed);
    pthread_mutex_unlock(&delivery->lock);
}

bool delivery_is_done(struct delivery *delivery)
{
    pthread_mutex_lock(&delivery->lock);
    bool done = delivery->spool->count == 0;
    pthread_mutex_unlock(&delivery->lock);
    return done;
}

void delivery_cancel(struct delivery *delivery)
{
    atomic_store(&delivery->cancelled, true);
    pthread_mutex_lock(&delivery->lock);
    delivery->stopping = true;
    (void)pthread_cond_signal(&delivery->changed);
    pthread_mutex_unlock(&delivery->lock);
}

int delivery_close(struct delivery *delivery, uint64_t deadline_ns)
{
    if (!delivery)
        return 0;
    delivery_cancel(delivery);
    const struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / NS_PER_S),
                                      .tv_nsec = (long)(deadline_ns % NS_PER_S)};
    int r = -pthread_clockjoin_np(delivery->thread, NULL, CLOCK_MONOTONIC, &deadline);
    if (r < 0)
        return -ETIMEDOUT;
    free_all(delivery);
    return 0;
}
