/* SPDX-License-Identifier: Apache-2.0 */

/*
 * For LD_PRELOAD: puts a daemon into situations that are rare otherwise. The environment says which:
 * INTERPOSE_CLOCK=SECONDS   the wall clock is that much ahead
 * INTERPOSE_DIE_AT=MAP      killed just before it removes something from the kernel map of that name
 * INTERPOSE_BATCH_FAILS=N   the N-th batch look-up finds no memory
 */

#include <bpf/bpf.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long number_of(const char *name)
{
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int r = real(clock, ret);
    if (r == 0 && clock == CLOCK_REALTIME)
        ret->tv_sec += number_of("INTERPOSE_CLOCK");
    return r;
}

int bpf_map_delete_elem(int fd, const void *key)
{
    static int (*real)(int, const void *);
    const char *doomed = getenv("INTERPOSE_DIE_AT");
    struct bpf_map_info info = {0};
    __u32 len = sizeof info;
    if (doomed && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && strcmp(info.name, doomed) == 0)
        raise(SIGKILL);
    if (!real)
        real = (int (*)(int, const void *))dlsym(RTLD_NEXT, "bpf_map_delete_elem");
    return real(fd, key);
}

int bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, __u32 *count,
                         const struct bpf_map_batch_opts *options)
{
    static __typeof__(bpf_map_lookup_batch) *real;
    static long calls;
    if (++calls == number_of("INTERPOSE_BATCH_FAILS")) {
        errno = ENOMEM;
        return -ENOMEM;
    }
    if (!real)
        real = (__typeof__(real))dlsym(RTLD_NEXT, "bpf_map_lookup_batch");
    return real(fd, in, out, keys, values, count, options);
}
