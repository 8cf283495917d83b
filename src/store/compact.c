/* SPDX-License-Identifier: Apache-2.0 */
#include "store/compact.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "deliver/layout.h"
#include "store/merge.h"

#define HOUR_SECONDS 3600
#define SMALL_BYTES (64UL << 20)  /* a file that large is not merged any more */
#define GROUP_BYTES (256UL << 20) /* what goes into one */
#define GROUP_FILES 240           /* all of them are open at a time */
#define ROUND_GROUPS 64           /* hours that change at a time */

/* Files that become one. */
struct group {
    struct layout_name name; /* of the first; borrowed by none */
    char folder[PATH_MAX];   /* relative to the store, with a slash at its end */
    uint64_t hour_s;
    uint64_t bytes;
    uint64_t newest_s; /* when the last of them came */
    char **paths;      /* owned */
    size_t count;
};

struct plan {
    struct group *groups;
    size_t count;
};

static void plan_done(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        for (size_t k = 0; k < plan->groups[i].count; k++)
            free(plan->groups[i].paths[k]);
        free(plan->groups[i].paths);
    }
    free(plan->groups);
    *plan = (struct plan){0};
}

static bool is_mergeable(const struct dataset_file *file, struct layout_name *ret_name)
{
    const char *slash = strrchr(file->path, '/');
    return file->named && file->links == 1 && file->size < SMALL_BYTES && !file->change &&
           layout_parse_name(slash ? slash + 1 : file->path, ret_name) &&
           strcmp(ret_name->extension, "log.parquet") == 0;
}

static bool is_of_group(const struct group *group, const struct layout_name *name, const char *path)
{
    size_t len = strlen(group->folder);
    return strncmp(path, group->folder, len) == 0 && !strchr(path + len, '/') &&
           strcmp(group->name.account, name->account) == 0 && strcmp(group->name.region, name->region) == 0 &&
           strcmp(group->name.flow_log_id, name->flow_log_id) == 0;
}

/* The group that still takes the file, or a new one; groups of an hour stand together. */
static struct group *find_group(struct plan *plan, const struct layout_name *name,
                                const struct dataset_file *file)
{
    uint64_t hour_s = name->slot - name->slot % HOUR_SECONDS;
    for (size_t i = plan->count; i > 0 && plan->groups[i - 1].hour_s == hour_s; i--) {
        struct group *group = &plan->groups[i - 1];
        if (is_of_group(group, name, file->path) && group->count < GROUP_FILES &&
            group->bytes + file->size <= GROUP_BYTES)
            return group;
    }
    struct group *longer = reallocarray(plan->groups, plan->count + 1, sizeof *longer);
    if (!longer)
        return NULL;
    plan->groups = longer;
    struct group *group = &longer[plan->count++];
    *group = (struct group){.name = *name, .hour_s = hour_s};
    const char *slash = strrchr(file->path, '/');
    (void)snprintf(group->folder, sizeof group->folder, "%.*s", slash ? (int)(slash + 1 - file->path) : 0,
                   file->path);
    return group;
}

static int add_to_group(struct group *group, const struct dataset_file *file)
{
    char **longer = reallocarray(group->paths, group->count + 1, sizeof *longer);
    if (!longer)
        return -ENOMEM;
    group->paths = longer;
    longer[group->count] = strdup(file->path);
    if (!longer[group->count])
        return -ENOMEM;
    group->count++;
    group->bytes += file->size;
    group->newest_s = file->modified_s > group->newest_s ? file->modified_s : group->newest_s;
    return 0;
}

static int plan_groups(const struct dataset *dataset, const struct compact_settings *settings,
                       struct plan *plan)
{
    for (size_t i = 0; i < dataset->count; i++) {
        const struct dataset_file *file = &dataset->files[i];
        struct layout_name name;
        if (!is_mergeable(file, &name) || file->end_s > settings->now_s)
            continue;
        struct group *group = find_group(plan, &name, file);
        if (!group || add_to_group(group, file) < 0)
            return -ENOMEM;
    }
    return 0;
}

static bool is_due(const struct group *group, const struct compact_settings *settings)
{
    uint64_t before_s = settings->now_s > settings->delay_s ? settings->now_s - settings->delay_s : 0;
    return group->count > 1 && group->hour_s + HOUR_SECONDS <= before_s && group->newest_s <= before_s;
}

