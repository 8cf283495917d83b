/* SPDX-License-Identifier: Apache-2.0 */
#include "store/dataset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "deliver/layout.h"

#define MANIFEST_PREFIX "manifest."
#define MANIFEST_MAX (64UL << 20)
#define HOUR_SECONDS 3600

int dataset_print_own(char ret[static PATH_MAX], const char *folder, const char *name)
{
    int len = snprintf(ret, PATH_MAX, "%s/" DATASET_OWN "%s%s", folder, name[0] ? "/" : "", name);
    return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int dataset_print_manifest(char ret[static PATH_MAX], const char *folder, uint64_t number)
{
    char name[64];
    (void)snprintf(name, sizeof name, MANIFEST_PREFIX "%" PRIu64, number);
    return dataset_print_own(ret, folder, name);
}

bool dataset_is_store(const char *folder)
{
    char own[PATH_MAX];
    struct stat status;
    return dataset_print_own(own, folder, "") == 0 && stat(own, &status) == 0 && S_ISDIR(status.st_mode);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

int dataset_list_manifests(const char *folder, uint64_t **ret, size_t *ret_count, struct fault *fault)
{
    char own[PATH_MAX];
    AUTO_FREE uint64_t *numbers = NULL;
    size_t count = 0;
    int r = dataset_print_own(own, folder, "");
    AUTO_CLOSEDIR DIR *entries = r == 0 ? opendir(own) : NULL;
    if (!entries && r == 0 && errno != ENOENT)
        return fault_set(fault, -errno, "%s: cannot read: %s", own, strerror(errno));
    const struct dirent *entry;
    while (entries && (entry = readdir(entries))) {
        const char *digits = entry->d_name + strlen(MANIFEST_PREFIX);
        uint64_t number;
        if (strncmp(entry->d_name, MANIFEST_PREFIX, strlen(MANIFEST_PREFIX)) != 0 ||
            !num_parse_u64(digits, strlen(digits), UINT64_MAX, &number))
            continue;
        uint64_t *longer = reallocarray(numbers, count + 1, sizeof *longer);
        if (!longer)
            return fault_set(fault, -ENOMEM, "out of memory");
        numbers = longer;
        numbers[count++] = number;
    }
    if (count > 1)
        qsort(numbers, count, sizeof *numbers, compare_numbers);
    *ret = TAKE(numbers);
    *ret_count = count;
    return 0;
}

void dataset_close(struct dataset *dataset)
{
    for (size_t i = 0; i < dataset->count; i++)
        free(dataset->files[i].path);
    free(dataset->files);
    manifest_done(&dataset->manifest);
    if (dataset->folder && dataset->lock >= 0)
        close(dataset->lock); /* lets go of the lock */
    free(dataset->folder);
    *dataset = (struct dataset){.lock = -1};
}

/* 1 when the manifest is locked and read; 0 when it went away meanwhile. */
static int lock_manifest(struct dataset *dataset, struct fault *fault)
{
    char path[PATH_MAX];
    struct stat status;
    AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
    int r = dataset_print_manifest(path, dataset->folder, dataset->number);
    if (r < 0)
        return fault_set(fault, r, "%s: path too long", dataset->folder);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || flock(fd, LOCK_SH) < 0 || fstat(fd, &status) < 0)
        return fault_set(fault, -errno, "%s: cannot read: %s", path, strerror(errno));
    if (status.st_nlink == 0)
        return 0;
    r = file_read(path, &text, fault);
    if (r == 0)
        r = manifest_parse(&dataset->manifest, text.data, text.len, fault);
    if (r < 0) {
        if (r == -EBADMSG)
            fault_prefix(fault, "%s", path);
        return r;
    }
    dataset->lock = TAKE_FD(fd);
    return 1;
}

/* The highest one. Without any, the folder is no store. */
static int read_manifest(struct dataset *dataset, struct fault *fault)
{
    int r = 0;
    while (r == 0) {
        AUTO_FREE uint64_t *numbers = NULL;
        size_t count = 0;
        r = dataset_list_manifests(dataset->folder, &numbers, &count, fault);
        if (r < 0 || count == 0)
            return r;
        dataset->number = numbers[count - 1];
        r = lock_manifest(dataset, fault);
    }
    return r < 0 ? r : 0;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Paths that are not to be listed, sorted; owned list of borrowed paths. */
struct hidden {
    const char **paths;
    size_t count;
};

static int collect_hidden(const struct manifest *manifest, struct hidden *ret)
{
    size_t room = 0;
    for (size_t i = 0; i < manifest->count; i++)
        room += manifest->changes[i].replaced_count + 1;
    const char **paths = calloc(room + 1, sizeof *paths);
    size_t count = 0;
    if (!paths)
        return -ENOMEM;
    for (size_t i = 0; i < manifest->count; i++) {
        const struct change *change = &manifest->changes[i];
        for (size_t k = 0; k < change->replaced_count; k++)
            paths[count++] = change->replaced[k];
        if (change->key)
            paths[count++] = change->key; /* its records are read from where it was made */
    }
    if (count > 1)
        qsort(paths, count, sizeof *paths, compare_texts);
    *ret = (struct hidden){paths, count};
    return 0;
}

static bool is_hidden(const struct hidden *hidden, const char *path)
{
    return hidden->count &&
           bsearch(&path, hidden->paths, hidden->count, sizeof *hidden->paths, compare_texts);
}

static int add_file(struct dataset *dataset, const char *path, const struct stat *status,
                    const char *name_from, const struct change *change)
{
    if ((dataset->count & (dataset->count + 1)) == 0) { /* full: room is one less than a power of two */
        struct dataset_file *longer = reallocarray(dataset->files, 2 * dataset->count + 1, sizeof *longer);
        if (!longer)
            return -ENOMEM;
        dataset->files = longer;
    }
    const char *slash = strrchr(name_from, '/');
    struct layout_name name;
    struct dataset_file file = {.path = strdup(path),
                                .size = (uint64_t)status->st_size,
                                .modified_s = (uint64_t)status->st_mtim.tv_sec,
                                .links = status->st_nlink,
                                .change = change};
    if (!file.path)
        return -ENOMEM;
    file.named = layout_parse_name(slash ? slash + 1 : name_from, &name);
    if (file.named) {
        file.begin_s = name.slot;
        file.end_s = name.of_hour ? name.slot - name.slot % HOUR_SECONDS + HOUR_SECONDS
                                  : name.slot + LAYOUT_SLOT_SECONDS;
    }
    dataset->files[dataset->count++] = file;
    return 0;
}

static bool is_own(const FTSENT *entry)
{
    return entry->fts_level > 0 && (entry->fts_name[0] == '.' || entry->fts_name[0] == '_');
}

/* What goes away while the folders are gone through is no error. */
static int take_entry(struct dataset *dataset, FTS *walk, FTSENT *entry, const struct hidden *hidden,
                      struct fault *fault)
{
    if (is_own(entry)) {
        (void)fts_set(walk, entry, FTS_SKIP);
        return 0;
    }
    bool failed = entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS;
    if (failed && (entry->fts_errno != ENOENT || entry->fts_level == 0))
        return fault_set(fault, -entry->fts_errno, "%s: cannot read: %s", entry->fts_path,
                         strerror(entry->fts_errno));
    if (entry->fts_level == 0 && entry->fts_info != FTS_D && entry->fts_info != FTS_DP)
        return fault_set(fault, -ENOTDIR, "%s: not a folder", entry->fts_path);
    const char *path = entry->fts_path + strlen(dataset->folder) + 1;
    if (entry->fts_info != FTS_F || is_hidden(hidden, path))
        return 0;
    int r = add_file(dataset, path, entry->fts_statp, path, NULL);
    return r < 0 ? fault_set(fault, r, "out of memory") : 0;
}

static int walk_folders(struct dataset *dataset, const struct hidden *hidden, struct fault *fault)
{
    char *const roots[] = {dataset->folder, NULL};
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry;
    if (!walk)
        return fault_set(fault, -errno, "%s: cannot read: %s", dataset->folder, strerror(errno));
    int r = 0;
    while (r == 0 && (errno = 0, entry = fts_read(walk)))
        r = take_entry(dataset, walk, entry, hidden, fault);
    if (r == 0 && errno)
        r = fault_set(fault, -errno, "%s: cannot read: %s", dataset->folder, strerror(errno));
    (void)fts_close(walk);
    return r;
}

/* Files that are in use before they have come to their places. */
static int add_made(struct dataset *dataset, struct fault *fault)
{
    for (size_t i = 0; i < dataset->manifest.count; i++) {
        const struct change *change = &dataset->manifest.changes[i];
        char path[PATH_MAX];
        struct stat status;
        if (!change->made)
            continue;
        if ((size_t)snprintf(path, sizeof path, "%s/%s", dataset->folder, change->made) >= sizeof path)
            return fault_set(fault, -ENAMETOOLONG, "%s: path too long", change->made);
        if (stat(path, &status) < 0)
            return fault_set(fault, -errno, "%s: cannot read: %s", path, strerror(errno));
        if (add_file(dataset, change->made, &status, change->key, change) < 0)
            return fault_set(fault, -ENOMEM, "out of memory");
    }
    return 0;
}

static int compare_files(const void *a, const void *b)
{
    const struct dataset_file *left = a;
    const struct dataset_file *right = b;
    if (left->begin_s != right->begin_s)
        return left->begin_s < right->begin_s ? -1 : 1;
    return strcmp(left->path, right->path);
}

static int list(struct dataset *dataset, struct fault *fault)
{
    struct hidden hidden = {0};
    int r = collect_hidden(&dataset->manifest, &hidden);
    if (r < 0)
        return fault_set(fault, r, "out of memory");
    r = walk_folders(dataset, &hidden, fault);
    free(hidden.paths);
    if (r == 0)
        r = add_made(dataset, fault);
    if (r == 0 && dataset->count > 1)
        qsort(dataset->files, dataset->count, sizeof *dataset->files, compare_files);
    return r;
}

int dataset_open(struct dataset *ret, const char *folder, struct fault *fault)
{
    struct dataset dataset = {.lock = -1};
    size_t len = strlen(folder);
    while (len > 1 && folder[len - 1] == '/')
        len--;
    dataset.folder = strndup(folder, len);
    int r = dataset.folder ? 0 : fault_set(fault, -ENOMEM, "out of memory");
    if (r == 0)
        r = read_manifest(&dataset, fault);
    if (r == 0)
        r = list(&dataset, fault);
    if (r < 0) {
        dataset_close(&dataset);
        return r;
    }
    *ret = dataset;
    return 0;
}
