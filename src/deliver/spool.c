/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/spool.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "deliver/account.h"
#include "deliver/document.h"
#include "deliver/spool_files.h"

void spool_item_done(struct spool_item *item)
{
    free(item->key);
    free(item->content_type);
    free(item->interfaces);
    free(item->reason);
    item->reason = NULL;
    item->key = NULL;
    item->content_type = NULL;
    item->interfaces = NULL;
}

void spool_close(struct spool *spool)
{
    if (!spool)
        return;
    for (size_t i = 0; i < spool->count; i++)
        spool_item_done(&spool->items[i]);
    free(spool->items);
    gaps_done(&spool->gaps);
    free(spool);
}

void spool_batch_path(const struct spool *spool, uint64_t sequence, char ret[static PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%.*s/%016" PRIx64 ".batch", PATH_MAX - 64, spool->folder, sequence);
}

void spool_pack_path(const struct spool *spool, uint64_t last, char ret[static PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%.*s/%016" PRIx64 ".pack", PATH_MAX - 64, spool->folder, last);
}

void spool_state_path(const struct spool *spool, char ret[static PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%.*s/state", PATH_MAX - 64, spool->folder);
}

void spool_item_path(const struct spool *spool, const struct spool_item *item, char ret[static PATH_MAX])
{
    if (item->kind == SPOOL_BATCH)
        spool_batch_path(spool, item->last, ret);
    else
        (void)snprintf(ret, PATH_MAX, "%.*s/%016" PRIx64 "-%08" PRIx32 ".object", PATH_MAX - 64,
                       spool->folder, item->last, item->part);
}

bool spool_is_unreadable(int error)
{
    return error == -EIO || error == -EUCLEAN;
}

static bool comes_before(const struct spool_item *a, const struct spool_item *b)
{
    return a->last != b->last ? a->last < b->last : a->part < b->part;
}

int spool_reserve(struct spool *spool, size_t more)
{
    if (spool->count + more <= spool->capacity)
        return 0;
    size_t capacity = 2 * (spool->count + more);
    struct spool_item *items = reallocarray(spool->items, capacity, sizeof *items);
    if (!items)
        return -ENOMEM;
    spool->items = items;
    spool->capacity = capacity;
    return 0;
}

void spool_insert(struct spool *spool, const struct spool_item *item)
{
    size_t at = spool->count;
    while (at > 0 && comes_before(item, &spool->items[at - 1]))
        at--;
    memmove(&spool->items[at + 1], &spool->items[at], (spool->count - at) * sizeof *item);
    spool->items[at] = *item;
    spool->count++;
}

struct spool_item *spool_oldest(struct spool *spool)
{
    for (size_t i = 0; i < spool->count; i++)
        if (spool->items[i].fate == SPOOL_WAITING)
            return &spool->items[i];
    return NULL;
}

struct spool_item *spool_find(struct spool *spool, uint64_t last, enum spool_kind kind, uint32_t part)
{
    for (size_t i = 0; i < spool->count; i++) {
        struct spool_item *item = &spool->items[i];
        if (item->last == last && item->kind == kind && item->part == part)
            return item;
    }
    return NULL;
}

uint64_t spool_bytes(const struct spool *spool)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < spool->count; i++)
        if (spool->items[i].fate == SPOOL_WAITING)
            bytes += spool->items[i].bytes;
    return bytes;
}

struct batch_sum spool_sum(const struct spool *spool)
{
    struct batch_sum sum = {0};
    for (size_t i = 0; i < spool->count; i++)
        if (spool->items[i].fate == SPOOL_WAITING)
            batch_sum_add(&sum, &spool->items[i].sum);
    return sum;
}

/* Files that go as soon as the state is written; a process that starts in between removes them by this list.
 */
static json_t *print_decided(const struct spool *spool)
{
    json_t *list = json_array();
    for (size_t i = 0; i < spool->count; i++) {
        char path[PATH_MAX];
        const struct spool_item *item = &spool->items[i];
        if (item->fate != SPOOL_GIVEN_UP && item->fate != SPOOL_REJECTED && !item->has_gap)
            continue;
        spool_item_path(spool, item, path);
        json_array_append_new(list, json_pack("{s:s, s:b}", "file", strrchr(path, '/') + 1, "rejected",
                                              item->fate == SPOOL_REJECTED));
    }
    return list;
}

int spool_write_state(struct spool *spool, struct fault *fault)
{
    if (!spool->dirty)
        return 0;
    char path[PATH_MAX];
    spool_state_path(spool, path);
    json_t *json = json_pack("{s:o, s:o}", "gaps", gaps_print(&spool->gaps), "decided", print_decided(spool));
    account_print_number(json, "accepted", spool->accepted);
    account_print_number(json, "last-gap", spool->gaps.last_number);
    int r = document_write(path, DOCUMENT_SPOOL, json, fault);
    if (r < 0)
        return r;
    spool->accepted_noted = spool->accepted;
    spool->dirty = false;
    spool->told_behind = false;
    return 0;
}

/* The state without the gaps that a batch tells; until it is there, the batch's own note of them counts. */
static int forget_told(struct spool *spool, uint64_t tells, struct fault *fault)
{
    if (!spool->gaps.count || spool->gaps.list[0].number > tells)
        return 0;
    struct gaps before = spool->gaps;
    struct gaps after;
    if (gaps_copy_after(&after, &before, tells) < 0)
        return fault_set(fault, -ENOMEM, "out of memory");
    spool->gaps = after;
    spool->dirty = true;
    int r = spool_write_state(spool, fault);
    if (r < 0)
        spool->gaps = before;
    gaps_done(r < 0 ? &after : &before);
    return r;
}

int spool_add_batch(struct spool *spool, const struct batch_head *head, const struct batch_sum *sum,
                    uint64_t bytes, struct fault *fault)
{
    const struct spool_item item = {.kind = SPOOL_BATCH,
                                    .first = head->sequence,
                                    .last = head->sequence,
                                    .window = head->window,
                                    .end = head->window + head->interval,
                                    .bytes = bytes,
                                    .sum = *sum,
                                    .verified = true};
    int r = spool_reserve(spool, 1);
    if (r < 0)
        (void)fault_set(fault, r, "out of memory");
    else
        r = forget_told(spool, head->tells, fault);
    if (r < 0) {
        char path[PATH_MAX];
        spool_batch_path(spool, head->sequence, path);
        (void)unlink(path);
        return r;
    }
    spool_insert(spool, &item);
    if (head->sequence > spool->accepted)
        spool->accepted = head->sequence;
    return 0;
}

static void remove_item(struct spool *spool, size_t index)
{
    spool_item_done(&spool->items[index]);
    spool->count--;
    memmove(&spool->items[index], &spool->items[index + 1], (spool->count - index) * sizeof *spool->items);
}

static void remove_batches(struct spool *spool, uint64_t first, uint64_t last)
{
    for (size_t i = spool->count; i-- > 0;) {
        char path[PATH_MAX];
        const struct spool_item *item = &spool->items[i];
        if (item->kind != SPOOL_BATCH || item->last < first || item->last > last)
            continue;
        spool_item_path(spool, item, path);
        (void)unlink(path); /* one that stays is removed at the next start: the pack says so */
        remove_item(spool, i);
    }
}

int spool_add_pack(struct spool *spool, uint64_t first, uint64_t last, struct spool_item *objects,
                   size_t count, struct fault *fault)
{
    int r = spool_reserve(spool, count);
    if (r < 0)
        (void)fault_set(fault, r, "out of memory");
    else if (spool->told_behind)
        r = spool_write_state(spool, fault);
    if (r == 0)
        r = spool_write_pack(spool, first, last, objects, count, fault);
    if (r == 0)
        remove_batches(spool, first, last);
    for (size_t i = 0; i < count; i++) {
        free(TAKE(objects[i].interfaces));
        objects[i].interface_count = 0;
        if (r == 0) {
            spool_insert(spool, &objects[i]);
            continue;
        }
        char path[PATH_MAX];
        spool_item_path(spool, &objects[i], path);
        (void)unlink(path);
        spool_item_done(&objects[i]);
    }
    if (r < 0)
        spool_remove_pack(spool, last);
    return r;
}

void spool_update_batch(struct spool_item *item, const struct batch_sum *sum, uint64_t bytes)
{
    item->sum = *sum;
    item->bytes = bytes;
    item->verified = true;
}

/* From the item's file; of an object from its pack's. */
static int read_account(const struct spool *spool, const struct spool_item *item,
                        struct batch_interface **ret, uint32_t *ret_count, struct fault *fault)
{
    if (item->kind == SPOOL_BATCH) {
        char path[PATH_MAX];
        struct batch_head head;
        spool_item_path(spool, item, path);
        int r = batch_head_read(&head, path, fault);
        if (r < 0)
            return r;
        *ret = TAKE(head.interfaces);
        *ret_count = head.interface_count;
        batch_head_done(&head);
        return 0;
    }
    struct spool_item *objects = NULL;
    size_t count = 0;
    uint64_t first;
    int r = spool_read_pack(spool, item->last, &objects, &count, &first, fault);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (objects[i].part == item->part) {
            *ret = TAKE(objects[i].interfaces);
            *ret_count = objects[i].interface_count;
        }
        spool_item_done(&objects[i]);
    }
    free(objects);
    return r;
}

