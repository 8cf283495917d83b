/* SPDX-License-Identifier: Apache-2.0 */
#include "store/upkeep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "deliver/layout.h"

#define MANIFEST_MAX (64UL << 20)
#define READER_PATIENCE_S 3600 /* after that a reader counts as stopped or forgotten */
#define POLL_NS (20 * NS_PER_MS)
#define SALTS_MAX 1000

static int print_path(char ret[static PATH_MAX], const struct upkeep *upkeep, const char *path,
                      struct fault *fault)
{
    if ((size_t)snprintf(ret, PATH_MAX, "%s/%s", upkeep->folder, path) < PATH_MAX)
        return 0;
    return fault_set(fault, -ENAMETOOLONG, "%s/%s: path too long", upkeep->folder, path);
}

static int write_manifest(const char *folder, uint64_t number, const struct manifest *manifest,
                          struct fault *fault)
{
    char path[PATH_MAX];
    AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
    int r = manifest_print(manifest, &text);
    if (r == 0)
        r = dataset_print_manifest(path, folder, number);
    if (r < 0)
        return fault_set(fault, r, "%s: no manifest can be written: %s", folder, strerror(-r));
    return file_replace(path, text.data, text.len, fault);
}

int upkeep_make_store(const char *folder, struct fault *fault)
{
    char made[PATH_MAX];
    AUTO_FREE uint64_t *numbers = NULL;
    size_t count = 0;
    int r = dataset_print_own(made, folder, "made");
    if (r < 0)
        return fault_set(fault, r, "%s: path too long", folder);
    r = file_make_folders(made, 0755, fault);
    if (r == 0)
        r = dataset_list_manifests(folder, &numbers, &count, fault);
    if (r < 0 || count > 0)
        return r;
    return write_manifest(folder, 1, &(struct manifest){0}, fault);
}

void upkeep_close(struct upkeep *upkeep)
{
    if (upkeep->folder && upkeep->lock >= 0)
        close(upkeep->lock);
    free(upkeep->folder);
    *upkeep = (struct upkeep){.lock = -1};
}

