/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/twice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"

static int copy(int from, int to)
{
    char chunk[65536];
    ssize_t got;
    while ((got = read(from, chunk, sizeof chunk)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        int r = got < 0 ? -errno : file_write_all(to, chunk, (size_t)got);
        if (r < 0)
            return r;
    }
    return 0;
}

/* An open file without a name; -errno. */
static int nameless(void)
{
    AUTO_FCLOSE FILE *file = tmpfile();
    int fd = file ? dup(fileno(file)) : -1;
    return fd < 0 ? -errno : fd;
}

static void set_kept(struct twice *twice, int fd)
{
    twice->fd = fd;
    (void)snprintf(twice->own_path, sizeof twice->own_path, "/proc/self/fd/%d", fd);
    twice->path = twice->own_path;
}

static int keep(struct twice *ret, int from, struct fault *fault)
{
    AUTO_CLOSE int fd = nameless();
    int r = fd < 0 ? fd : copy(from, fd);
    if (r < 0)
        return fault_set(fault, r, "%s: cannot keep it in a temporary file: %s", ret->name, strerror(-r));
    set_kept(ret, TAKE_FD(fd));
    return 0;
}

int twice_open(struct twice *ret, const char *name, struct fault *fault)
{
    struct stat status;
    *ret = (struct twice){.name = name, .path = name, .fd = -1};
    if (strcmp(name, "-") == 0)
        return keep(ret, STDIN_FILENO, fault);
    if (stat(name, &status) < 0 || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))
        return 0; /* what is wrong with it the reader tells */
    AUTO_CLOSE int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault_set(fault, -errno, "%s: cannot open: %s", name, strerror(errno));
    return keep(ret, fd, fault);
}

int twice_open_text(struct twice *ret, const char *name, const char *text, size_t len, struct fault *fault)
{
    AUTO_CLOSE int fd = nameless();
    *ret = (struct twice){.name = name, .fd = -1};
    int r = fd < 0 ? fd : file_write_all(fd, text, len);
    if (r < 0)
        return fault_set(fault, r, "%s: cannot keep it in a temporary file: %s", name, strerror(-r));
    set_kept(ret, TAKE_FD(fd));
    return 0;
}

void twice_close(struct twice *twice)
{
    if (twice->path && twice->fd >= 0)
        (void)close(twice->fd);
}