static void make_gap(struct spool *spool, const struct spool_item *item)
{
    AUTO_FREE struct batch_interface *interfaces = NULL;
    uint32_t count = 0;
    struct fault fault = {0};
    int r = read_account(spool, item, &interfaces, &count, &fault);
    if (r == 0 && gaps_add(&spool->gaps, interfaces, count, item->window, item->end) < 0)
        r = fault_set(&fault, -ENOMEM, "out of memory");
    if (r < 0)
        report_say(spool->report, LOG_LEVEL_ERROR,
                   "%" PRIu64 " packets are lost without a SKIPDATA record: %s",
                   item->sum.packets + item->sum.lost, fault.text);
}

void spool_refuse(struct spool *spool, struct spool_item *item, const struct batch_interface *interfaces,
                  uint32_t count, uint64_t start, uint64_t end)
{
    uint64_t before = gaps_packets(&spool->gaps);
    if (gaps_add(&spool->gaps, interfaces, count, start, end) < 0)
        report_say(spool->report, LOG_LEVEL_ERROR,
                   "out of memory: refused packets are lost without a SKIPDATA record");
    item->has_gap = gaps_packets(&spool->gaps) > before;
}

void spool_lose(struct spool *spool, const struct batch_head *head)
{
    if (gaps_add(&spool->gaps, head->interfaces, head->interface_count, head->window,
                 head->window + head->interval) < 0)
        report_say(spool->report, LOG_LEVEL_ERROR,
                   "out of memory: packets are lost without a SKIPDATA record");
    if (head->sequence > spool->accepted)
        spool->accepted = head->sequence;
    spool->dirty = true;
}

