/* SPDX-License-Identifier: Apache-2.0 */

/*
 * For LD_PRELOAD: puts a daemon into situations that are rare otherwise. The environment says which:
 * INTERPOSE_CLOCK=SECONDS   the wall clock is that much ahead
 * INTERPOSE_DIE_AFTER=TYPE  killed just after it has journaled a record of that type
 * INTERPOSE_BATCH_FAILS=N   the N-th batch look-up finds no memory
 * INTERPOSE_LINK_FAILS=N    likewise the N-th link to an interface
 * INTERPOSE_FILTER_FAILS=N  and the N-th filter on one
 */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#define TCX_INGRESS 46 /* of bpf_attach_type, not in the headers of Debian 12; egress is the next */

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

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real)
        real = (ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
    ssize_t written = real(fd, parts, count);
    uint32_t type = 0; /* the first member of a record's header */
    if (count == 2 && parts[0].iov_len == 16)
        memcpy(&type, parts[0].iov_base, sizeof type);
    if (type && (long)type == number_of("INTERPOSE_DIE_AFTER"))
        raise(SIGKILL);
    return written;
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

int bpf_link_create(int program, int target, enum bpf_attach_type type,
                    const struct bpf_link_create_opts *options)
{
    static __typeof__(bpf_link_create) *real;
    static long calls;
    if ((int)type >= TCX_INGRESS && ++calls == number_of("INTERPOSE_LINK_FAILS")) {
        errno = ENOMEM;
        return -ENOMEM;
    }
    if (!real)
        real = (__typeof__(real))dlsym(RTLD_NEXT, "bpf_link_create");
    return real(program, target, type, options);
}

int bpf_tc_attach(const struct bpf_tc_hook *hook, struct bpf_tc_opts *filter)
{
    static __typeof__(bpf_tc_attach) *real;
    static long calls;
    if (++calls == number_of("INTERPOSE_FILTER_FAILS"))
        return -ENOMEM;
    if (!real)
        real = (__typeof__(real))dlsym(RTLD_NEXT, "bpf_tc_attach");
    return real(hook, filter);
}
