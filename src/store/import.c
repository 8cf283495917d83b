/* SPDX-License-Identifier: Apache-2.0 */
#include "store/import.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "parquet/files.h"
#include "store/import_unit.h"
#include "store/source_list.h"
#include "store/upkeep.h"

#define THREADS_MAX 64
#define UNIT_BYTES (64UL << 20) /* of inputs that go together, and how many at most */
#define UNIT_INPUTS 256
#define MEMORY_BYTES (96UL << 20) /* of rows that wait, for each thread */
#define WRITERS 2
#define ACCOUNT_LEN 12
#define CHUNK_LEN (1UL << 20)
#define PROGRESS_EVERY 8192 /* records */

struct import {
    struct import_options options;
    const struct sources *sources; /* borrowed */
    struct import_journal *journal;
    pthread_t threads[THREADS_MAX];
    unsigned thread_count;

    pthread_mutex_t lock; /* of all below, of the journal and of the callbacks */
    pthread_cond_t changed;
    size_t next; /* input */
    unsigned running;
    struct import_counts counts;
    uint64_t pending_records; /* read and not in the store yet */
    uint64_t pending_bytes;
    int error; /* what ends all of it */
    struct fault fault;
};

/* An input on its way. */
struct item {
    const struct source_file *file; /* of the sources */
    struct import_entry entry;
    struct partition_origin origin;
    bool failed;
    bool told; /* its bad lines, when its unit is gone through again */
};

/* What a thread is at. */
struct work {
    struct import *import;
    struct item items[UNIT_INPUTS];
    size_t count;
    const struct item *current;
    FILE *rejects;         /* of the unit; NULL: none */
    uint64_t told_records; /* of the unit, in pending_records */
    uint64_t told_bytes;
};

static bool is_ended(const struct import *import)
{
    return import->error < 0 || (import->options.cancelled && atomic_load(import->options.cancelled));
}

