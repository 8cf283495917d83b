/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "daemon/daemon.h"

#define STATUS_UNAVAILABLE 503

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

static const struct http_route routes[] = {
    {"/metrics", "GET, HEAD", daemon_answer_metrics},
    {"/healthz", "GET, HEAD", answer_health},
    {NULL},
};

/* A port that nobody asked for is no reason not to capture when another program has it. */
int daemon_open_api(struct daemon *daemon, struct fault *fault)
{
    const struct config *config = &daemon->config;
    struct address address;
    if (!address_parse(config->listen_address, strlen(config->listen_address), &address))
        return fault_set(fault, -EINVAL, "listen.address: %s is no address", config->listen_address);
    int r = http_open(&daemon->http, &address, (uint16_t)config->listen_port, routes, daemon, fault);
    if (r == 0) {
        log_info("api", "listening on %s port %u", config->listen_address, (unsigned)config->listen_port);
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
