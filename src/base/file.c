/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

int file_read(const char *path, struct buf *buf, struct fault *fault)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault_set(fault, -errno, "%s: cannot open: %s", path, strerror(errno));
    for (;;) {
        size_t room = buf->max - buf->len < 65536 ? buf->max - buf->len : 65536;
        char extra = 0;
        char *to = room ? buf_reserve(buf, room) : &extra;
        if (!to)
            return fault_set(fault, -ENOMEM, "%s: out of memory", path);
        ssize_t got = read(fd, to, room ? room : 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_set(fault, -errno, "%s: cannot read: %s", path, strerror(errno));
        if (got == 0)
            return 0;
        if (!room)
            return fault_set(fault, -EFBIG, "%s: larger than %zu bytes", path, buf->max);
        buf->len += (size_t)got;
    }
}

int file_make_folders(const char *path, mode_t mode, struct fault *fault)
{
    char partial[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof partial)
        return fault_set(fault, -ENAMETOOLONG, "%s: path too long", path);
    memcpy(partial, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        partial[i] = '\0';
        if (mkdir(partial, mode) == 0)
            file_sync_folder_of(partial);
        else if (errno != EEXIST)
            return fault_set(fault, -errno, "%s: cannot create the folder: %s", partial, strerror(errno));
        partial[i] = path[i];
    }
    return 0;
}

void file_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int file_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        at += put;
        len -= (size_t)put;
    }
    return 0;
}

static int write_synced(const char *path, mode_t mode, file_filler *fill, void *context)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    int r = fill(context, fd);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    return r;
}

void file_sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int len = slash ? (int)(slash - path) : 1;
    (void)snprintf(folder, sizeof folder, "%.*s", len ? len : 1, slash ? path : ".");
    AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fsync(fd); /* a file system that cannot sync folders has nothing more to offer */
}

static int replace(const char *path, mode_t mode, file_filler *fill, void *context, struct fault *fault)
{
    char aside[PATH_MAX];
    if ((size_t)snprintf(aside, sizeof aside, "%s.tmp", path) >= sizeof aside)
        return fault_set(fault, -ENAMETOOLONG, "%s: path too long", path);
    int r = write_synced(aside, mode, fill, context);
    if (r == 0 && rename(aside, path) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlink(aside);
        return fault_set(fault, r, "%s: cannot write: %s", path, strerror(-r));
    }
    file_sync_folder_of(path);
    return 0;
}

struct bytes {
    const void *data;
    size_t len;
};

static int fill_with_bytes(void *context, int fd)
{
    const struct bytes *bytes = context;
    return file_write_all(fd, bytes->data, bytes->len);
}

int file_replace(const char *path, const void *data, size_t len, struct fault *fault)
{
    return replace(path, 0644, fill_with_bytes, &(struct bytes){data, len}, fault);
}

int file_replace_filled(const char *path, file_filler *fill, void *context, struct fault *fault)
{
    return replace(path, 0644, fill, context, fault);
}

int file_replace_private(const char *path, const void *data, size_t len, struct fault *fault)
{
    return replace(path, 0600, fill_with_bytes, &(struct bytes){data, len}, fault);
}
