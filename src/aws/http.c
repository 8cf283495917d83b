/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/http.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws/curl.h"
#include "base/cleanup.h"

#define CONNECT_MS 10000
#define STALL_S 30
#define HEADER_MAX (64 * 1024)

struct http {
    CURL *curl;
    char *proxy;
    char *ca_bundle;
    unsigned connect_ms;
    unsigned stall_s;
};

/* What the callbacks of one exchange work on. */
struct exchange {
    const struct http_body *body;
    uint64_t sent;
    struct http_answer *answer;
    const atomic_bool *cancelled;
};

static int copy_setting(char **ret, const char *text)
{
    if (!text)
        return 0;
    *ret = strdup(text);
    return *ret ? 0 : -ENOMEM;
}

int http_new(struct http **ret, const struct http_settings *settings, struct fault *fault)
{
    const struct curl_functions *library;
    int r = curl_load(&library, fault);
    if (r < 0)
        return r;
    AUTO_HTTP struct http *http = calloc(1, sizeof *http);
    if (!http || copy_setting(&http->proxy, settings->proxy) < 0 ||
        copy_setting(&http->ca_bundle, settings->ca_bundle) < 0 || !(http->curl = library->easy_init()))
        return fault_set(fault, -ENOMEM, "out of memory");
    http->connect_ms = settings->connect_ms ? settings->connect_ms : CONNECT_MS;
    http->stall_s = settings->stall_s ? settings->stall_s : STALL_S;
    *ret = TAKE(http);
    return 0;
}

void http_free(struct http *http)
{
    const struct curl_functions *library = curl_loaded();
    if (!http)
        return;
    if (http->curl)
        library->easy_cleanup(http->curl);
    free(http->proxy);
    free(http->ca_bundle);
    free(http);
}

void http_answer_done(struct http_answer *answer)
{
    buf_wipe(&answer->headers);
    buf_wipe(&answer->body);
}

static size_t on_read(char *to, size_t size, size_t count, void *opaque)
{
    struct exchange *exchange = opaque;
    const struct http_body *body = exchange->body;
    uint64_t left = body->len - exchange->sent;
    size_t room = size * count;
    size_t len = left < room ? (size_t)left : room;
    if (body->is_file) {
        ssize_t got = len ? pread(body->fd, to, len, (off_t)(body->offset + exchange->sent)) : 0;
        if (got < 0 || (got == 0 && len > 0))
            return CURL_READFUNC_ABORT; /* the file was cut under our hands */
        len = (size_t)got;
    } else if (len) {
        memcpy(to, (const char *)body->data + exchange->sent, len);
    }
    exchange->sent += len;
    return len;
}

/* curl goes back to the beginning when a kept connection turns out to be dead. */
static int on_seek(void *opaque, curl_off_t offset, int origin)
{
    struct exchange *exchange = opaque;
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > exchange->body->len)
        return CURL_SEEKFUNC_FAIL;
    exchange->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *opaque)
{
    struct exchange *exchange = opaque;
    buf_append(&exchange->answer->body, data, size * count);
    return exchange->answer->body.failed ? 0 : size * count;
}

static size_t on_header(char *data, size_t size, size_t count, void *opaque)
{
    struct exchange *exchange = opaque;
    struct buf *headers = &exchange->answer->headers;
    size_t len = size * count;
    if (len > 5 && memcmp(data, "HTTP/", 5) == 0)
        buf_clear(headers); /* what came before belongs to an interim answer or to a proxy's */
    const char *colon = memchr(data, ':', len);
    if (colon) {
        for (const char *c = data; c < colon; c++)
            buf_char(headers, (char)tolower((unsigned char)*c));
        const char *end = data + len;
        while (end > colon && isspace((unsigned char)end[-1]))
            end--;
        buf_append(headers, colon, (size_t)(end - colon));
        buf_char(headers, '\n');
    }
    return headers->failed ? 0 : len;
}

static int on_progress(void *opaque, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    const struct exchange *exchange = opaque;
    return exchange->cancelled && atomic_load(exchange->cancelled);
}

/* A header without value is only sent when it is written with a semicolon (CURLOPT_HTTPHEADER). */
static int add_header(struct curl_slist **list, const char *name, const char *value)
{
    const struct curl_functions *library = curl_loaded();
    AUTO_BUF struct buf line = BUF_INIT(HEADER_MAX);
    buf_printf(&line, value[0] ? "%s: %s" : "%s;%s", name, value);
    struct curl_slist *longer = line.failed ? NULL : library->slist_append(*list, buf_string(&line));
    explicit_bzero(line.data, line.len);
    if (!longer)
        return -ENOMEM;
    *list = longer;
    return 0;
}

static void free_headers(struct curl_slist **list)
{
    const struct curl_functions *library = curl_loaded();
    for (struct curl_slist *item = *list; item; item = item->next)
        explicit_bzero(item->data, strlen(item->data));
    library->slist_free_all(*list);
}

