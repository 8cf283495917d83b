/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An HTTP server on a loopback port, in a thread of its own, that answers the calls of AWS's JSON services as
 * the test says. One connection after the other.
 */

#include <stddef.h>

#include <jansson.h>

struct fake_answer {
    unsigned status;
    char *body; /* freed by the server; NULL: empty. Status 0 closes the connection without an answer */
};

/* `action`: "PutLogEvents", … Runs in the server's thread, while the test waits in a call. */
typedef struct fake_answer fake_handler(void *context, const char *action, const json_t *body);

struct fake_service;

struct fake_service *fake_service_start(fake_handler *handler, void *context);
const char *fake_service_endpoint(const struct fake_service *service); /* "http://127.0.0.1:PORT" */
void fake_service_stop(struct fake_service *service);

/* {"__type": code, "message": …} */
struct fake_answer fake_error(unsigned status, const char *code);
