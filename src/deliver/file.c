/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "deliver/driver.h"
#include "deliver/layout.h"
#include "deliver/object.h"

#define SALTS_MAX 10000
#define COPY_PIECE (1UL << 20)

struct file_state {
    char *folder; /* without a slash at its end */
    char *id;
    uint64_t origin;
};

static void file_close(void *opaque)
{
    struct file_state *state = opaque;
    free(state->folder);
    free(state->id);
    free(state);
}

static int file_open(void **ret, const struct destination_settings *settings, struct fault *fault)
{
    struct file_state *state = calloc(1, sizeof *state);
    if (!state)
        return fault_set(fault, -ENOMEM, "out of memory");
    size_t len = strlen(settings->folder);
    while (len > 0 && settings->folder[len - 1] == '/')
        len--;
    state->folder = strndup(settings->folder, len);
    state->id = strdup(settings->flow_log_id);
    state->origin = settings->origin;
    if (!state->folder || !state->id) {
        file_close(state);
        return fault_set(fault, -ENOMEM, "out of memory");
    }
    *ret = state;
    return 0;
}

static int print_path(const struct file_state *state, const char *key, char ret[static PATH_MAX],
                      struct fault *fault)
{
    if ((size_t)snprintf(ret, PATH_MAX, "%s/%s", state->folder, key) < PATH_MAX)
        return 0;
    return fault_set(fault, -ENAMETOOLONG, "%s/%s: path too long", state->folder, key);
}

static int copy_synced(const char *from, const char *to, const atomic_bool *cancelled)
{
    AUTO_CLOSE int source = open(from, O_RDONLY | O_CLOEXEC);
    AUTO_CLOSE int target = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (source < 0 || target < 0)
        return -errno;
    ssize_t put;
    while ((put = sendfile(target, source, NULL, COPY_PIECE)) != 0) {
        if (put < 0 && errno != EINTR)
            return -errno;
        if (atomic_load(cancelled))
            return -ECANCELED;
    }
    return fsync(target) < 0 ? -errno : 0;
}

/* Renames, but never over another file. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    /* A file system without that flag, such as NFS. */
    if (link(from, to) < 0)
        return -errno;
    (void)unlink(from);
    return 0;
}

/*
 * The object under its name, whole or not at all. On the spool's own file system it is the same file;
 * elsewhere a copy is written beside it, under a name that is always the same, so that a crash leaves no more
 * than one. -EEXIST.
 */
static int place(const struct file_state *state, const struct object_file *object, const char *path,
                 const atomic_bool *cancelled)
{
    char aside[PATH_MAX];
    if (link(object->path, path) == 0)
        return 0;
    if (errno == EEXIST)
        return -errno;
    int folder_len = (int)(strrchr(path, '/') + 1 - path);
    if ((size_t)snprintf(aside, sizeof aside, "%.*s.%s_%016llx.tmp", folder_len, path, state->id,
                         (unsigned long long)state->origin) >= sizeof aside)
        return -ENAMETOOLONG;
    int r = copy_synced(object->path, aside, cancelled);
    if (r == 0)
        r = rename_new(aside, path);
    if (r < 0)
        (void)unlink(aside);
    return r;
}

/* 1 when the file is just this object, 0 when it is another. */
static int is_same(const char *path, const struct object_file *object, struct fault *fault)
{
    struct stat found;
    uint8_t sha256[sizeof object->sha256];
    if (stat(path, &found) < 0)
        return fault_set(fault, -errno, "%s: cannot read: %s", path, strerror(errno));
    if (!S_ISREG(found.st_mode) || (uint64_t)found.st_size != object->size)
        return 0;
    int r = object_digest(path, sha256, fault);
    return r < 0 ? r : memcmp(sha256, object->sha256, sizeof sha256) == 0;
}

/*
 * The first of the object's names that is free, or that has these bytes already because it comes again.
 * Returns 1 when it is new.
 */
static int place_somewhere(const struct file_state *state, const struct object_file *object,
                           const atomic_bool *cancelled, char ret_path[static PATH_MAX], struct fault *fault)
{
    char key[LAYOUT_KEY_MAX];
    for (unsigned salt = 0; salt < SALTS_MAX; salt++) {
        if (salt)
            layout_print_successor(object->key, salt, key);
        int r = print_path(state, salt ? key : object->key, ret_path, fault);
        if (r < 0)
            return r;
        r = place(state, object, ret_path, cancelled);
        if (r == 0)
            return 1;
        if (r != -EEXIST)
            return fault_set(fault, r, "%s: cannot create: %s", ret_path, strerror(-r));
        int same = is_same(ret_path, object, fault);
        if (same)
            return same < 0 ? same : 0;
    }
    return fault_set(fault, -EEXIST, "%s: this and %d other names are taken by other objects", ret_path,
                     SALTS_MAX - 1);
}

static int put(const struct file_state *state, const struct object_file *object, const atomic_bool *cancelled,
               struct outcome *ret)
{
    char folder[PATH_MAX];
    int r = print_path(state, object->key, folder, &ret->fault);
    if (r < 0)
        return r;
    *strrchr(folder, '/') = '\0';
    r = file_make_folders(folder, 0755, &ret->fault);
    if (r == 0)
        r = place_somewhere(state, object, cancelled, ret->object, &ret->fault);
    if (r < 0)
        return r;
    file_sync_folder_of(ret->object);
    ret->repeated = r == 0;
    return 0;
}

static void file_put(void *opaque, const struct object_file *object, const atomic_bool *cancelled,
                     struct outcome *ret)
{
    int r = put(opaque, object, cancelled, ret);
    if (r == 0)
        return;
    ret->kind = OUTCOME_RETRY;
    ret->word = r == -EACCES || r == -EPERM || r == -EROFS || r == -ENOENT || r == -ENOTDIR ? ERROR_ACCESS
                                                                                            : ERROR_UNKNOWN;
}

const struct delivery_driver deliver_file_driver = {
    .backoff_max_s = 5, /* nobody is kept busy by asking the disk again */
    .open = file_open,
    .close = file_close,
    .put = file_put,
};
