/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aws/source.h"
#include "base/buf.h"
#include "base/clock.h"

#define OUTPUT_MAX (64UL * 1024)
#define PATIENCE_NS (60 * NS_PER_S)
#define POLL_MS 100 /* how often the cancel flag is looked at */

/* With its output on `out`; input from nowhere, errors to where ours go; a process group of its own. */
static int start_shell(const char *command, int out, pid_t *ret)
{
    char *const arguments[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    (void)sigemptyset(&none);
    int r = -posix_spawn_file_actions_init(&actions);
    if (r < 0)
        return r;
    r = -posix_spawnattr_init(&attributes);
    if (r == 0) {
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        r = -posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
            r = -posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        if (r == 0)
            r = -posix_spawn(ret, "/bin/sh", &actions, &attributes, arguments, environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return r;
}

/* 1 with more, 0 at the end, -EAGAIN when there is nothing yet. */
static int read_some(int from, struct buf *to)
{
    struct pollfd waiting = {.fd = from, .events = POLLIN};
    if (poll(&waiting, 1, POLL_MS) <= 0)
        return -EAGAIN;
    char *room = buf_reserve(to, 4096);
    if (!room)
        return -EFBIG;
    ssize_t got = read(from, room, 4096);
    if (got < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    to->len += (size_t)got;
    return got > 0;
}

static int read_output(int from, const atomic_bool *cancelled, struct buf *to, struct fault *fault)
{
    uint64_t deadline_ns = clock_monotonic_ns() + PATIENCE_NS;
    int r;
    while ((r = read_some(from, to)) != 0) {
        if (r < 0 && r != -EAGAIN)
            return fault_set(fault, r, "its output cannot be read: %s", strerror(-r));
        if (cancelled && atomic_load(cancelled))
            return fault_set(fault, -ECANCELED, "cancelled");
        if (clock_monotonic_ns() > deadline_ns)
            return fault_set(fault, -ETIMEDOUT, "it has not ended after a minute");
    }
    return 0;
}

static int reap(pid_t child, bool kill_it)
{
    int status = 0;
    if (kill_it)
        (void)kill(-child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int run(const char *command, const atomic_bool *cancelled, struct buf *output, struct fault *fault)
{
    int ends[2];
    pid_t child = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fault_set(fault, -errno, "no pipe: %s", strerror(errno));
    int r = start_shell(command, ends[1], &child);
    close(ends[1]);
    if (r < 0) {
        close(ends[0]);
        return fault_set(fault, r, "cannot be started: %s", strerror(-r));
    }
    r = read_output(ends[0], cancelled, output, fault);
    close(ends[0]);
    int status = reap(child, r < 0);
    if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        return fault_set(fault, -EIO, "it failed with status %d",
                         WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return r;
}

int source_ask_process(struct source_query *query, const char *command, struct key_set *ret,
                       struct fault *fault)
{
    AUTO_SECRET_BUF struct buf output = BUF_INIT(OUTPUT_MAX);
    int r = run(command, query->cancelled, &output, fault);
    if (r == 0)
        r = key_set_read_json(ret, output.data ? output.data : "", output.len, fault);
    if (r < 0)
        fault_prefix(fault, "credential_process");
    return r < 0 ? r : 1;
}
