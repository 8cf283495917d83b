/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/num.h"
#include "deliver/account.h"
#include "deliver/document.h"
#include "deliver/spool_files.h"

#define SEQUENCE_DIGITS 16

/* A file of the folder, by its name. */
struct entry {
    char name[64];
    uint64_t sequence;
    enum entry_kind { ENTRY_BATCH, ENTRY_OBJECT, ENTRY_PACK, ENTRY_COPY } kind;
    bool known; /* belongs to an item */
};

struct taking {
    struct spool *spool;
    struct entry *entries;
    size_t count;
    size_t capacity;
    uint64_t told; /* gaps up to this number stand in a batch */
};

static bool parse_name(const char *name, struct entry *ret)
{
    static const char *const endings[] = {
        [ENTRY_BATCH] = ".batch", [ENTRY_OBJECT] = ".object", [ENTRY_PACK] = ".pack", [ENTRY_COPY] = ".copy"};
    size_t len = strlen(name);
    if (len >= sizeof ret->name || len < SEQUENCE_DIGITS ||
        !num_parse_hex(name, SEQUENCE_DIGITS, &ret->sequence))
        return false;
    const char *ending = strchr(name, '.');
    for (unsigned i = 0; ending && i < ARRAY_SIZE(endings); i++) {
        if (strcmp(ending, endings[i]) != 0)
            continue;
        (void)snprintf(ret->name, sizeof ret->name, "%s", name);
        ret->kind = (enum entry_kind)i;
        ret->known = false;
        return true;
    }
    return false;
}

static int add_entry(struct taking *taking, const struct entry *entry)
{
    if (taking->count == taking->capacity) {
        size_t capacity = taking->capacity ? 2 * taking->capacity : 64;
        struct entry *entries = reallocarray(taking->entries, capacity, sizeof *entries);
        if (!entries)
            return -ENOMEM;
        taking->entries = entries;
        taking->capacity = capacity;
    }
    taking->entries[taking->count++] = *entry;
    return 0;
}