/* All bytes. The same records packed in another way are another input. */
static int hash_file(const struct source_file *file, struct source_identity *ret, struct fault *fault)
{
    AUTO_FREE char *chunk = malloc(CHUNK_LEN);
    AUTO_CLOSE int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    XXH3_state_t *state = chunk ? XXH3_createState() : NULL;
    ssize_t got = 0;
    if (!state)
        return fault_set(fault, -ENOMEM, "out of memory");
    if (fd < 0) {
        (void)XXH3_freeState(state);
        return fault_set(fault, -errno, "%s: cannot open: %s", file->name, strerror(errno));
    }
    (void)XXH3_128bits_reset(state);
    while ((got = read(fd, chunk, CHUNK_LEN)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            (void)XXH3_128bits_update(state, chunk, (size_t)got);
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    (void)XXH3_freeState(state);
    *ret = (struct source_identity){.high = hash.high64, .low = hash.low64};
    return got < 0 ? fault_set(fault, -errno, "%s: cannot read: %s", file->name, strerror(errno)) : 0;
}

/* Events that say the same are different ones all the same. */
static int identify(const struct source_file *file, struct source_identity *ret, struct fault *fault)
{
    if (!file->is_events)
        return hash_file(file, ret, fault);
    *ret = (struct source_identity){0};
    source_identity_mix(ret, file->called, file->called_count * sizeof *file->called);
    return 0;
}

static void tell(struct import *import, const char *line)
{
    pthread_mutex_lock(&import->lock);
    import->options.tell(import->options.userdata, line);
    pthread_mutex_unlock(&import->lock);
}

static void report_bad_line(void *userdata, const char *path, uint64_t line, const char *reason)
{
    struct work *work = userdata;
    struct import *import = work->import;
    work->items[work->current - work->items].entry.bad_lines++;
    if (work->current->told)
        return;
    pthread_mutex_lock(&import->lock);
    import->options.bad_line(import->options.userdata, work->current->file->name, line, reason);
    pthread_mutex_unlock(&import->lock);
}

/* What cannot be kept is told when the unit is in the store. */
static void keep_bad_text(void *userdata, const char *text, size_t len)
{
    struct work *work = userdata;
    if (!work->import->options.rejects)
        return;
    if (!work->rejects)
        work->rejects = tmpfile();
    if (work->rejects)
        (void)fwrite(text, 1, len, work->rejects);
}

static void tell_progress(struct work *work, uint64_t records, uint64_t bytes)
{
    struct import *import = work->import;
    pthread_mutex_lock(&import->lock);
    import->pending_records += records - work->told_records;
    import->pending_bytes += bytes - work->told_bytes;
    pthread_mutex_unlock(&import->lock);
    work->told_records = records;
    work->told_bytes = bytes;
}

/* Records of the unit before this input, and its bytes. */
static void progress_of(const struct work *work, const struct item *item, uint64_t *records, uint64_t *bytes)
{
    *records = 0;
    *bytes = 0;
    for (const struct item *before = work->items; before < item; before++) {
        *records += before->entry.records;
        *bytes += before->file->size;
    }
}

static int take_records(struct work *work, struct item *item, struct input *input,
                        struct partitions *partitions, struct fault *fault)
{
    const struct record *record;
    uint64_t records;
    uint64_t bytes;
    int r;
    progress_of(work, item, &records, &bytes);
    while ((r = input_next(input, &record, fault)) > 0) {
        int added = partitions_add(partitions, &item->origin, input_format(input), record, fault);
        if (added == -ERANGE)
            report_bad_line(work, item->file->name, input_counts(input).records, fault->text);
        else if (added < 0)
            return added;
        else if (++item->entry.records % PROGRESS_EVERY == 0) {
            tell_progress(work, records + item->entry.records, bytes + input_counts(input).bytes);
            if (is_ended(work->import))
                return fault_set(fault, -ECANCELED, "stopped");
        }
    }
    item->failed = r < 0;
    if (r == 0)
        tell_progress(work, records + item->entry.records, bytes + item->file->size);
    return r;
}

/* With item->failed the input is at fault, else everything. */
static int take_input(struct work *work, struct item *item, struct partitions *partitions,
                      struct fault *fault)
{
    const struct input_options options = {.format = work->import->options.format,
                                          .userdata = work,
                                          .bad_line = report_bad_line,
                                          .bad_text = keep_bad_text};
    struct input *input;
    work->current = item;
    item->entry.records = item->entry.bad_lines = 0;
    int r = files_open_input(&input, item->file->path, &options, fault);
    if (r < 0) {
        item->failed = r != -ELIBACC && r != -ENOMEM;
        return r;
    }
    r = take_records(work, item, input, partitions, fault);
    item->told = true;
    input_free(input);
    return r;
}

static int hand_over_rejects(struct work *work, struct fault *fault)
{
    const struct import_options *options = &work->import->options;
    AUTO_FREE char *chunk = malloc(CHUNK_LEN);
    size_t got;
    if (!work->rejects)
        return 0;
    if (!chunk || ferror(work->rejects) || fflush(work->rejects) != 0)
        return fault_set(fault, -EIO, "bad lines cannot be kept in a temporary file");
    rewind(work->rejects);
    while ((got = fread(chunk, 1, CHUNK_LEN, work->rejects)) > 0)
        options->rejects(options->userdata, chunk, got);
    return 0;
}

static void drop_rejects(struct work *work)
{
    if (work->rejects)
        (void)fclose(TAKE(work->rejects));
}

/* With the lock held. */
static int commit(struct work *work, const struct import_unit *unit, const struct partition_file *files,
                  size_t file_count, struct fault *fault)
{
    struct import *import = work->import;
    AUTO_FREE struct import_entry *entries = calloc(work->count + 1, sizeof *entries);
    if (!entries)
        return fault_set(fault, -ENOMEM, "out of memory");
    for (size_t i = 0; i < work->count; i++)
        entries[i] = work->items[i].entry;
    int r = hand_over_rejects(work, fault);
    if (r == 0)
        r = import_unit_commit(unit, import->options.store, import->journal, entries, work->count, files,
                               file_count, fault);
    if (r < 0)
        return r;
    for (size_t i = 0; i < work->count; i++) {
        import->counts.records += entries[i].records;
        import->counts.bad_lines += entries[i].bad_lines;
        import->counts.bytes += work->items[i].file->size;
    }
    import->counts.imported += work->count;
    import->counts.files += file_count;
    return 0;
}

/* 0 when it is in the store; the place of an input that is at fault, from 1; or an error. */
static int try_unit(struct work *work, const struct import_unit *unit, struct fault *fault)
{
    const struct partitions_options options = {
        .folder = unit->folder, .id = unit->id, .memory_bytes = MEMORY_BYTES, .writers_max = WRITERS};
    struct partitions *partitions;
    const struct partition_file *files;
    size_t file_count;
    int r = partitions_new(&partitions, &options, fault);
    if (r < 0)
        return r;
    int failed = 0;
    for (size_t i = 0; r == 0 && i < work->count; i++) {
        r = take_input(work, &work->items[i], partitions, fault);
        failed = r < 0 && work->items[i].failed ? (int)i + 1 : 0;
    }
    if (r == 0)
        r = partitions_finish(partitions, &files, &file_count, fault);
    if (r == 0) {
        pthread_mutex_lock(&work->import->lock);
        r = commit(work, unit, files, file_count, fault);
        pthread_mutex_unlock(&work->import->lock);
    }
    partitions_free(partitions);
    drop_rejects(work);
    tell_progress(work, 0, 0);
    return failed ? failed : r;
}

static void leave_out(struct work *work, size_t index, const struct fault *fault)
{
    struct import *import = work->import;
    struct fault line = *fault;
    const struct source_file *file = work->items[index].file;
    if (strncmp(line.text, file->name, strlen(file->name)) != 0)
        fault_prefix(&line, "%s", file->name);
    pthread_mutex_lock(&import->lock);
    import->counts.failed++;
    import->counts.bytes += file->size;
    import->options.tell(import->options.userdata, line.text);
    pthread_mutex_unlock(&import->lock);
    work->count--;
    memmove(&work->items[index], &work->items[index + 1], (work->count - index) * sizeof *work->items);
}

/* Without those that turn out to be unreadable. */
static int import_items(struct work *work, struct fault *fault)
{
    int r = 1;
    while (r > 0 && work->count > 0) {
        struct source_identity identities[UNIT_INPUTS];
        struct import_unit unit;
        for (size_t i = 0; i < work->count; i++)
            identities[i] = work->items[i].entry.identity;
        r = import_unit_begin(&unit, work->import->options.store, identities, work->count, fault);
        if (r < 0)
            return r;
        r = try_unit(work, &unit, fault);
        if (r != 0)
            import_unit_abandon(&unit);
        if (r > 0)
            leave_out(work, (size_t)r - 1, fault);
    }
    return r < 0 ? r : 0;
}

/* Accounts of AWS have twelve digits; any other name is not of its making. */
static void set_origin(struct item *item)
{
    const char *slash = strrchr(item->file->name, '/');
    struct layout_name *name = &item->origin.name;
    item->origin.named = layout_parse_name(slash ? slash + 1 : item->file->name, name) &&
                         strlen(name->account) == ACCOUNT_LEN &&
                         strspn(name->account, "0123456789") == ACCOUNT_LEN;
}

/* Known by its bytes: so that it is known by its service's name for it, too, when that was new. */
static int note_known(struct import *import, const struct item *item, struct fault *fault)
{
    import->counts.known++;
    import->counts.bytes += item->file->size;
    if (item->entry.also_count == 0 || !import_journal_is_written(import->journal, &item->entry.identity))
        return 0;
    return import_journal_append(import->journal, &item->entry, 1, fault);
}

/* Takes it unless it is known. */
static int take_item(struct work *work, const struct source_file *file, struct fault *fault)
{
    struct import *import = work->import;
    struct item *item = &work->items[work->count];
    bool is_new = false;
    *item = (struct item){
        .file = file, .entry = {.name = file->name, .also = file->called, .also_count = file->called_count}};
    int r = identify(file, &item->entry.identity, fault);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        work->count++;
        leave_out(work, work->count - 1, fault);
        return 0;
    }
    pthread_mutex_lock(&import->lock);
    r = import_journal_claim(import->journal, &item->entry.identity, &is_new);
    if (r == 0 && !is_new)
        r = note_known(import, item, fault);
    pthread_mutex_unlock(&import->lock);
    set_origin(item);
    work->count += is_new;
    return r == -ENOMEM ? fault_set(fault, r, "out of memory") : r;
}

/* The next inputs that go together: some, unless there are none. */
static size_t take_turn(struct import *import, size_t *ret_first)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&import->lock);
    size_t first = import->next;
    while (!is_ended(import) && import->next < sources_count(import->sources) &&
           import->next - first < UNIT_INPUTS && (import->next == first || bytes < UNIT_BYTES))
        bytes += sources_at(import->sources, import->next++)->size;
    size_t count = import->next - first;
    import->counts.inputs += count;
    pthread_mutex_unlock(&import->lock);
    *ret_first = first;
    return count;
}