/* The name of what is made of these files: no other has it. */
static uint64_t hash_of(const struct group *group)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < group->count; i++)
        hash = hash_bytes(group->paths[i], strlen(group->paths[i]), hash);
    return hash;
}

static int print_key(const struct group *group, char ret[static PATH_MAX])
{
    char name[LAYOUT_KEY_MAX];
    const struct layout layout = {.account = group->name.account,
                                  .region = group->name.region,
                                  .flow_log_id = group->name.flow_log_id,
                                  .extension = group->name.extension};
    int r = layout_print_hour_name(&layout, group->name.slot, hash_of(group), name);
    if (r < 0)
        return r;
    return (size_t)snprintf(ret, PATH_MAX, "%s%s", group->folder, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The change that the group is, without a file yet. */
static int describe(const struct group *group, struct change *change)
{
    char key[PATH_MAX];
    int r = print_key(group, key);
    if (r < 0)
        return r;
    change->key = strdup(key);
    if (!change->key || asprintf(&change->made, UPKEEP_MADE "/%016" PRIx64 ".data", hash_of(group)) < 0) {
        change->made = NULL;
        return -ENOMEM;
    }
    for (size_t i = 0; r == 0 && i < group->count; i++)
        r = change_add(change, group->paths[i]);
    return r;
}

/* Retention goes by when files came, so that is kept. */
static void keep_time(const char *path, uint64_t seconds)
{
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)seconds}};
    (void)utimensat(AT_FDCWD, path, times, 0);
}

/* Paths below the store's folder as they can be opened; owned, with a NULL at the end. */
static char **full_paths(const char *folder, char *const *paths, size_t count)
{
    char **full = calloc(count + 1, sizeof *full);
    for (size_t i = 0; full && i < count; i++)
        if (asprintf(&full[i], "%s/%s", folder, paths[i]) < 0) {
            full[i] = NULL;
            return full;
        }
    return full;
}

static int make(const struct upkeep *upkeep, const struct group *group, const struct change *change,
                const struct compact_settings *settings, uint64_t *ret_rows, struct fault *fault)
{
    char made[PATH_MAX];
    if ((size_t)snprintf(made, sizeof made, "%s/%s", upkeep->folder, change->made) >= sizeof made)
        return fault_set(fault, -ENAMETOOLONG, "%s: path too long", upkeep->folder);
    char **paths = full_paths(upkeep->folder, group->paths, group->count);
    int r = paths && paths[group->count - 1]
                ? merge_files(made, paths, group->count, settings->cancelled, ret_rows, fault)
                : fault_set(fault, -ENOMEM, "out of memory");
    for (size_t i = 0; paths && i < group->count; i++)
        free(paths[i]);
    free(paths);
    if (r == 0)
        keep_time(made, group->newest_s);
    return r;
}

static bool is_cancelled(const struct compact_settings *settings)
{
    return settings->cancelled && atomic_load(settings->cancelled);
}

/* Adds the group to what is to be changed. Only what is wrong with the store as a whole is an error. */
static int merge_group(const struct upkeep *upkeep, const struct group *group,
                       const struct compact_settings *settings, struct manifest *changes,
                       struct compact_counts *counts, struct fault *fault)
{
    struct change change = {0};
    uint64_t rows = 0;
    int r = describe(group, &change);
    r = r < 0 ? fault_set(fault, r, "out of memory") : make(upkeep, group, &change, settings, &rows, fault);
    if (r == 0 && manifest_add(changes, &change) < 0)
        return fault_set(fault, -ENOMEM, "out of memory");
    change_done(&change);
    if (r == 0) {
        counts->merged += group->count;
        counts->made++;
        counts->records += rows;
        return 0;
    }
    if (r == -ECANCELED || r == -ENOSPC || r == -ENOMEM || r == -ELIBACC)
        return r;
    counts->failed++;
    report_say(&settings->report, LOG_LEVEL_WARNING, "%s", fault->text);
    return 0;
}

