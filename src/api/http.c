/* SPDX-License-Identifier: Apache-2.0 */
#include "api/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"

struct connection {
    struct connection *previous, *next;
    int fd;
    uint64_t since_ns; /* since when the request that it is at has been under way */
};

/* A request while it arrives. */
struct incoming {
    char *target;
    struct buf body;
    bool too_large;
    bool begun;                     /* its head was looked at */
    struct MHD_Connection *waiting; /* for an answer that comes later */
    bool resumed;
    struct http_answer later;
};

struct http {
    struct MHD_Daemon *mhd;
    const struct http_route *routes;
    void *context;
    char problem[512];             /* that the library told last */
    struct connection connections; /* ring with this as its head */
};

static void connection_changed(void *context, struct MHD_Connection *mhd, void **socket_context,
                               enum MHD_ConnectionNotificationCode code)
{
    struct http *http = context;
    struct connection *connection = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        connection = calloc(1, sizeof *connection);
        if (!connection)
            return; /* served all the same, within the idle time */
        *connection = (struct connection){.previous = &http->connections,
                                          .next = http->connections.next,
                                          .fd = info ? info->connect_fd : -1,
                                          .since_ns = clock_monotonic_ns()};
        connection->next->previous = connection->previous->next = connection;
    } else if (connection) {
        connection->previous->next = connection->next;
        connection->next->previous = connection->previous;
        free(connection);
        connection = NULL;
    }
    *socket_context = connection;
}

/* A peer that sends or takes a byte now and then is never idle, so the library lets it go on for ever. */
static void drop_late(struct http *http)
{
    uint64_t now = clock_monotonic_ns();
    for (struct connection *c = http->connections.next; c != &http->connections; c = c->next)
        if (c->fd >= 0 && now - c->since_ns > HTTP_REQUEST_S * NS_PER_S)
            (void)shutdown(c->fd, SHUT_RDWR); /* the library finds it ended and closes it */
}

/* The first call for a request: what is returned is its state from now on. */
static void *request_begins(void *context, const char *target, struct MHD_Connection *mhd)
{
    struct incoming *incoming = calloc(1, sizeof *incoming);
    if (!incoming)
        return NULL;
    incoming->body = BUF_INIT(HTTP_BODY_MAX + 1);
    incoming->target = strdup(target);
    return incoming;
}

static void request_ends(void *context, struct MHD_Connection *mhd, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct incoming *incoming = *state;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *connection = info ? info->socket_context : NULL;
    if (connection)
        connection->since_ns = clock_monotonic_ns();
    if (!incoming)
        return;
    free(incoming->target);
    buf_done(&incoming->body);
    buf_done(&incoming->later.body);
    free(incoming);
    *state = NULL;
}