static int take_lock(struct upkeep *upkeep, bool wait, struct fault *fault)
{
    char path[PATH_MAX];
    int r = dataset_print_own(path, upkeep->folder, "lock");
    if (r < 0)
        return fault_set(fault, r, "%s: path too long", upkeep->folder);
    upkeep->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (upkeep->lock < 0)
        return fault_set(fault, -errno, "%s: cannot create: %s", path, strerror(errno));
    if (flock(upkeep->lock, wait ? LOCK_EX : LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return fault_set(fault, -EBUSY, "%s: another process is changing this store", upkeep->folder);
    return fault_set(fault, -errno, "%s: cannot lock: %s", path, strerror(errno));
}

int upkeep_open(struct upkeep *ret, const char *folder, bool wait, struct fault *fault)
{
    AUTO_UPKEEP struct upkeep upkeep = {.folder = strdup(folder), .lock = -1};
    if (!upkeep.folder)
        return fault_set(fault, -ENOMEM, "out of memory");
    int r = upkeep_make_store(folder, fault);
    if (r == 0)
        r = take_lock(&upkeep, wait, fault);
    if (r < 0)
        return r;
    *ret = upkeep;
    upkeep = (struct upkeep){.lock = -1};
    return 0;
}

/* Whether readers that go by an earlier manifest have had all the time that they get: since `path` is there.
 */
static bool is_patience_over(const char *path)
{
    struct stat status;
    uint64_t now_s = clock_wall_ns() / NS_PER_S;
    return stat(path, &status) == 0 && (uint64_t)status.st_mtim.tv_sec + READER_PATIENCE_S < now_s;
}

/* Removes an earlier manifest. 1 when it is gone, 0 when somebody still goes by it. */
static int release(const struct upkeep *upkeep, uint64_t number, uint64_t next, struct fault *fault)
{
    char path[PATH_MAX];
    char later[PATH_MAX];
    if (dataset_print_manifest(path, upkeep->folder, number) < 0 ||
        dataset_print_manifest(later, upkeep->folder, next) < 0)
        return fault_set(fault, -ENAMETOOLONG, "%s: path too long", upkeep->folder);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 1 : fault_set(fault, -errno, "%s: cannot open: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && !is_patience_over(later))
        return 0;
    if (unlink(path) < 0)
        return fault_set(fault, -errno, "%s: cannot remove: %s", path, strerror(errno));
    return 1;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat left;
    struct stat right;
    return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

/* Gives the new file its name; another file that has it already keeps it. */
static int place(const struct upkeep *upkeep, const struct change *change, struct fault *fault)
{
    char made[PATH_MAX];
    char path[PATH_MAX];
    char folder[PATH_MAX];
    char key[LAYOUT_KEY_MAX];
    int r = print_path(made, upkeep, change->made, fault);
    if (r == 0)
        r = print_path(folder, upkeep, change->key, fault);
    if (r < 0)
        return r;
    *strrchr(folder, '/') = '\0';
    r = file_make_folders(folder, 0755, fault);
    for (unsigned salt = 0; r == 0 && salt < SALTS_MAX; salt++) {
        if (salt)
            layout_print_successor(change->key, salt, key);
        r = print_path(path, upkeep, salt ? key : change->key, fault);
        if (r < 0)
            return r;
        if (link(made, path) == 0 || (errno == EEXIST && is_same_file(made, path))) {
            file_sync_folder_of(path);
            return 0;
        }
        if (errno != EEXIST)
            return fault_set(fault, -errno, "%s: cannot create: %s", path, strerror(errno));
    }
    return r < 0 ? r : fault_set(fault, -EEXIST, "%s: taken by another file", path);
}

/* Folders that have become empty go, too. */
static void remove_empty_folders(const struct upkeep *upkeep, char path[static PATH_MAX])
{
    size_t root = strlen(upkeep->folder);
    for (char *slash; (slash = strrchr(path, '/')) && (size_t)(slash - path) > root;) {
        *slash = '\0';
        if (rmdir(path) < 0)
            return;
    }
}

static int remove_replaced(const struct upkeep *upkeep, const char *file, struct fault *fault)
{
    char path[PATH_MAX];
    int r = print_path(path, upkeep, file, fault);
    if (r < 0)
        return r;
    if (unlink(path) < 0 && errno != ENOENT)
        return fault_set(fault, -errno, "%s: cannot remove: %s", path, strerror(errno));
    file_sync_folder_of(path);
    remove_empty_folders(upkeep, path);
    return 0;
}

static int apply(const struct upkeep *upkeep, const struct manifest *manifest, struct fault *fault)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < manifest->count; i++) {
        const struct change *change = &manifest->changes[i];
        if (change->made)
            r = place(upkeep, change, fault);
        for (size_t k = 0; r == 0 && k < change->replaced_count; k++)
            r = remove_replaced(upkeep, change->replaced[k], fault);
    }
    return r;
}

static int read_manifest(const struct upkeep *upkeep, uint64_t number, struct manifest *ret,
                         struct fault *fault)
{
    char path[PATH_MAX];
    AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX);
    int r = dataset_print_manifest(path, upkeep->folder, number);
    if (r < 0)
        return fault_set(fault, r, "%s: path too long", upkeep->folder);
    r = file_read(path, &text, fault);
    if (r == 0 && (r = manifest_parse(ret, text.data, text.len, fault)) < 0)
        fault_prefix(fault, "%s", path);
    return r;
}

/* What is made and in nobody's use: its change is done, or was never begun. */
static void empty_made(const struct upkeep *upkeep)
{
    char folder[PATH_MAX];
    if (dataset_print_own(folder, upkeep->folder, "made") < 0)
        return;
    AUTO_CLOSEDIR DIR *entries = opendir(folder);
    const struct dirent *entry;
    while (entries && (entry = readdir(entries)))
        if (entry->d_type != DT_DIR)
            (void)unlinkat(dirfd(entries), entry->d_name, 0);
}

/* One round: 1 when it is settled, 0 when readers are to be waited for, 2 when there is more to do at once.
 */
static int settle_once(struct upkeep *upkeep, struct fault *fault)
{
    AUTO_FREE uint64_t *numbers = NULL;
    size_t count = 0;
    struct manifest manifest = {0};
    int r = dataset_list_manifests(upkeep->folder, &numbers, &count, fault);
    if (r < 0 || count == 0)
        return r < 0 ? r : fault_set(fault, -ENOENT, "%s: the store's manifest is gone", upkeep->folder);
    uint64_t last = numbers[count - 1];
    for (size_t i = 0; i + 1 < count; i++)
        if ((r = release(upkeep, numbers[i], numbers[i + 1], fault)) <= 0)
            return r;
    r = read_manifest(upkeep, last, &manifest, fault);
    if (r < 0)
        return r;
    if (manifest.count == 0) {
        empty_made(upkeep);
        return 1;
    }
    r = apply(upkeep, &manifest, fault);
    if (r == 0)
        r = write_manifest(upkeep->folder, last + 1, &(struct manifest){0}, fault);
    manifest_done(&manifest);
    return r < 0 ? r : 2;
}

int upkeep_settle(struct upkeep *upkeep, struct fault *fault)
{
    int r;
    do
        r = settle_once(upkeep, fault);
    while (r == 2);
    return r;
}

int upkeep_wait(struct upkeep *upkeep, uint64_t patience_ns, const atomic_bool *cancelled,
                struct fault *fault)
{
    uint64_t deadline_ns = clock_monotonic_ns() + patience_ns;
    int r;
    while ((r = upkeep_settle(upkeep, fault)) == 0 && clock_monotonic_ns() < deadline_ns &&
           !(cancelled && atomic_load(cancelled)))
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    return r;
}

int upkeep_begin(struct upkeep *upkeep, const struct manifest *changes, struct fault *fault)
{
    AUTO_FREE uint64_t *numbers = NULL;
    size_t count = 0;
    int r = dataset_list_manifests(upkeep->folder, &numbers, &count, fault);
    if (r < 0)
        return r;
    uint64_t last = count ? numbers[count - 1] : 0;
    return write_manifest(upkeep->folder, last + 1, changes, fault);
}