#define REJECTED_MAX (256UL << 20) /* bytes kept of what was set aside */

/* The oldest first: names begin with the sequence. */
static void prune_rejected(const char *folder)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, NULL, alphasort);
    uint64_t bytes = 0;
    for (int i = count - 1; i >= 0; i--) {
        char path[PATH_MAX];
        struct stat found;
        (void)snprintf(path, sizeof path, "%.*s/%.64s", PATH_MAX - 128, folder, names[i]->d_name);
        if (stat(path, &found) == 0 && S_ISREG(found.st_mode)) {
            bytes += (uint64_t)found.st_size;
            if (bytes > REJECTED_MAX)
                (void)unlink(path);
        }
        free(names[i]);
    }
    free(names);
}

int spool_set_aside(const struct spool *spool, const char *path, const char *reason)
{
    char to[PATH_MAX];
    char text[PATH_MAX];
    struct fault fault;
    (void)snprintf(to, sizeof to, "%.*s/rejected", PATH_MAX - 128, spool->folder);
    if (mkdir(to, 0750) < 0 && errno != EEXIST)
        return -errno;
    (void)snprintf(to, sizeof to, "%.*s/rejected/%.64s", PATH_MAX - 128, spool->folder,
                   strrchr(path, '/') + 1);
    (void)snprintf(text, sizeof text, "%.*s.reason", PATH_MAX - 16, to);
    if (reason)
        (void)!file_replace(text, reason, strlen(reason), &fault);
    if (rename(path, to) < 0)
        return -errno;
    file_sync_folder_of(path);
    *strrchr(to, '/') = '\0';
    prune_rejected(to);
    return 0;
}