/* Takes over the answer's body. */
static enum MHD_Result send_answer(struct MHD_Connection *mhd, struct http_answer *answer, const char *allow)
{
    if (answer->body.failed) {
        buf_done(&answer->body);
        answer->body = BUF_INIT(1024);
        buf_text(&answer->body, "no memory for the answer\n");
        answer->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        answer->content_type = TEXT_PLAIN;
    }
    size_t len = answer->body.len;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, TAKE(answer->body.data), MHD_RESPMEM_MUST_FREE);
    if (!response)
        return MHD_NO;
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_SERVER, "flowlog/" FLOWLOG_VERSION);
    (void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (allow)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
    enum MHD_Result r = MHD_queue_response(mhd, answer->status, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result refuse(struct MHD_Connection *mhd, unsigned status, const char *text,
                              const char *allow)
{
    struct http_answer answer = {.status = status, .content_type = TEXT_PLAIN, .body = BUF_INIT(4096)};
    buf_text(&answer.body, text);
    return send_answer(mhd, &answer, allow);
}

static bool has_method(const char *methods, const char *method)
{
    size_t len = strlen(method);
    const char *found = strstr(methods, method);
    return len && found && (found[len] == ',' || !found[len]) && (found == methods || found[-1] == ' ');
}

static const struct http_route *find_route(const struct http *http, const char *path)
{
    const struct http_route *route = http->routes;
    while (route->path && strcmp(route->path, path) != 0)
        route++;
    return route->path ? route : NULL;
}

static bool is_announced_too_large(struct MHD_Connection *mhd)
{
    const char *length = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t bytes;
    return length && !num_parse_u64(length, strlen(length), HTTP_BODY_MAX, &bytes);
}

/* Bytes beyond the bound are passed over: an answer in the middle of a request is not possible. */
static void take_body(struct incoming *incoming, const char *data, size_t len)
{
    if (incoming->too_large || incoming->body.len + len > HTTP_BODY_MAX)
        incoming->too_large = true;
    else
        buf_append(&incoming->body, data, len);
}

static enum MHD_Result answer_request(struct http *http, struct MHD_Connection *mhd,
                                      const struct http_route *route, const char *method, const char *path,
                                      struct incoming *incoming)
{
    if (incoming->too_large)
        return refuse(mhd, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large\n", NULL);
    if (incoming->body.failed || !incoming->target)
        return refuse(mhd, MHD_HTTP_SERVICE_UNAVAILABLE, "no memory for the request\n", NULL);
    const struct http_request request = {.method = method,
                                         .path = path,
                                         .target = incoming->target,
                                         .body_len = incoming->body.len,
                                         .body = buf_string(&incoming->body),
                                         .connection = mhd,
                                         .state = incoming};
    struct http_answer answer = {
        .status = MHD_HTTP_OK, .content_type = TEXT_PLAIN, .body = BUF_INIT(HTTP_ANSWER_MAX)};
    route->handle(http->context, &request, &answer);
    if (!incoming->waiting)
        return send_answer(mhd, &answer, NULL);
    buf_done(&answer.body);
    MHD_suspend_connection(mhd);
    return MHD_YES;
}

struct http_ticket *http_defer(const struct http_request *request)
{
    struct incoming *incoming = request->state;
    incoming->waiting = (struct MHD_Connection *)request->connection;
    return (struct http_ticket *)incoming;
}

void http_resume(struct http_ticket *ticket, struct http_answer *answer)
{
    struct incoming *incoming = (struct incoming *)ticket;
    incoming->later = *answer;
    answer->body = (struct buf){0};
    incoming->resumed = true;
    MHD_resume_connection(incoming->waiting);
}

/* Called when a request's head is there, for each piece of its body, and at its end. */
static enum MHD_Result take_request(void *context, struct MHD_Connection *mhd, const char *path,
                                    const char *method, const char *version, const char *data, size_t *len,
                                    void **state)
{
    struct http *http = context;
    struct incoming *incoming = *state;
    if (!incoming)
        return MHD_NO; /* no memory */
    const struct http_route *route = find_route(http, path);
    if (!incoming->begun) {
        incoming->begun = true;
        if (!route)
            return refuse(mhd, MHD_HTTP_NOT_FOUND, "no such path; there are /metrics and /healthz\n", NULL);
        if (!has_method(route->methods, method))
            return refuse(mhd, MHD_HTTP_METHOD_NOT_ALLOWED, "this method is not for this path\n",
                          route->methods);
        if (is_announced_too_large(mhd))
            return refuse(mhd, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large\n", NULL);
        return MHD_YES;
    }
    if (incoming->resumed) {
        struct http_answer answer = incoming->later;
        incoming->later.body = (struct buf){0};
        return send_answer(mhd, &answer, NULL);
    }
    if (*len) {
        take_body(incoming, data, *len);
        *len = 0;
        return MHD_YES;
    }
    return answer_request(http, mhd, route, method, path, incoming);
}

const char *http_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value((struct MHD_Connection *)request->connection, MHD_HEADER_KIND, name);
}

struct header_visit {
    http_header_visitor *visit;
    void *context;
};

static enum MHD_Result visit_header(void *context, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    const struct header_visit *visit = context;
    visit->visit(visit->context, name, value ? value : "");
    return MHD_YES;
}

void http_visit_headers(const struct http_request *request, http_header_visitor *visit, void *context)
{
    struct header_visit visitor = {visit, context};
    (void)MHD_get_connection_values((struct MHD_Connection *)request->connection, MHD_HEADER_KIND,
                                    visit_header, &visitor);
}

static void log_problem(void *context, const char *format, va_list arguments) PRINTF_LIKE(2, 0);
static void log_problem(void *context, const char *format, va_list arguments)
{
    struct http *http = context;
    (void)vsnprintf(http->problem, sizeof http->problem, format, arguments);
    http->problem[strcspn(http->problem, "\n")] = '\0';
    log_debug("api", "%s", http->problem);
}

/* A socket that is heard, or a negative errno. */
static int listen_at(const struct address *address, uint16_t port)
{
    const int on = 1;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&v4.sin_addr, address->bytes + 12, sizeof v4.sin_addr);
    memcpy(&v6.sin6_addr, address->bytes, sizeof v6.sin6_addr);
    bool is_v4 = address->family == 4;
    int fd AUTO_CLOSE =
        socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6,
             is_v4 ? sizeof v4 : sizeof v6) < 0 ||
        listen(fd, HTTP_CONNECTIONS_MAX) < 0)
        return -errno;
    return TAKE_FD(fd);
}

