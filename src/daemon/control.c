/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/control_client.h"

#define SOCKET_MODE 0660
#define RETRY_S 1 /* before accepting again after descriptors or memory ran out */

/* What an epoll event is about: a client's place, or one of these. */
enum { SOURCE_LISTENER = CONTROL_CLIENTS_MAX, SOURCE_TIMER, SOURCES };

/* Reads its request until there is an answer, then writes that. */
struct client {
    int fd; /* -1 when the place is free */
    uint64_t deadline_ns;
    size_t request_len;
    char *answer; /* owned */
    size_t answer_len;
    size_t sent;
    char request[CONTROL_REQUEST_MAX + 1]; /* one more, for the newline */
};

struct control {
    control_handler *handler;
    void *context;
    int epoll_fd;
    int listen_fd;
    int timer_fd;
    int folder_fd;
    struct stat socket; /* the file we made */
    bool bound;
    bool accepting;
    uint64_t retry_ns; /* when to accept again; 0 when not waiting for that */
    size_t clients_used;
    struct client clients[CONTROL_CLIENTS_MAX];
};

static int watch(struct control *control, int operation, int fd, uint32_t events, uint64_t source)
{
    struct epoll_event event = {.events = events, .data.u64 = source};
    return epoll_ctl(control->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

static void client_drop(struct control *control, struct client *client)
{
    (void)close(client->fd);
    free(client->answer);
    client->fd = -1;
    client->answer = NULL;
    control->clients_used--;
}

static void client_wait(struct control *control, struct client *client, uint32_t events)
{
    if (watch(control, EPOLL_CTL_MOD, client->fd, events, (uint64_t)(client - control->clients)) < 0)
        client_drop(control, client);
}

static json_t *make_error(const char *text)
{
    json_t *answer = json_pack("{s:s}", "error", text);
    return answer ? answer : json_pack("{s:s}", "error", "an error whose text is not UTF-8");
}

static void client_write(struct control *control, struct client *client)
{
    while (client->sent < client->answer_len) {
        ssize_t n =
            send(client->fd, client->answer + client->sent, client->answer_len - client->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            client_wait(control, client, EPOLLOUT);
            return;
        }
        if (n < 0)
            break;
        client->sent += (size_t)n;
    }
    client_drop(control, client);
}

/* Takes over `answer`. */
static void client_answer(struct control *control, struct client *client, json_t *answer)
{
    client->answer = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    json_decref(answer);
    if (!client->answer) {
        client_drop(control, client);
        return;
    }
    client->answer_len = strlen(client->answer);
    client->answer[client->answer_len++] = '\n'; /* in the place of the NUL */
    client->deadline_ns = clock_monotonic_ns() + CONTROL_PATIENCE_S * NS_PER_S;
    client_write(control, client);
}

static void client_serve(struct control *control, struct client *client, size_t len)
{
    struct fault fault = {0};
    json_t *answer = NULL;
    json_t *request = json_loadb(client->request, len, JSON_REJECT_DUPLICATES, NULL);
    const char *command = json_string_value(json_object_get(request, "command"));
    if (command)
        answer = control->handler(control->context, command, request, &fault);
    else if (request)
        (void)fault_set(&fault, -EBADMSG, "the request is no object with a \"command\"");
    else
        (void)fault_set(&fault, -EBADMSG, "the request is no JSON");
    json_decref(request);
    client_answer(control, client, answer ? answer : make_error(fault.text));
}

/* The request ends with its line, or with the stream. */
static void client_read(struct control *control, struct client *client)
{
    for (;;) {
        char *to = client->request + client->request_len;
        size_t room = sizeof client->request - client->request_len;
        ssize_t n = recv(client->fd, to, room, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 || (n == 0 && client->request_len == 0)) {
            client_drop(control, client);
            return;
        }
        const char *end = n == 0 ? to : memchr(to, '\n', (size_t)n);
        if (end) {
            client_serve(control, client, (size_t)(end - client->request));
            return;
        }
        client->request_len += (size_t)n;
        if (client->request_len == sizeof client->request) {
            client_answer(control, client, make_error("the request is too long"));
            return;
        }
    }
}

static void set_accepting(struct control *control, bool accepting)
{
    if (control->accepting == accepting)
        return;
    if (watch(control, EPOLL_CTL_MOD, control->listen_fd, accepting ? EPOLLIN : 0, SOURCE_LISTENER) == 0)
        control->accepting = accepting;
}

static void client_admit(struct control *control, int fd)
{
    struct client *client = control->clients;
    while (client->fd >= 0)
        client++;
    if (watch(control, EPOLL_CTL_ADD, fd, EPOLLIN, (uint64_t)(client - control->clients)) < 0) {
        (void)close(fd);
        return;
    }
    client->fd = fd;
    client->request_len = 0;
    client->sent = 0;
    client->deadline_ns = clock_monotonic_ns() + CONTROL_PATIENCE_S * NS_PER_S;
    control->clients_used++;
}

/* Those there is no place for wait in the kernel's queue until a place is free. */
static void accept_clients(struct control *control)
{
    while (control->clients_used < CONTROL_CLIENTS_MAX) {
        int fd = accept4(control->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            client_admit(control, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            /* Out of descriptors or memory: the listener stays readable, and must not keep us awake. */
            control->retry_ns = clock_monotonic_ns() + RETRY_S * NS_PER_S;
            return;
        }
    }
}

static void drop_late(struct control *control)
{
    uint64_t expirations;
    (void)!read(control->timer_fd, &expirations, sizeof expirations); /* its only use is to wake us */
    uint64_t now = clock_monotonic_ns();
    for (struct client *client = control->clients; client < control->clients + CONTROL_CLIENTS_MAX; client++)
        if (client->fd >= 0 && client->deadline_ns <= now)
            client_drop(control, client);
    if (control->retry_ns <= now)
        control->retry_ns = 0;
}

/* For the first thing that falls due; disarmed when nothing does. */
static void set_timer(struct control *control)
{
    uint64_t first = control->retry_ns;
    for (const struct client *client = control->clients; client < control->clients + CONTROL_CLIENTS_MAX;
         client++)
        if (client->fd >= 0 && (first == 0 || client->deadline_ns < first))
            first = client->deadline_ns;
    const struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(first / NS_PER_S), .tv_nsec = (long)(first % NS_PER_S)}};
    (void)timerfd_settime(control->timer_fd, TFD_TIMER_ABSTIME, &when, NULL); /* valid by construction */
}

static void handle(struct control *control, uint64_t source)
{
    if (source == SOURCE_LISTENER) {
        accept_clients(control);
        return;
    }
    if (source == SOURCE_TIMER) {
        drop_late(control);
        return;
    }
    struct client *client = &control->clients[source];
    if (client->fd < 0)
        return;
    if (client->answer)
        client_write(control, client);
    else
        client_read(control, client);
}

void control_process(struct control *control)
{
    struct epoll_event events[SOURCES];
    int n = epoll_wait(control->epoll_fd, events, SOURCES, 0);
    for (int i = 0; i < n; i++)
        handle(control, events[i].data.u64);
    set_accepting(control, control->retry_ns == 0 && control->clients_used < CONTROL_CLIENTS_MAX);
    set_timer(control);
}

int control_fd(const struct control *control)
{
    return control->epoll_fd;
}

/* 0 when nobody listens there. */
static int probe(const struct sockaddr_un *address, const char *state, struct fault *fault)
{
    int fd AUTO_CLOSE = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fault_set(fault, -errno, "a socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN)
        return fault_set(fault, -EADDRINUSE,
                         "another daemon uses the state folder %s; end it, or use another folder", state);
    if (errno == ECONNREFUSED || errno == ENOENT)
        return 0;
    return fault_set(fault, -errno, "%s/%s: %s", state, CONTROL_SOCKET, strerror(errno));
}

static int remove_stale(struct control *control, const struct sockaddr_un *address, const char *state,
                        struct fault *fault)
{
    struct stat stat;
    if (fstatat(control->folder_fd, CONTROL_SOCKET, &stat, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return 0;
    if (!S_ISSOCK(stat.st_mode))
        return fault_set(fault, -EEXIST, "%s/%s is no socket; move it away", state, CONTROL_SOCKET);
    int r = probe(address, state, fault);
    if (r < 0)
        return r;
    if (unlinkat(control->folder_fd, CONTROL_SOCKET, 0) < 0 && errno != ENOENT)
        return fault_set(fault, -errno, "%s/%s: %s", state, CONTROL_SOCKET, strerror(errno));
    return 0;
}

/* The mode is narrowed before the socket has a name and, against the umask, set again after. */
static int bind_socket(struct control *control, const struct sockaddr_un *address)
{
    int fd = control->listen_fd;
    if (fchmod(fd, SOCKET_MODE) < 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        return -errno;
    control->bound = true;
    if (fstatat(control->folder_fd, CONTROL_SOCKET, &control->socket, AT_SYMLINK_NOFOLLOW) < 0 ||
        fchmodat(control->folder_fd, CONTROL_SOCKET, SOCKET_MODE, 0) < 0 || listen(fd, SOMAXCONN) < 0)
        return -errno;
    return 0;
}

static int listen_in(struct control *control, const char *state, struct fault *fault)
{
    struct sockaddr_un address;
    int address_fd AUTO_CLOSE = -1;
    int r = control_address(state, &address, &address_fd, fault);
    if (r < 0)
        return r;
    control->folder_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (control->folder_fd < 0)
        return fault_set(fault, -errno, "state folder %s: %s", state, strerror(errno));
    /* Of two daemons that start together, only one may judge and replace a stale socket. */
    if (flock(control->folder_fd, LOCK_EX | LOCK_NB) < 0)
        return fault_set(fault, -EADDRINUSE, "another daemon is starting in the state folder %s", state);
    r = remove_stale(control, &address, state, fault);
    if (r == 0) {
        r = bind_socket(control, &address);
        if (r < 0)
            (void)fault_set(fault, r, "%s/%s: %s", state, CONTROL_SOCKET, strerror(-r));
    }
    (void)flock(control->folder_fd, LOCK_UN);
    return r;
}

static int make_descriptors(struct control *control)
{
    control->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    control->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (control->epoll_fd < 0 || control->timer_fd < 0 || control->listen_fd < 0)
        return -errno;
    return watch(control, EPOLL_CTL_ADD, control->timer_fd, EPOLLIN, SOURCE_TIMER);
}

int control_open(struct control **ret, const char *state, control_handler *handler, void *context,
                 struct fault *fault)
{
    struct control *control = calloc(1, sizeof *control);
    if (!control)
        return fault_set(fault, -ENOMEM, "the control socket: out of memory");
    control->handler = handler;
    control->context = context;
    control->epoll_fd = control->listen_fd = control->timer_fd = control->folder_fd = -1;
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        control->clients[i].fd = -1;
    int r = make_descriptors(control);
    if (r < 0)
        (void)fault_set(fault, r, "the control socket: %s", strerror(-r));
    if (r == 0)
        r = listen_in(control, state, fault);
    if (r == 0)
        r = watch(control, EPOLL_CTL_ADD, control->listen_fd, EPOLLIN, SOURCE_LISTENER);
    if (r < 0) {
        control_close(control);
        return r;
    }
    control->accepting = true;
    *ret = control;
    return 0;
}

/* Only the file we made: after a removal by hand, another daemon may have put its own there. */
static void remove_socket(const struct control *control)
{
    struct stat stat;
    if (!control->bound || fstatat(control->folder_fd, CONTROL_SOCKET, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    if (stat.st_ino == control->socket.st_ino && stat.st_dev == control->socket.st_dev)
        (void)unlinkat(control->folder_fd, CONTROL_SOCKET, 0);
}

void control_close(struct control *control)
{
    if (!control)
        return;
    remove_socket(control);
    for (struct client *client = control->clients; client < control->clients + CONTROL_CLIENTS_MAX; client++)
        if (client->fd >= 0)
            client_drop(control, client);
    const int fds[] = {control->listen_fd, control->timer_fd, control->folder_fd, control->epoll_fd};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        cleanup_close(&fds[i]);
    free(control);
}