static int make_headers(const struct http_request *request, struct curl_slist **list)
{
    const struct curl_functions *library = curl_loaded();
    int r = 0;
    for (size_t i = 0; r == 0 && i < request->header_count; i++)
        r = add_header(list, request->headers[i].name, request->headers[i].value);
    /* What curl would add by itself: it waits a second for "100 Continue" of servers that never say it. */
    struct curl_slist *longer = r == 0 ? library->slist_append(*list, "Expect:") : NULL;
    if (!longer)
        return -ENOMEM;
    *list = longer;
    return 0;
}

static void set_body(CURL *curl, const struct http_request *request, struct exchange *exchange)
{
    const struct curl_functions *library = curl_loaded();
    bool is_head = strcmp(request->method, "HEAD") == 0;
    if (request->body) {
        library->easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        library->easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body->len);
        library->easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
        library->easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
        library->easy_setopt(curl, CURLOPT_READDATA, exchange);
        library->easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
        library->easy_setopt(curl, CURLOPT_SEEKDATA, exchange);
    }
    if (is_head)
        library->easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else
        library->easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_limits(const struct http *http, const struct http_request *request)
{
    const struct curl_functions *library = curl_loaded();
    CURL *curl = http->curl;
    library->easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    library->easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)http->connect_ms);
    library->easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    library->easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)http->stall_s);
    library->easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->total_ms);
    library->easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    library->easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    library->easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* keys may hold "/../" */
    if (http->ca_bundle)
        library->easy_setopt(curl, CURLOPT_CAINFO, http->ca_bundle);
    if (request->direct)
        library->easy_setopt(curl, CURLOPT_PROXY, "");
    else if (http->proxy)
        library->easy_setopt(curl, CURLOPT_PROXY, http->proxy);
}

static int exchange_fault(CURLcode code, const struct exchange *exchange, const char *detail, const char *url,
                          struct fault *fault)
{
    int error = -EIO;
    const char *host =
        strstr(url, "://"); /* and no more: path and query may hold what is nobody's business */
    size_t len = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?") : strlen(url);
    if (code == CURLE_ABORTED_BY_CALLBACK && exchange->cancelled && atomic_load(exchange->cancelled))
        return fault_set(fault, -ECANCELED, "%.*s: given up, as the daemon is stopping", (int)len, url);
    if (exchange->answer->body.failed || exchange->answer->headers.failed)
        return fault_set(fault, -EFBIG, "%.*s: the answer is larger than %zu bytes", (int)len, url,
                         exchange->answer->body.max);
    if (code == CURLE_OPERATION_TIMEDOUT)
        error = -ETIMEDOUT;
    return fault_set(fault, error, "%.*s: %s", (int)len, url,
                     detail[0] ? detail : curl_loaded()->easy_strerror(code));
}

int http_exchange(struct http *http, const struct http_request *request, struct http_answer *ret,
                  struct fault *fault)
{
    const struct curl_functions *library = curl_loaded();
    CLEANUP(free_headers) struct curl_slist *headers = NULL;
    struct exchange exchange = {.body = request->body, .answer = ret, .cancelled = request->cancelled};
    char detail[CURL_ERROR_SIZE] = "";
    CURL *curl = http->curl;
    buf_clear(&ret->headers);
    buf_clear(&ret->body);
    if (make_headers(request, &headers) < 0)
        return fault_set(fault, -ENOMEM, "out of memory");
    library->easy_reset(curl); /* keeps its connections */
    library->easy_setopt(curl, CURLOPT_URL, request->url);
    library->easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    library->easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    library->easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    library->easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
    library->easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    library->easy_setopt(curl, CURLOPT_HEADERDATA, &exchange);
    library->easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    library->easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    library->easy_setopt(curl, CURLOPT_XFERINFODATA, &exchange);
    set_limits(http, request);
    set_body(curl, request, &exchange);
    CURLcode code = library->easy_perform(curl);
    library->easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
    if (code != CURLE_OK)
        return exchange_fault(code, &exchange, detail, request->url, fault);
    long status = 0;
    library->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    ret->status = (unsigned)status;
    if (status / 100 == 2 && request->body && exchange.sent < request->body->len)
        return fault_set(fault, -EIO, "%s: HTTP %ld before it had the whole request", request->url, status);
    return 0;
}

const char *http_answer_header(const struct http_answer *answer, const char *name, char *room, size_t size)
{
    size_t name_len = strlen(name);
    const char *line = answer->headers.data;
    const char *end = line ? line + answer->headers.len : NULL;
    room[0] = '\0';
    while (line < end) {
        size_t len = (size_t)((const char *)memchr(line, '\n', (size_t)(end - line)) - line);
        if (len > name_len && line[name_len] == ':' && memcmp(line, name, name_len) == 0) {
            const char *value = line + name_len + 1;
            size_t skip = strspn(value, " \t");
            size_t value_len = len - name_len - 1 - skip;
            if (value_len < size) {
                memcpy(room, value + skip, value_len);
                room[value_len] = '\0';
            }
            return room;
        }
        line += len + 1;
    }
    return room;
}