static void path_of(const struct taking *taking, const char *name, char ret[static PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%.*s/%.64s", PATH_MAX - 128, taking->spool->folder, name);
}

/* Names alone; what an earlier process was writing when it died goes. */
static int list_folder(struct taking *taking, struct fault *fault)
{
    AUTO_CLOSEDIR DIR *dir = opendir(taking->spool->folder);
    if (!dir)
        return fault_set(fault, -errno, "%s: cannot open: %s", taking->spool->folder, strerror(errno));
    const struct dirent *found;
    while ((found = readdir(dir))) {
        struct entry entry;
        char path[PATH_MAX];
        size_t len = strlen(found->d_name);
        path_of(taking, found->d_name, path);
        if (len > 4 && strcmp(found->d_name + len - 4, ".tmp") == 0)
            (void)unlink(path);
        else if (parse_name(found->d_name, &entry) && add_entry(taking, &entry) < 0)
            return fault_set(fault, -ENOMEM, "out of memory");
    }
    return 0;
}

static int take_state(struct taking *taking, const json_t *json)
{
    struct spool *spool = taking->spool;
    uint64_t last_gap;
    if (!account_parse_number(json, "accepted", &spool->accepted) ||
        !account_parse_number(json, "last-gap", &last_gap))
        return -EBADMSG;
    int r = gaps_parse(&spool->gaps, json_object_get(json, "gaps"), last_gap);
    size_t i;
    const json_t *decided;
    json_array_foreach(json_object_get(json, "decided"), i, decided)
    {
        spool->dirty = true;
        const char *name = json_string_value(json_object_get(decided, "file"));
        char path[PATH_MAX];
        struct entry entry;
        if (r < 0 || !name || !parse_name(name, &entry))
            continue;
        path_of(taking, name, path);
        if (json_is_true(json_object_get(decided, "rejected")))
            (void)spool_set_aside(spool, path, NULL);
        else
            (void)unlink(path);
    }
    return r;
}

/* A state that is damaged is set aside: without it, gaps that were not told yet are unknown. */
static int read_state(struct taking *taking, struct fault *fault)
{
    char path[PATH_MAX];
    json_t *json = NULL;
    struct fault why = {0};
    spool_state_path(taking->spool, path);
    int r = document_read(&json, path, DOCUMENT_SPOOL, &why);
    if (r == 0)
        r = take_state(taking, json);
    json_decref(json);
    if (r == -ENOMEM)
        return fault_set(fault, r, "out of memory");
    if (r < 0 && r != -ENOENT) {
        report_say(taking->spool->report, LOG_LEVEL_ERROR,
                   "%s: %s; it is set aside, and gaps that were still to be told are unknown", path,
                   why.text[0] ? why.text : "damaged");
        (void)spool_set_aside(taking->spool, path, "damaged\n");
        taking->spool->dirty = true;
        return 0;
    }
    taking->spool->accepted_noted = taking->spool->accepted;
    return 0;
}

static void set_damaged_aside(struct taking *taking, struct entry *entry, const struct fault *why)
{
    char path[PATH_MAX];
    path_of(taking, entry->name, path);
    report_say(taking->spool->report, LOG_LEVEL_ERROR,
               "%s; it is set aside in %s/rejected, and what it held is lost and cannot be counted",
               why->text, taking->spool->folder);
    (void)spool_set_aside(taking->spool, path, why->text);
    taking->spool->unreadable++;
    entry->known = true;
}

static struct entry *find_entry(struct taking *taking, const char *path)
{
    const char *name = strrchr(path, '/') + 1;
    for (size_t i = 0; i < taking->count; i++)
        if (strcmp(taking->entries[i].name, name) == 0)
            return &taking->entries[i];
    return NULL;
}

/* Nobody knows the names of its objects any more. */
static void set_pack_aside(struct taking *taking, struct entry *pack, const struct fault *why)
{
    set_damaged_aside(taking, pack, why);
    for (size_t i = 0; i < taking->count; i++) {
        char path[PATH_MAX];
        struct entry *object = &taking->entries[i];
        if (object->kind != ENTRY_OBJECT || object->sequence != pack->sequence)
            continue;
        path_of(taking, object->name, path);
        (void)spool_set_aside(taking->spool, path, why->text);
        object->known = true;
    }
}

/* The objects that are still there become items. Returns how many. */
static size_t take_objects(struct taking *taking, struct spool_item *objects, size_t count)
{
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX];
        spool_item_path(taking->spool, &objects[i], path);
        struct entry *file = find_entry(taking, path);
        free(TAKE(objects[i].interfaces));
        if (file) {
            file->known = true;
            spool_insert(taking->spool, &objects[i]);
            taken++;
        } else {
            spool_item_done(&objects[i]);
        }
    }
    return taken;
}

/* The batches that a pack was made of are done with. */
static void drop_batches(struct taking *taking, uint64_t first, uint64_t last)
{
    for (size_t i = 0; i < taking->count; i++) {
        char path[PATH_MAX];
        struct entry *batch = &taking->entries[i];
        if (batch->kind != ENTRY_BATCH || batch->sequence < first || batch->sequence > last)
            continue;
        path_of(taking, batch->name, path);
        (void)unlink(path);
        batch->known = true;
    }
}

static int take_pack(struct taking *taking, struct entry *entry, struct fault *fault)
{
    struct spool_item *objects = NULL;
    size_t count = 0;
    uint64_t first = 0;
    struct fault why = {0};
    int r = spool_read_pack(taking->spool, entry->sequence, &objects, &count, &first, &why);
    if (r == -EBADMSG || spool_is_unreadable(r)) {
        set_pack_aside(taking, entry, &why);
        return 0;
    }
    if (r == 0)
        r = spool_reserve(taking->spool, count);
    if (r < 0)
        return fault_set(fault, r, "%s", why.text[0] ? why.text : "out of memory");
    bool needed = take_objects(taking, objects, count) > 0;
    free(objects);
    drop_batches(taking, first, entry->sequence);
    for (size_t i = 0; needed && i < taking->count; i++)
        if (taking->entries[i].kind >= ENTRY_PACK && taking->entries[i].sequence == entry->sequence)
            taking->entries[i].known = true;
    return 0;
}