static void stop(struct import *import, int error, const struct fault *fault)
{
    pthread_mutex_lock(&import->lock);
    if (import->error == 0 && error != -ECANCELED) {
        import->error = error;
        import->fault = *fault;
    }
    pthread_mutex_unlock(&import->lock);
}

static void *run_thread(void *opaque)
{
    struct work *work = opaque;
    struct import *import = work->import;
    struct fault fault = {0};
    size_t first;
    size_t count;
    int r = 0;
    while (r == 0 && (count = take_turn(import, &first)) > 0) {
        work->count = 0;
        for (size_t i = 0; r == 0 && i < count; i++)
            r = take_item(work, sources_at(import->sources, first + i), &fault);
        if (r == 0)
            r = import_items(work, &fault);
    }
    if (r < 0)
        stop(import, r, &fault);
    pthread_mutex_lock(&import->lock);
    import->running--;
    (void)pthread_cond_signal(&import->changed);
    pthread_mutex_unlock(&import->lock);
    free(work);
    return NULL;
}

static int start_threads(struct import *import, struct fault *fault)
{
    unsigned wanted = import->options.threads < THREADS_MAX ? import->options.threads : THREADS_MAX;
    for (unsigned i = 0; i < wanted; i++) {
        struct work *work = calloc(1, sizeof *work);
        int r = work ? 0 : -ENOMEM;
        if (r == 0) {
            work->import = import;
            import->running++;
            r = -pthread_create(&import->threads[i], NULL, run_thread, work);
        }
        if (r < 0) {
            import->running -= work != NULL;
            free(work);
            return fault_set(fault, r, "no thread can be started: %s", strerror(-r));
        }
        import->thread_count++;
    }
    return 0;
}

