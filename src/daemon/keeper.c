/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define FIRST_ROUND_S 5 /* deliveries that were cut off come first */
#define ROUND_S 30
#define SHORT_ROUND_S 5 /* where hours are merged at once */
#define READER_PATIENCE_NS (2 * NS_PER_S)
#define NICENESS 19

struct keeper {
    pthread_t thread;
    atomic_bool cancelled; /* the round that is going on */

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    bool stopping;
    bool wanted; /* a flow log writes there */
    char *path;
    struct compact_settings settings;
    struct keeper_counts counts;
};

static void say(void *context, enum log_level level, const char *text)
{
    log_line(level, "store", "%s", text);
}

/* Whether the path is the folder or below it. */
static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    while (len > 1 && folder[len - 1] == '/')
        len--;
    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool is_wanted(const struct config *config)
{
    for (size_t i = 0; i < config->flow_log_count; i++) {
        const struct destination_text *place = &config->flow_logs[i].place;
        if (place->kind == DESTINATION_FILE && is_below(place->folder, config->store_path))
            return true;
    }
    return false;
}

/* The counts of a round, on top of those before. */
static void add_counts(struct compact_counts *sums, const struct compact_counts *round)
{
    sums->merged += round->merged;
    sums->made += round->made;
    sums->records += round->records;
    sums->removed += round->removed;
    sums->removed_bytes += round->removed_bytes;
    sums->failed += round->failed;
    sums->files = round->files + round->made - round->merged;
    sums->bytes = round->bytes;
    sums->waiting = round->waiting;
}

static int keep(const char *path, bool wanted, const struct compact_settings *settings,
                struct compact_counts *ret, struct fault *fault)
{
    AUTO_UPKEEP struct upkeep upkeep = {.lock = -1};
    if (!wanted && !dataset_is_store(path))
        return 0;
    int r = upkeep_open(&upkeep, path, false, fault);
    if (r == -EBUSY) /* a command does it */
        return 0;
    return r < 0 ? r : compact_store(&upkeep, settings, ret, fault);
}

static void note_round(struct keeper *keeper, int error, const struct compact_counts *round,
                       const struct fault *fault)
{
    keeper->counts.rounds++;
    if (error == 0)
        add_counts(&keeper->counts.sums, round);
    if (error < 0 && strncmp(keeper->counts.error, fault->text, sizeof keeper->counts.error - 1) != 0)
        log_warning("store", "%s; the store is as it was, and tried again", fault->text);
    (void)snprintf(keeper->counts.error, sizeof keeper->counts.error, "%.*s",
                   (int)sizeof keeper->counts.error - 1, error < 0 ? fault->text : "");
    if (round->made)
        log_info("store", "%llu files merged into %llu", (unsigned long long)round->merged,
                 (unsigned long long)round->made);
    if (round->removed)
        log_info("store", "%llu files with %llu bytes removed, by age or size",
                 (unsigned long long)round->removed, (unsigned long long)round->removed_bytes);
}

/* With the lock held; let go of meanwhile. */
static void run_round(struct keeper *keeper)
{
    struct compact_counts round = {0};
    struct fault fault = {0};
    struct compact_settings settings = keeper->settings;
    bool wanted = keeper->wanted;
    AUTO_FREE char *path = strdup(keeper->path);
    pthread_mutex_unlock(&keeper->lock);
    settings.now_s = clock_wall_ns() / NS_PER_S;
    int r =
        path ? keep(path, wanted, &settings, &round, &fault) : fault_set(&fault, -ENOMEM, "out of memory");
    pthread_mutex_lock(&keeper->lock);
    note_round(keeper, r, &round, &fault);
}

static void wait_seconds(struct keeper *keeper, unsigned seconds)
{
    uint64_t until_ns = clock_monotonic_ns() + seconds * NS_PER_S;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                   .tv_nsec = (long)(until_ns % NS_PER_S)};
    int r = 0;
    while (!keeper->stopping && r != ETIMEDOUT)
        r = pthread_cond_timedwait(&keeper->changed, &keeper->lock, &until);
}

static void *keep_going(void *opaque)
{
    struct keeper *keeper = opaque;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* of this thread alone, on Linux */
    pthread_mutex_lock(&keeper->lock);
    wait_seconds(keeper, FIRST_ROUND_S);
    while (!keeper->stopping) {
        run_round(keeper);
        wait_seconds(keeper, keeper->settings.delay_s < ROUND_S ? SHORT_ROUND_S : ROUND_S);
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

/* -ENOMEM leaves all as it was. */
static int configure(struct keeper *keeper, const struct config *config)
{
    char *path = strdup(config->store_path);
    if (!path)
        return -ENOMEM;
    if (keeper->path && strcmp(keeper->path, path) != 0)
        keeper->counts = (struct keeper_counts){0};
    free(keeper->path);
    keeper->path = path;
    keeper->wanted = is_wanted(config);
    keeper->settings = (struct compact_settings){.delay_s = config->store.compact_after,
                                                 .retain_s = config->store.retain,
                                                 .max_bytes = config->store.max_size,
                                                 .patience_ns = READER_PATIENCE_NS,
                                                 .cancelled = &keeper->cancelled,
                                                 .report = {.say = say}};
    return 0;
}

static void keeper_free(struct keeper *keeper)
{
    (void)pthread_mutex_destroy(&keeper->lock);
    (void)pthread_cond_destroy(&keeper->changed);
    free(keeper->path);
    free(keeper);
}

/* So that readers lock what they go by from the first file on. */
static void make_store(const struct keeper *keeper)
{
    struct fault fault = {0};
    if (keeper->wanted && upkeep_make_store(keeper->path, &fault) < 0)
        log_warning("store", "%s; tried again", fault.text);
}

int keeper_open(struct keeper **ret, const struct config *config, struct fault *fault)
{
    pthread_condattr_t monotonic;
    struct keeper *keeper = calloc(1, sizeof *keeper);
    if (!keeper)
        return fault_set(fault, -ENOMEM, "out of memory");
    (void)pthread_mutex_init(&keeper->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&keeper->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    int r = configure(keeper, config);
    if (r == 0) {
        make_store(keeper);
        r = -pthread_create(&keeper->thread, NULL, keep_going, keeper);
    }
    if (r < 0) {
        keeper_free(keeper);
        return fault_set(fault, r, "cannot start the store's thread: %s", strerror(-r));
    }
    *ret = keeper;
    return 0;
}

void keeper_configure(struct keeper *keeper, const struct config *config)
{
    pthread_mutex_lock(&keeper->lock);
    if (configure(keeper, config) == 0)
        make_store(keeper);
    else
        log_error("store", "out of memory: its settings stay as they were");
    pthread_mutex_unlock(&keeper->lock);
}

void keeper_counts(struct keeper *keeper, struct keeper_counts *ret)
{
    *ret = (struct keeper_counts){0};
    if (!keeper)
        return;
    pthread_mutex_lock(&keeper->lock);
    *ret = keeper->counts;
    pthread_mutex_unlock(&keeper->lock);
}

void keeper_close(struct keeper *keeper)
{
    if (!keeper)
        return;
    atomic_store(&keeper->cancelled, true);
    pthread_mutex_lock(&keeper->lock);
    keeper->stopping = true;
    (void)pthread_cond_signal(&keeper->changed);
    pthread_mutex_unlock(&keeper->lock);
    (void)pthread_join(keeper->thread, NULL);
    keeper_free(keeper);
}
