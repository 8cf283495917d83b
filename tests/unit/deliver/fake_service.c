/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_service.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MAX (32UL << 20)

struct fake_service {
    fake_handler *handler;
    void *context;
    pthread_t thread;
    int listener;
    char endpoint[64];
    char *request;
    size_t len;
};

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "fake service: %s\n", what);
    abort();
}

static bool receive(struct fake_service *service, int connection)
{
    require(service->len < REQUEST_MAX, "a request of reasonable size");
    ssize_t got = read(connection, service->request + service->len, REQUEST_MAX - service->len);
    if (got <= 0)
        return false;
    service->len += (size_t)got;
    service->request[service->len] = '\0';
    return true;
}

/* The number or text behind a header's name. */
static const char *header(const char *request, const char *name)
{
    const char *found = strcasestr(request, name);
    return found ? found + strlen(name) : "";
}

static void reply(int connection, const struct fake_answer *answer)
{
    char head[256];
    const char *body = answer->body ? answer->body : "";
    int len = snprintf(
        head, sizeof head,
        "HTTP/1.1 %u Answer\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %zu\r\n\r\n",
        answer->status, strlen(body));
    require(write(connection, head, (size_t)len) == len, "the head of an answer is written");
    for (size_t at = 0, all = strlen(body); at < all;) {
        ssize_t put = write(connection, body + at, all - at);
        require(put > 0, "an answer is written");
        at += (size_t)put;
    }
}

/* False when the connection is over. */
static bool serve_one(struct fake_service *service, int connection)
{
    char action[64] = "";
    const char *end;
    while (!(end = strstr(service->request, "\r\n\r\n")))
        if (!receive(service, connection))
            return false;
    size_t head = (size_t)(end + 4 - service->request);
    size_t body = strtoul(header(service->request, "\r\nContent-Length:"), NULL, 10);
    if (strcasestr(service->request, "Expect: 100-continue"))
        require(write(connection, "HTTP/1.1 100 Continue\r\n\r\n", 25) == 25, "the go-ahead is written");
    while (service->len < head + body)
        if (!receive(service, connection))
            return false;
    require(sscanf(header(service->request, "\r\nX-Amz-Target:"), "%*[^.].%63[A-Za-z]", action) == 1,
            "a target");
    json_t *json = json_loadb(service->request + head, body, 0, NULL);
    require(json != NULL, "a body that is JSON");
    struct fake_answer answer = service->handler(service->context, action, json);
    json_decref(json);
    if (answer.status)
        reply(connection, &answer);
    free(answer.body);
    service->len = 0;
    service->request[0] = '\0';
    return answer.status != 0;
}

static void *serve(void *opaque)
{
    struct fake_service *service = opaque;
    int connection;
    while ((connection = accept(service->listener, NULL, NULL)) >= 0) {
        service->len = 0;
        service->request[0] = '\0';
        while (serve_one(service, connection))
            ;
        close(connection);
    }
    return NULL;
}

struct fake_service *fake_service_start(fake_handler *handler, void *context)
{
    struct fake_service *service = calloc(1, sizeof *service);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    require(service != NULL, "memory");
    service->handler = handler;
    service->context = context;
    service->request = malloc(REQUEST_MAX + 1);
    service->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(service->request && service->listener >= 0, "memory and a socket");
    require(bind(service->listener, (struct sockaddr *)&address, len) == 0 &&
                listen(service->listener, 16) == 0 &&
                getsockname(service->listener, (struct sockaddr *)&address, &len) == 0,
            "a port");
    (void)snprintf(service->endpoint, sizeof service->endpoint, "http://127.0.0.1:%u",
                   ntohs(address.sin_port));
    require(pthread_create(&service->thread, NULL, serve, service) == 0, "a thread");
    return service;
}

const char *fake_service_endpoint(const struct fake_service *service)
{
    return service->endpoint;
}

/* The client has closed its connections, so the thread waits in accept(). */
void fake_service_stop(struct fake_service *service)
{
    (void)shutdown(service->listener, SHUT_RDWR);
    pthread_join(service->thread, NULL);
    close(service->listener);
    free(service->request);
    free(service);
}

struct fake_answer fake_error(unsigned status, const char *code)
{
    struct fake_answer answer = {.status = status};
    require(asprintf(&answer.body, "{\"__type\":\"%s\",\"message\":\"as the test says\"}", code) > 0,
            "memory");
    return answer;
}