/* Puts the changes into force. */
static int commit(struct upkeep *upkeep, struct manifest *changes, const struct compact_settings *settings,
                  struct compact_counts *counts, struct fault *fault)
{
    int r = changes->count ? upkeep_begin(upkeep, changes, fault) : 0;
    if (r == 0 && changes->count) {
        r = upkeep_wait(upkeep, settings->patience_ns, settings->cancelled, fault);
        counts->waiting = r == 0;
    }
    manifest_done(changes);
    return r < 0 ? r : 0;
}

static int merge_groups(struct upkeep *upkeep, const struct plan *plan,
                        const struct compact_settings *settings, struct compact_counts *counts,
                        struct fault *fault)
{
    struct manifest changes = {0};
    int r = 0;
    for (size_t i = 0; r == 0 && i < plan->count && !counts->waiting && !is_cancelled(settings); i++) {
        if (!is_due(&plan->groups[i], settings))
            continue;
        r = merge_group(upkeep, &plan->groups[i], settings, &changes, counts, fault);
        if (r == 0 && changes.count == ROUND_GROUPS)
            r = commit(upkeep, &changes, settings, counts, fault);
    }
    if (r == 0)
        r = commit(upkeep, &changes, settings, counts, fault);
    manifest_done(&changes);
    return r == -ECANCELED ? 0 : r;
}

static bool is_old(const struct dataset_file *file, const struct compact_settings *settings)
{
    uint64_t last_s = file->end_s > file->modified_s ? file->end_s : file->modified_s;
    return settings->retain_s && last_s + settings->retain_s < settings->now_s;
}

/* The files are in the order of their records' time. */
static int plan_removal(const struct dataset *dataset, const struct compact_settings *settings,
                        struct change *change, struct compact_counts *counts)
{
    int r = 0;
    counts->bytes = 0;
    counts->files = dataset->count;
    for (size_t i = 0; i < dataset->count; i++)
        counts->bytes += dataset->files[i].size;
    for (size_t i = 0; r == 0 && i < dataset->count; i++) {
        const struct dataset_file *file = &dataset->files[i];
        bool is_too_much = settings->max_bytes && counts->bytes > settings->max_bytes;
        if (file->links > 1 || file->change || (!is_too_much && !is_old(file, settings)))
            continue;
        r = change_add(change, file->path);
        counts->removed++;
        counts->removed_bytes += file->size;
        counts->bytes -= file->size;
        counts->files--;
    }
    return r;
}

static int remove_files(struct upkeep *upkeep, const struct compact_settings *settings,
                        struct compact_counts *counts, struct fault *fault)
{
    struct change change = {0};
    struct manifest changes = {0};
    AUTO_DATASET struct dataset dataset = {.lock = -1};
    int r = dataset_open(&dataset, upkeep->folder, fault);
    if (r < 0)
        return r;
    r = plan_removal(&dataset, settings, &change, counts);
    dataset_close(&dataset);
    if (r == 0 && change.replaced_count)
        r = manifest_add(&changes, &change);
    change_done(&change);
    if (r < 0) {
        manifest_done(&changes);
        return fault_set(fault, r, "out of memory");
    }
    return commit(upkeep, &changes, settings, counts, fault);
}

static int merge_files_of_store(struct upkeep *upkeep, const struct compact_settings *settings,
                                struct compact_counts *counts, struct fault *fault)
{
    struct plan plan = {0};
    AUTO_DATASET struct dataset dataset = {.lock = -1};
    int r = dataset_open(&dataset, upkeep->folder, fault);
    if (r < 0)
        return r;
    if (plan_groups(&dataset, settings, &plan) < 0)
        r = fault_set(fault, -ENOMEM, "out of memory");
    dataset_close(&dataset); /* its lock would be waited for */
    if (r == 0)
        r = merge_groups(upkeep, &plan, settings, counts, fault);
    plan_done(&plan);
    return r;
}

int compact_store(struct upkeep *upkeep, const struct compact_settings *settings, struct compact_counts *ret,
                  struct fault *fault)
{
    *ret = (struct compact_counts){0};
    int r = upkeep_wait(upkeep, settings->patience_ns, settings->cancelled, fault);
    if (r <= 0) {
        ret->waiting = r == 0;
        return r;
    }
    r = remove_files(upkeep, settings, ret, fault); /* what goes need not be merged first */
    if (r == 0 && !ret->waiting && !is_cancelled(settings))
        r = merge_files_of_store(upkeep, settings, ret, fault);
    return r;
}