static bool has_other(const struct spool *spool, const struct spool_item *item)
{
    for (size_t i = 0; i < spool->count; i++)
        if (&spool->items[i] != item && spool->items[i].last == item->last)
            return true;
    return false;
}

/* The file of the highest sequence is the proof that it was taken in, until `state` says so. */
static bool is_proof(const struct spool *spool, const struct spool_item *item)
{
    for (size_t i = 0; i < spool->count; i++)
        if (&spool->items[i] != item && spool->items[i].last >= item->last)
            return false;
    return item->last > spool->accepted_noted;
}

/* Whether `state` has to tell of the item, or what the item tells, before its file goes. */
static bool needs_state(const struct spool *spool, const struct spool_item *item)
{
    return item->fate != SPOOL_DELIVERED || item->has_gap || is_proof(spool, item) ||
           (item->kind == SPOOL_BATCH && spool->told_behind);
}

void spool_decide(struct spool *spool, struct spool_item *item, enum spool_fate fate, const char *reason)
{
    item->fate = fate;
    item->reason = reason ? strdup(reason) : NULL;
    if (fate != SPOOL_DELIVERED)
        make_gap(spool, item);
    if (needs_state(spool, item))
        spool->dirty = true;
}

static int remove_file(const struct spool *spool, const struct spool_item *item)
{
    char path[PATH_MAX];
    spool_item_path(spool, item, path);
    int r = 0;
    if (item->fate == SPOOL_REJECTED)
        r = spool_set_aside(spool, path, item->reason);
    else if (unlink(path) < 0)
        r = -errno;
    if (r == 0 && item->fate == SPOOL_GIVEN_UP)
        file_sync_folder_of(path);
    if (r < 0 && r != -ENOENT)
        return r;
    if (item->kind == SPOOL_OBJECT && !has_other(spool, item))
        spool_remove_pack(spool, item->last);
    return 0;
}

/* A pack proves without its objects: the bytes of one that was delivered may make the room that the state
 * needs.
 */
static void make_room(const struct spool *spool, const struct spool_item *item)
{
    char path[PATH_MAX];
    if (item->kind != SPOOL_OBJECT || item->fate != SPOOL_DELIVERED || item->has_gap)
        return;
    spool_item_path(spool, item, path);
    (void)unlink(path);
}

bool spool_sweep(struct spool *spool, struct fault *fault)
{
    bool noted = spool_write_state(spool, fault) == 0;
    bool done = noted;
    for (size_t i = spool->count; i-- > 0;) {
        const struct spool_item *item = &spool->items[i];
        if (item->fate == SPOOL_WAITING)
            continue;
        if (!noted && needs_state(spool, item)) {
            make_room(spool, item);
            continue;
        }
        int r = remove_file(spool, item);
        if (r == 0)
            remove_item(spool, i);
        else
            done = false;
        if (r < 0)
            (void)fault_set(fault, r, "%s: cannot remove what is done with: %s", spool->folder, strerror(-r));
    }
    return done;
}