static int take_batch(struct taking *taking, struct entry *entry, struct fault *fault)
{
    char path[PATH_MAX];
    struct batch_head head;
    struct stat found;
    struct fault why = {0};
    path_of(taking, entry->name, path);
    int r = batch_head_read(&head, path, &why);
    if (r == -EBADMSG || spool_is_unreadable(r)) {
        set_damaged_aside(taking, entry, &why);
        return 0;
    }
    if (r == 0)
        r = spool_reserve(taking->spool, 1);
    if (r == 0 && stat(path, &found) < 0)
        r = -errno;
    if (r < 0)
        return fault_set(fault, r, "%s", why.text[0] ? why.text : "out of memory");
    const struct spool_item item = {.kind = SPOOL_BATCH,
                                    .first = entry->sequence,
                                    .last = entry->sequence,
                                    .window = head.window,
                                    .end = head.window + head.interval,
                                    .bytes = (uint64_t)found.st_size,
                                    .sum = batch_head_sum(&head)};
    spool_insert(taking->spool, &item);
    if (head.tells > taking->told)
        taking->told = head.tells;
    batch_head_done(&head);
    entry->known = true;
    return 0;
}

static int take_kind(struct taking *taking, enum entry_kind kind, struct fault *fault)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < taking->count; i++) {
        struct entry *entry = &taking->entries[i];
        if (entry->kind != kind || entry->known)
            continue;
        r = kind == ENTRY_PACK ? take_pack(taking, entry, fault) : take_batch(taking, entry, fault);
    }
    return r;
}

/* A pack without objects stays until the next start if it alone tells that its batches were taken in. */
static bool is_proof(const struct spool *spool, const struct entry *entry)
{
    return entry->kind == ENTRY_PACK && entry->sequence > spool->accepted_noted;
}

/* Packs first: they decide about batches. Then what belongs to nothing goes. */
static int take_everything(struct taking *taking, struct fault *fault)
{
    int r = read_state(taking, fault);
    if (r == 0)
        r = list_folder(taking, fault);
    if (r == 0)
        r = take_kind(taking, ENTRY_PACK, fault);
    if (r == 0)
        r = take_kind(taking, ENTRY_BATCH, fault);
    for (size_t i = 0; r == 0 && i < taking->count; i++) {
        const struct entry *entry = &taking->entries[i];
        char path[PATH_MAX];
        path_of(taking, entry->name, path);
        if (entry->sequence > taking->spool->accepted)
            taking->spool->accepted = entry->sequence;
        if (!entry->known && !is_proof(taking->spool, entry))
            (void)unlink(path);
    }
    struct gaps *gaps = &taking->spool->gaps;
    size_t known = gaps->count;
    gaps_forget(gaps, taking->told);
    taking->spool->told_behind = gaps->count < known;
    if (gaps->last_number < taking->told) /* the state was lost */
        gaps->last_number = taking->told;
    if (taking->spool->told_behind || taking->spool->accepted > taking->spool->accepted_noted)
        taking->spool->dirty = true;
    return r;
}

int spool_open(struct spool **ret, const char *folder, const struct report *report, struct fault *fault)
{
    struct spool *spool = calloc(1, sizeof *spool);
    if (!spool)
        return fault_set(fault, -ENOMEM, "out of memory");
    struct taking taking = {.spool = spool};
    spool->report = report;
    (void)snprintf(spool->folder, sizeof spool->folder, "%s", folder);
    int r = strlen(folder) < PATH_MAX - 256 ? file_make_folders(folder, 0750, fault)
                                            : fault_set(fault, -ENAMETOOLONG, "%s: path too long", folder);
    if (r == 0)
        r = take_everything(&taking, fault);
    free(taking.entries);
    if (r < 0)
        spool_close(spool);
    else
        *ret = spool;
    return r;
}