/* TLS 1.2 and 1.3, and what GnuTLS takes for secure today. */
#define PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

static struct MHD_Daemon *start(struct http *http, const struct http_place *place, int fd)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME;
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)place->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)place->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };
    const struct MHD_OptionItem none = {MHD_OPTION_END, 0, NULL};
    return MHD_start_daemon(
        flags | (place->certificate ? MHD_USE_TLS : 0), 0, NULL, NULL, take_request, http,
        MHD_OPTION_EXTERNAL_LOGGER, log_problem, http, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEAD_MAX,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, http,
        MHD_OPTION_URI_LOG_CALLBACK, request_begins, http, MHD_OPTION_NOTIFY_COMPLETED, request_ends, http,
        MHD_OPTION_ARRAY, place->certificate ? tls : &none, MHD_OPTION_END);
}

int http_open(struct http **ret, const struct http_place *place, const struct http_route *routes,
              void *context, struct fault *fault)
{
    char text[ADDRESS_TEXT_MAX];
    int text_len = (int)address_format(text, place->address->bytes, place->address->family);
    int fd AUTO_CLOSE = listen_at(place->address, place->port);
    if (fd < 0)
        return fault_set(fault, fd, "cannot listen on %.*s port %u: %s", text_len, text, place->port,
                         strerror(-fd));
    struct http *http = calloc(1, sizeof *http);
    if (!http)
        return fault_set(fault, -ENOMEM, "the listener: out of memory");
    http->routes = routes;
    http->context = context;
    http->connections.next = http->connections.previous = &http->connections;
    http->mhd = start(http, place, fd);
    if (!http->mhd) {
        (void)fault_set(fault, -EINVAL, "the listener cannot be started%s%s%s", http->problem[0] ? ": " : "",
                        http->problem, place->certificate ? " (certificate and key)" : "");
        free(http);
        return -EINVAL;
    }
    (void)TAKE_FD(fd);
    *ret = http;
    return 0;
}

void http_close(struct http *http)
{
    if (!http)
        return;
    MHD_stop_daemon(http->mhd);
    free(http);
}

int http_fd(const struct http *http)
{
    return MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void http_process(struct http *http)
{
    (void)MHD_run(http->mhd);
    drop_late(http);
}

bool http_is_pending(const struct http *http)
{
    MHD_UNSIGNED_LONG_LONG ms;
    return MHD_get_timeout(http->mhd, &ms) == MHD_YES && ms == 0;
}
