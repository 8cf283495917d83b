/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "api/ec2.h"
#include "api/query.h"
#include "api/sign_in.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "daemon/created.h"
#include "daemon/daemon.h"
#include "daemon/upload.h"

#define STATUS_UNAVAILABLE 503
#define HEADERS_MAX 64
#define PEM_MAX (1024 * 1024)

/* Healthy while packets are counted, as for `flowlog status`; an interface that is not recorded is named. */
static void answer_health(void *context, const struct http_request *request, struct http_answer *answer)
{
    const struct daemon *daemon = context;
    answer->status = daemon->capturing ? 200 : STATUS_UNAVAILABLE;
    buf_text(&answer->body, daemon->capturing ? "capturing\n" : "not capturing yet\n");
    for (uint32_t i = 0; i < daemon->registry.count; i++) {
        const struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        if (entry->used && !entry->gone && entry->error[0])
            buf_printf(&answer->body, "%s is not recorded: %s\n", entry->device, entry->error);
    }
}

static const char *query_of(const char *target)
{
    const char *question = strchr(target, '?');
    return question ? question + 1 : "";
}

/* A name of this host. A page that made its own name point here (DNS rebinding) is seen by it. */
static bool is_local_name(const char *host)
{
    struct address address;
    size_t len = host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
    if (host[0] == '[' && len > 0)
        return address_parse(host + 1, len - 1, &address) && address_is_loopback(&address);
    return (len == 9 && strncmp(host, "localhost", len) == 0) ||
           (address_parse(host, len, &address) && address_is_loopback(&address));
}

/*
 * While there are no access keys, any signature of this host's own users will do. But there must be one, in a
 * header, and the request must be for this host: a browser that some page made send a form has neither.
 */
static bool admit_anybody(const struct http_request *request, struct ec2_error *ret)
{
    static const struct ec2_error unsigned_request = {
        403, "MissingAuthenticationToken", "The request must be signed (AWS Signature Version 4)."};
    static const struct ec2_error foreign = {
        403, "AuthFailure",
        "Without access keys, only requests for localhost, 127.0.0.1 or ::1 are answered."};
    const char *authorization = http_header(request, "Authorization");
    const char *host = http_header(request, "Host");
    bool local = host && is_local_name(host);
    bool is_signed = authorization && strncmp(authorization, "AWS4-HMAC-SHA256 ", 17) == 0;
    if (!local || !is_signed)
        *ret = local ? unsigned_request : foreign;
    return local && is_signed;
}

struct headers {
    struct http_header list[HEADERS_MAX];
    size_t count;
    bool too_many;
};

static void add_header(void *context, const char *name, const char *value)
{
    struct headers *headers = context;
    if (headers->count == HEADERS_MAX)
        headers->too_many = true;
    else
        headers->list[headers->count++] = (struct http_header){name, value};
}

static bool admit_key(const struct daemon *daemon, const struct http_request *request, const char *service,
                      unsigned *rights, struct ec2_error *ret)
{
    static const struct ec2_error too_many = {400, "IncompleteSignature",
                                              "The request has too many headers."};
    struct headers headers = {.count = 0};
    AUTO_BUF struct buf path = BUF_INIT(HTTP_HEAD_MAX);
    http_visit_headers(request, add_header, &headers);
    buf_append(&path, request->target, strcspn(request->target, "?"));
    const struct sign_in_request asking = {.service = service,
                                           .method = request->method,
                                           .path = buf_string(&path),
                                           .query = query_of(request->target),
                                           .headers = headers.list,
                                           .header_count = headers.count,
                                           .body = request->body,
                                           .body_len = request->body_len};
    if (!headers.too_many)
        return sign_in(daemon->access_keys, &asking, clock_wall_ns(), rights, ret);
    *ret = too_many;
    return false;
}

static bool has_keys(const struct daemon *daemon)
{
    return json_array_size(access_keys_list(daemon->access_keys)) > 0;
}

/* Beyond this host nobody is let in without one, also when the last was revoked. */
static bool is_admitted_by_key(const struct daemon *daemon)
{
    return has_keys(daemon) || !daemon->listens_to_host;
}

/* *ret_rights is all of them where nobody needs a key. */
static bool admit(const struct daemon *daemon, const struct http_request *request, const char *service,
                  unsigned *ret_rights, struct ec2_error *ret)
{
    *ret_rights = EC2_READ | EC2_MANAGE;
    return is_admitted_by_key(daemon) ? admit_key(daemon, request, service, ret_rights, ret)
                                      : admit_anybody(request, ret);
}

/* What the two APIs call the same refusals. */
static unsigned refuse_logs(const struct ec2_error *error, struct buf *ret)
{
    static const char *const types[][2] = {
        {"MissingAuthenticationToken", "MissingAuthenticationTokenException"},
        {"IncompleteSignature", "IncompleteSignatureException"},
        {"RequestExpired", "InvalidSignatureException"}};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcmp(error->code, types[i][0]) == 0)
            return logs_refuse(types[i][1], error->message, ret);
    return logs_refuse("UnrecognizedClientException", error->message, ret);
}

