/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "daemon/control.h"

/* Longer than the daemon bears with the clients that may be served before this one. */
#define PATIENCE_S (2 * CONTROL_PATIENCE_S)
#define ANSWER_MAX (64 * 1024 * 1024)
#define CHUNK 65536

int control_address(const char *state, struct sockaddr_un *ret, int *folder_fd, struct fault *fault)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    *folder_fd = -1;
    int len = snprintf(ret->sun_path, sizeof ret->sun_path, "%s/%s", state, CONTROL_SOCKET);
    if (len < 0)
        return fault_set(fault, -EINVAL, "%s: not a usable folder name", state);
    if ((size_t)len < sizeof ret->sun_path)
        return 0;
    int fd = open(state, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int error = -errno;
        return fault_set(fault, error, "%s: %s", state, strerror(-error));
    }
    (void)snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", fd, CONTROL_SOCKET);
    *folder_fd = fd;
    return 0;
}

/* One errno for "there is none", whatever part of the way to the socket is missing. */
static int refuse_connection(int error, const char *state, struct fault *fault)
{
    if (error == -ENOENT || error == -ENOTDIR || error == -ECONNREFUSED)
        return fault_set(fault, -ECONNREFUSED,
                         "no daemon answers at %s/%s; start flowlogd, or name its state folder with --state",
                         state, CONTROL_SOCKET);
    if (error == -EAGAIN || error == -EINPROGRESS)
        return fault_set(fault, -ETIMEDOUT, "the daemon at %s/%s takes no connection within %d s", state,
                         CONTROL_SOCKET, PATIENCE_S);
    return fault_set(fault, error, "%s/%s: %s", state, CONTROL_SOCKET, strerror(-error));
}

static int connect_to(const char *state, int *ret, struct fault *fault)
{
    struct sockaddr_un address;
    int folder AUTO_CLOSE = -1;
    int r = control_address(state, &address, &folder, fault);
    if (r < 0)
        return refuse_connection(r, state, fault);
    int fd AUTO_CLOSE = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fault_set(fault, -errno, "a socket: %s", strerror(errno));
    /* Bounds connect() too, which waits while the daemon's queue is full. */
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
        return fault_set(fault, -errno, "a socket's timeout: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return refuse_connection(-errno, state, fault);
    *ret = TAKE_FD(fd);
    return 0;
}

/* Takes `request` over. */
static int send_request(int fd, json_t *request)
{
    char *text AUTO_FREE = request ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    if (!text)
        return -EINVAL;
    size_t len = strlen(text);
    text[len++] = '\n'; /* in the place of the NUL */
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, text + sent, len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        sent += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int wait_readable(int fd, uint64_t deadline)
{
    for (;;) {
        uint64_t now = clock_monotonic_ns();
        if (now >= deadline)
            return -ETIMEDOUT;
        struct pollfd one = {.fd = fd, .events = POLLIN};
        int n = poll(&one, 1, (int)((deadline - now) / NS_PER_MS) + 1);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -errno;
    }
}

/* Up to and without the newline. */
static int receive_line(int fd, struct buf *line)
{
    uint64_t deadline = clock_monotonic_ns() + PATIENCE_S * NS_PER_S;
    for (;;) {
        int r = wait_readable(fd, deadline);
        if (r < 0)
            return r;
        char *to = buf_reserve(line, CHUNK);
        if (!to)
            return -EBADMSG;
        ssize_t n = recv(fd, to, CHUNK, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == ECONNRESET ? -EBADMSG : -errno;
        if (n == 0)
            return -EBADMSG;
        const char *end = memchr(to, '\n', (size_t)n);
        line->len += end ? (size_t)(end - to) : (size_t)n;
        if (end)
            return 0;
    }
}

static int read_answer(const struct buf *line, json_t **ret, struct fault *fault)
{
    json_t *answer = json_loadb(line->data, line->len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(answer)) {
        json_decref(answer);
        return fault_set(fault, -EBADMSG, "the daemon's answer is no JSON object");
    }
    const char *error = json_string_value(json_object_get(answer, "error"));
    if (error) {
        (void)fault_set(fault, -EREMOTEIO, "%s", error);
        json_decref(answer);
        return -EREMOTEIO;
    }
    *ret = answer;
    return 0;
}

int control_ask(const char *state, const char *command, json_t **ret, struct fault *fault)
{
    return control_request(state, json_pack("{s:s}", "command", command), ret, fault);
}

int control_request(const char *state, json_t *request, json_t **ret, struct fault *fault)
{
    int fd AUTO_CLOSE = -1;
    int r = connect_to(state, &fd, fault);
    if (r < 0) {
        json_decref(request);
        return r;
    }
    AUTO_BUF struct buf line = BUF_INIT(ANSWER_MAX);
    r = send_request(fd, request);
    if (r == 0)
        r = receive_line(fd, &line);
    if (r == -EBADMSG)
        return fault_set(fault, r, "the daemon at %s/%s ended its answer early", state, CONTROL_SOCKET);
    if (r == -ETIMEDOUT)
        return fault_set(fault, r, "the daemon at %s/%s does not answer within %d s", state, CONTROL_SOCKET,
                         PATIENCE_S);
    if (r < 0)
        return fault_set(fault, r, "%s/%s: %s", state, CONTROL_SOCKET, strerror(-r));
    r = read_answer(&line, ret, fault);
    if (r < 0)
        fault_prefix(fault, "%s/%s", state, CONTROL_SOCKET);
    return r;
}