static void tell_waiting(void *userdata)
{
    tell(userdata, "another import into this store is under way; waiting for it");
}

static int begin(struct import *import, struct fault *fault)
{
    const struct import_options *options = &import->options;
    int r = upkeep_make_store(options->store, fault);
    if (r == 0)
        r = import_journal_open(&import->journal, options->store, tell_waiting, import, fault);
    if (r == 0)
        r = import_unit_recover(options->store, import->journal, fault);
    return r;
}

static void import_free(struct import *import)
{
    import_journal_close(import->journal);
    (void)pthread_mutex_destroy(&import->lock);
    (void)pthread_cond_destroy(&import->changed);
    free(import);
}

int import_open(struct import **ret, const struct import_options *options, struct fault *fault)
{
    pthread_condattr_t monotonic;
    struct import *import = calloc(1, sizeof *import);
    if (!import)
        return fault_set(fault, -ENOMEM, "out of memory");
    import->options = *options;
    (void)pthread_mutex_init(&import->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&import->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    int r = begin(import, fault);
    if (r < 0) {
        import_free(import);
        return r;
    }
    *ret = import;
    return 0;
}

bool import_is_known(struct import *import, const struct source_identity *identity)
{
    bool known = import_journal_has(import->journal, identity);
    import->counts.inputs += known;
    import->counts.known += known;
    return known;
}

int import_start(struct import *import, const struct sources *sources, struct fault *fault)
{
    import->sources = sources;
    for (size_t i = 0; i < sources_count(sources); i++)
        import->counts.bytes_total += sources_at(sources, i)->size;
    pthread_mutex_lock(&import->lock);
    int r = start_threads(import, fault);
    pthread_mutex_unlock(&import->lock);
    if (r < 0)
        stop(import, r, fault);
    return r;
}

bool import_wait(struct import *import, uint64_t timeout_ns)
{
    uint64_t until_ns = clock_monotonic_ns() + timeout_ns;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                   .tv_nsec = (long)(until_ns % NS_PER_S)};
    int r = 0;
    pthread_mutex_lock(&import->lock);
    while (import->running > 0 && r != ETIMEDOUT)
        r = pthread_cond_timedwait(&import->changed, &import->lock, &until);
    bool done = import->running == 0;
    pthread_mutex_unlock(&import->lock);
    return done;
}

void import_progress(struct import *import, struct import_counts *ret)
{
    pthread_mutex_lock(&import->lock);
    *ret = import->counts;
    ret->records += import->pending_records;
    ret->bytes += import->pending_bytes;
    pthread_mutex_unlock(&import->lock);
}

int import_close(struct import *import, struct import_counts *ret, struct fault *fault)
{
    for (unsigned i = 0; i < import->thread_count; i++)
        (void)pthread_join(import->threads[i], NULL);
    *ret = import->counts;
    int r = import->error;
    if (r < 0)
        *fault = import->fault;
    import_free(import);
    return r;
}
