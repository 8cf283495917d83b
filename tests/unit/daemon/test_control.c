/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "daemon/control_client.h"

#define BIG_ANSWER (4 * 1024 * 1024) /* more than a socket's buffers hold */
#define STATUS "{\"command\":\"status\"}"
#define STATUS_ANSWER "{\"capturing\":true,\"version\":\"7\"}\n"
#define NO_JSON "{\"error\":\"the request is no JSON\"}\n"
#define NO_COMMAND "{\"error\":\"the request is no object with a \\\"command\\\"\"}\n"

/* A daemon in a thread, and its state folder. */
struct scene {
    char folder[64];
    struct control *control;
    pthread_t thread;
    atomic_bool stop;
};

static json_t *answer_big(void)
{
    char *text AUTO_FREE = malloc(BIG_ANSWER);
    if (!text)
        return NULL;
    memset(text, 'x', BIG_ANSWER);
    return json_pack("{s:s%}", "text", text, (size_t)BIG_ANSWER);
}

static json_t *answer(void *context, const char *command, const json_t *request, struct fault *fault)
{
    if (strcmp(command, "status") == 0)
        return json_pack("{s:b, s:s}", "capturing", 1, "version", "7");
    if (strcmp(command, "big") == 0)
        return answer_big();
    if (strcmp(command, "latin") == 0)
        (void)fault_set(fault, -EINVAL, "caf\xe9");
    else
        (void)fault_set(fault, -EINVAL, "unknown command '%s'", command);
    return NULL;
}

static void *serve(void *context)
{
    struct scene *scene = context;
    while (!atomic_load(&scene->stop)) {
        struct pollfd one = {.fd = control_fd(scene->control), .events = POLLIN};
        if (poll(&one, 1, 20) > 0)
            control_process(scene->control);
    }
    return NULL;
}

static int set_up(void **state)
{
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    (void)snprintf(scene.folder, sizeof scene.folder, "/tmp/flowlog-control-XXXXXX");
    assert_non_null(mkdtemp(scene.folder));
    assert_int_equal(control_open(&scene.control, scene.folder, answer, NULL, NULL), 0);
    assert_int_equal(pthread_create(&scene.thread, NULL, serve, &scene), 0);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    atomic_store(&scene->stop, true);
    assert_int_equal(pthread_join(scene->thread, NULL), 0);
    control_close(scene->control);
    assert_int_equal(rmdir(scene->folder), 0); /* so the socket is gone */
    return 0;
}