static void answer_logs(struct daemon *daemon, const char *target, const struct http_request *request,
                        struct http_answer *answer)
{
    const struct config *config = &daemon->config;
    const struct logs_host host = {.store = config->store_path,
                                   .group = config->store.log_group,
                                   .account = config->topology.account,
                                   .region = config->topology.region};
    struct ec2_error error;
    unsigned rights;
    answer->content_type = LOGS_CONTENT_TYPE;
    if (!admit(daemon, request, "logs", &rights, &error))
        answer->status = refuse_logs(&error, &answer->body);
    else if (!(rights & EC2_READ))
        answer->status = logs_refuse("AccessDeniedException", "the access key may not read", &answer->body);
    else
        log_reader_begin(daemon->log_reader, &host, target, request, answer);
}

static void answer_ec2(void *context, const struct http_request *request, struct http_answer *answer)
{
    struct query query AUTO_QUERY = {0};
    struct fault fault = {0};
    struct ec2_error error;
    unsigned rights;
    const struct ec2_host host = created_host(context);
    answer->content_type = EC2_CONTENT_TYPE;
    if (!admit(context, request, "ec2", &rights, &error)) {
        answer->status = ec2_refuse(&error, &answer->body);
        return;
    }
    int r = query_parse(&query, query_of(request->target), request->body, request->body_len, &fault);
    json_t *asked;
    answer->status = ec2_answer(&host, r == 0 ? &query : NULL, rights, &fault, &asked, &answer->body);
    if (asked && answer->status == 200)
        (void)!upload_begin(context, request, asked);
    json_decref(asked);
}

/* Requests of JSON APIs say in a header what they are for. */
static void answer_service(void *context, const struct http_request *request, struct http_answer *answer)
{
    const char *target = http_header(request, "X-Amz-Target");
    if (target)
        answer_logs(context, target, request, answer);
    else
        answer_ec2(context, request, answer);
}

static const struct http_route routes[] = {
    {"/", "GET, POST", answer_service},
    {"/metrics", "GET, HEAD", daemon_answer_metrics},
    {"/healthz", "GET, HEAD", answer_health},
    {NULL},
};

/* PEM texts, for as long as the listener is opened. */
struct pems {
    struct buf certificate;
    struct buf key;
};

static void pems_done(struct pems *pems)
{
    buf_done(&pems->certificate);
    buf_wipe(&pems->key);
}

static int listen_there(struct daemon *daemon, struct fault *fault)
{
    const struct config *config = &daemon->config;
    struct address address;
    struct pems pems CLEANUP(pems_done) = {BUF_INIT(PEM_MAX), BUF_INIT(PEM_MAX)};
    bool tls = config->listen_certificate[0];
    if (!address_parse(config->listen_address, strlen(config->listen_address), &address))
        return fault_set(fault, -EINVAL, "listen.address: %s is no address", config->listen_address);
    daemon->listens_to_host = address_is_loopback(&address);
    if (!daemon->listens_to_host && !has_keys(daemon))
        return fault_set(fault, -EPERM,
                         "%s is not loopback, and there is no access key yet: make one first, flowlog "
                         "access-key create --rights manage --state %s",
                         config->listen_address, daemon->options->state);
    int r = tls ? file_read(config->listen_certificate, &pems.certificate, fault) : 0;
    if (r == 0 && tls)
        r = file_read(config->listen_key, &pems.key, fault);
    if (r < 0)
        return r;
    const struct http_place place = {.address = &address,
                                     .port = (uint16_t)config->listen_port,
                                     .certificate = tls ? buf_string(&pems.certificate) : NULL,
                                     .key = tls ? buf_string(&pems.key) : NULL};
    return http_open(&daemon->http, &place, routes, daemon, fault);
}

/* A port that nobody asked for is no reason not to capture when another program has it. */
int daemon_open_api(struct daemon *daemon, struct fault *fault)
{
    const struct config *config = &daemon->config;
    int r = access_keys_open(&daemon->access_keys, daemon->options->state, fault);
    if (r < 0)
        return r;
    r = log_reader_open(&daemon->log_reader, fault);
    if (r < 0)
        return r;
    r = listen_there(daemon, fault);
    if (r == 0) {
        log_info("api", "listening on %s port %u%s%s", config->listen_address, (unsigned)config->listen_port,
                 config->listen_certificate[0] ? " with TLS" : "",
                 has_keys(daemon)
                     ? ""
                     : "; there are no access keys, so every user of this host may manage flow logs "
                       "(flowlog access-key create)");
        return 0;
    }
    if (config->listen_declared) {
        fault_prefix(fault, "listen");
        return r;
    }
    log_warning("api", "%s; going on without a listener: set listen.port to another one", fault->text);
    *fault = (struct fault){0};
    return 0;
}

int daemon_renew_api(struct daemon *daemon, struct fault *fault)
{
    if (!daemon->http || !daemon->config.listen_certificate[0])
        return 0;
    uploads_close(daemon);
    http_close(TAKE(daemon->http));
    int r = listen_there(daemon, fault);
    return r < 0 ? r : 1;
}
