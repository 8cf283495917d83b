/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The EC2 Query protocol, version 2016-11-15 (api.md 1): an action is a row of the table in ec2.c with its
 * parameters and their bounds. Handlers make their answer as JSON in AWS's member names, which is written as
 * XML: an object is nested elements, an array is <item> elements.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/flow_log_store.h"
#include "api/query.h"
#include "base/buf.h"
#include "base/fault.h"
#include "flow/interface.h"
#include "topology/identity.h"

struct policy;

#define EC2_CONTENT_TYPE "text/xml;charset=UTF-8"

/* An interface that is recorded now. */
struct ec2_interface {
    const struct interface *interface;
    const char *device;
    const struct link *link; /* NULL: gone */
    bool attached;
};

typedef void ec2_interface_visitor(void *context, const struct ec2_interface *interface);

/* What the daemon knows and does for the actions. */
struct ec2_host {
    void *context;
    const struct topology *topology;
    const struct policy *policy; /* of the documents; NULL: none */
    struct flow_log_store *store;

    void (*visit_interfaces)(void *context, ec2_interface_visitor *visit, void *visitor);

    /* The declared flow logs, a new array in the form of flow_log_store.h. */
    json_t *(*declared)(void *context);

    /* Whether it could be delivered where it says. -EINVAL with the reason. */
    int (*check)(void *context, const json_t *flow_log, struct fault *fault);

    /* Begins to deliver for a flow log of the store. -ENOSPC: there are too many; -EINVAL: not possible. */
    int (*start)(void *context, const json_t *flow_log, struct fault *fault);
    void (*stop)(void *context, const char *id);

    /* NULL while deliveries succeed, else one of AWS's words (api.md 2.2). */
    const char *(*delivery_error)(void *context, const char *id);
};

/* What a key may do; an action needs one of them. */
enum ec2_right { EC2_READ = 1, EC2_MANAGE = 2 };

struct ec2_error {
    unsigned status; /* of HTTP */
    char code[64];
    char message[1024];
};

struct ec2_call {
    const struct ec2_host *host;
    const struct query *query;
    struct ec2_error error;
    json_t *upload; /* as ec2_answer() tells it; NULL: none */
};

/* Fills the error and returns NULL, so that handlers can `return ec2_fail(…)`. */
json_t *ec2_fail(struct ec2_call *call, const char *code, const char *format, ...) PRINTF_LIKE(3, 4);
json_t *ec2_fail_status(struct ec2_call *call, unsigned status, const char *code, const char *format, ...)
    PRINTF_LIKE(4, 5);

/*
 * Answers a request as XML; returns the status of HTTP. `rights` are those of whoever asks. `query` NULL: it
 * could not be read, as `fault` says. *ret_upload becomes a new object where AWS would put the result into S3
 * and answer with its URL (else NULL): flowLogId, bucket, key, text, action. The answer in `ret` has the text
 * itself; ec2_answer_result() makes the other one.
 */
unsigned ec2_answer(const struct ec2_host *host, const struct query *query, unsigned rights,
                    const struct fault *fault, json_t **ret_upload, struct buf *ret);

unsigned ec2_answer_result(const char *action, const char *result, struct buf *ret);

/*
 * The same for whoever may do everything and has the parameters as an object of texts. The answer is a new
 * object: that of the action, or one with `code` and `error`.
 */
json_t *ec2_answer_json(const struct ec2_host *host, const json_t *parameters);

/* The same for an error that was found before there was a request to look at. */
unsigned ec2_refuse(const struct ec2_error *error, struct buf *ret);

/*
 * Beyond AWS: where LogDestination names a folder of this host, as file:///FOLDER or /FOLDER (the aws command
 * takes file:// for a file to read), its path; else NULL.
 */
const char *ec2_folder_of(const char *destination);