static int connect_raw(const struct scene *scene)
{
    struct sockaddr_un address;
    int folder;
    assert_int_equal(control_address(scene->folder, &address, &folder, NULL), 0);
    assert_int_equal(folder, -1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All that comes until the daemon closes. */
static void assert_receives(int fd, const char *expected)
{
    char text[1024];
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    assert_string_equal(text, expected);
}

static void assert_answer(const struct scene *scene, const char *request, const char *expected)
{
    int fd AUTO_CLOSE = connect_raw(scene);
    send_text(fd, request);
    assert_receives(fd, expected);
}

static void assert_status_works(const struct scene *scene)
{
    json_t *document;
    assert_int_equal(control_ask(scene->folder, "status", &document, NULL), 0);
    assert_true(json_is_true(json_object_get(document, "capturing")));
    assert_string_equal(json_string_value(json_object_get(document, "version")), "7");
    json_decref(document);
}

static void test_both_ends(void **state)
{
    const struct scene *scene = *state;
    assert_status_works(scene);
    assert_status_works(scene);

    struct fault fault = {0};
    json_t *document = NULL;
    assert_int_equal(control_ask(scene->folder, "brew", &document, &fault), -EREMOTEIO);
    assert_non_null(strstr(fault.text, "unknown command 'brew'"));
    assert_int_equal(control_ask(scene->folder, "latin", &document, &fault), -EREMOTEIO);
    assert_non_null(strstr(fault.text, "not UTF-8"));
    assert_null(document);
}

static void test_only_owner_and_group(void **state)
{
    const struct scene *scene = *state;
    char path[128];
    struct stat found;
    (void)snprintf(path, sizeof path, "%s/%s", scene->folder, CONTROL_SOCKET);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0660);
}

static void test_answer_larger_than_the_buffers(void **state)
{
    const struct scene *scene = *state;
    json_t *document;
    assert_int_equal(control_ask(scene->folder, "big", &document, NULL), 0);
    assert_int_equal(json_string_length(json_object_get(document, "text")), BIG_ANSWER);
    json_decref(document);
}

static void test_rubbish(void **state)
{
    static const struct {
        const char *request;
        const char *answer;
    } rows[] = {
        {"GET / HTTP/1.1\r\n", NO_JSON},
        {"\n", NO_JSON},
        {"{\"command\":\"status\"\n", NO_JSON},
        {"{\"command\":\"status\",\"command\":\"big\"}\n", NO_JSON},
        {"\xff\xfe\n", NO_JSON},
        {"[1]\n", NO_COMMAND},
        {"{\"command\":7}\n", NO_COMMAND},
        {STATUS "\nmore\n", STATUS_ANSWER},
    };
    const struct scene *scene = *state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_answer(scene, rows[i].request, rows[i].answer);
    assert_status_works(scene);
}

static void test_request_in_pieces_and_without_newline(void **state)
{
    int fd AUTO_CLOSE = connect_raw(*state);
    for (const char *c = STATUS; *c; c++)
        assert_int_equal(send(fd, c, 1, MSG_NOSIGNAL), 1);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_receives(fd, STATUS_ANSWER);
}

static void test_huge_request(void **state)
{
    const struct scene *scene = *state;
    char request[CONTROL_REQUEST_MAX + 2];
    memset(request, ' ', sizeof request);
    request[CONTROL_REQUEST_MAX + 1] = '\0';
    assert_answer(scene, request, "{\"error\":\"the request is too long\"}\n");

    /* The longest allowed. */
    memcpy(request, STATUS, strlen(STATUS));
    request[CONTROL_REQUEST_MAX] = '\n';
    assert_answer(scene, request, STATUS_ANSWER);
}

/* All places taken by clients that say nothing, one that does not read: they go, who waits is served. */
static void test_silent_clients(void **state)
{
    const struct scene *scene = *state;
    int fds[CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = connect_raw(scene);
    send_text(fds[0], "{\"command\":\"big\"}\n");

    uint64_t began = clock_monotonic_ns();
    assert_status_works(scene);
    uint64_t took_ms = (clock_monotonic_ns() - began) / NS_PER_MS;
    assert_in_range(took_ms, CONTROL_PATIENCE_S * 1000 - 500, CONTROL_PATIENCE_S * 1000 + 4000);

    for (size_t i = 1; i < ARRAY_SIZE(fds); i++)
        assert_receives(fds[i], "");
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        (void)close(fds[i]);
}

static void test_many_clients(void **state)
{
    const struct scene *scene = *state;
    int fds[3 * CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        fds[i] = connect_raw(scene);
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        send_text(fds[i], STATUS "\n");
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        assert_receives(fds[i], STATUS_ANSWER);
        (void)close(fds[i]);
    }
}

static void test_second_daemon(void **state)
{
    const struct scene *scene = *state;
    struct control *second = NULL;
    struct fault fault = {0};
    assert_int_equal(control_open(&second, scene->folder, answer, NULL, &fault), -EADDRINUSE);
    assert_non_null(strstr(fault.text, scene->folder));
    assert_null(second);
    assert_status_works(scene); /* the first one keeps its socket */
}

static void leave_stale_socket(const char *folder)
{
    struct sockaddr_un address;
    int folder_fd AUTO_CLOSE = -1;
    assert_int_equal(control_address(folder, &address, &folder_fd, NULL), 0);
    int fd AUTO_CLOSE = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
}

static void test_stale_socket(void **state)
{
    char folder[] = "/tmp/flowlog-control-XXXXXX";
    assert_non_null(mkdtemp(folder));
    leave_stale_socket(folder);
    json_t *document;
    assert_int_equal(control_ask(folder, "status", &document, NULL), -ECONNREFUSED);
    struct control *control;
    assert_int_equal(control_open(&control, folder, answer, NULL, NULL), 0);
    control_close(control);
    assert_int_equal(control_ask(folder, "status", &document, NULL), -ECONNREFUSED);
    assert_int_equal(rmdir(folder), 0);
}

static void test_file_in_the_way(void **state)
{
    char folder[] = "/tmp/flowlog-control-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, CONTROL_SOCKET);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    struct control *control;
    assert_int_equal(control_open(&control, folder, answer, NULL, NULL), -EEXIST);
    assert_int_equal(unlink(path), 0); /* it was left alone */
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(control_open(&control, folder, answer, NULL, NULL), -ENOENT);
}

static void test_long_folder_name(void **state)
{
    char top[] = "/tmp/flowlog-control-XXXXXX";
    assert_non_null(mkdtemp(top));
    char folder[256];
    (void)snprintf(folder, sizeof folder, "%s/%0150d", top, 0);
    json_t *document;
    assert_int_equal(control_ask(folder, "status", &document, NULL), -ECONNREFUSED);
    assert_int_equal(mkdir(folder, 0700), 0);
    leave_stale_socket(folder);
    struct control *control;
    struct control *second;
    assert_int_equal(control_open(&control, folder, answer, NULL, NULL), 0);
    assert_int_equal(control_open(&second, folder, answer, NULL, NULL), -EADDRINUSE);
    control_close(control);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(rmdir(top), 0);
}

int main(void)
{
#define SERVED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        SERVED(test_both_ends),
        SERVED(test_only_owner_and_group),
        SERVED(test_answer_larger_than_the_buffers),
        SERVED(test_rubbish),
        SERVED(test_request_in_pieces_and_without_newline),
        SERVED(test_huge_request),
        SERVED(test_silent_clients),
        SERVED(test_many_clients),
        SERVED(test_second_daemon),
        cmocka_unit_test(test_stale_socket),
        cmocka_unit_test(test_file_in_the_way),
        cmocka_unit_test(test_long_folder_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
