/* SPDX-License-Identifier: Apache-2.0 */

/* For LD_PRELOAD: the process is killed before its N-th call that changes the disk for good, N = KILL_AT. */

#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void step(void)
{
    static atomic_long steps;
    const char *text = getenv("KILL_AT");
    if (text && atomic_fetch_add(&steps, 1) + 1 == strtol(text, NULL, 10))
        raise(SIGKILL);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int link(const char *from, const char *to)
{
    step();
    return REAL(link)(from, to);
}

int unlink(const char *path)
{
    step();
    return REAL(unlink)(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    step();
    return REAL(unlinkat)(folder, path, flags);
}

int rename(const char *from, const char *to)
{
    step();
    return REAL(rename)(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    step();
    return REAL(mkdir)(path, mode);
}

int rmdir(const char *path)
{
    step();
    return REAL(rmdir)(path);
}

int fsync(int fd)
{
    step();
    return REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    step();
    return REAL(fdatasync)(fd);
}
