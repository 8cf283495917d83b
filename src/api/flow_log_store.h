/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Flow logs made through the API, the tags of all flow logs, and the idempotency tokens of the last requests:
 * a JSON file of the state folder and a journal (flow/journal.h) of the changes since it was written, so that
 * a change costs what it changes, however much there is. A flow log is an object in AWS's member names:
 * flowLogId, resourceId, trafficType, logDestinationType, logDestination, logGroupName,
 * deliverLogsPermissionArn, deliverCrossAccountRole, logFormat, maxAggregationInterval (a number),
 * destinationOptions, creationTime.
 */

#include <jansson.h>

#include "base/fault.h"
#include "base/macro.h"

#define FLOW_LOG_STORE_FILE "flow-logs.json"
#define FLOW_LOG_STORE_JOURNAL "flow-logs.journal"
#define FLOW_LOG_STORE_VERSION 2 /* 1 had no journal */
#define FLOW_LOG_STORE_TOKENS 1024

struct flow_log_store;

/*
 * A file that is no such store is set aside, with a name that tells when, and *ret is empty; of a journal
 * what is damaged is set aside with all behind it, and *ret is as it was before. The fault says so with the
 * return value -EBADMSG, and *ret is usable all the same. Other errors leave no store.
 */
int flow_log_store_open(struct flow_log_store **ret, const char *state, struct fault *fault) MUST_USE;
void flow_log_store_close(struct flow_log_store *store);

/* Borrowed: an array, in the order in which they were made. */
const json_t *flow_log_store_list(const struct flow_log_store *store);
const json_t *flow_log_store_find(const struct flow_log_store *store, const char *id);

/* Borrowed: an object of keys and values; NULL when there is none. */
const json_t *flow_log_store_tags(const struct flow_log_store *store, const char *id);
/* What was answered to a request with that token: an object with `request`, a hash of it, and `answer`. NULL:
 * none, or it was not one of the last FLOW_LOG_STORE_TOKENS. */
const json_t *flow_log_store_answered(const struct flow_log_store *store, const char *token);

/*
 * Changes are collected in a draft, a new reference, or NULL without memory. When a draft is committed, all
 * of it is on disk and in force; after an error everything is as it was. It is taken over in every case. What
 * cannot be put into a draft for want of memory makes its commit fail.
 */
json_t *flow_log_store_draft(void);
int flow_log_store_commit(struct flow_log_store *store, json_t *draft, struct fault *fault) MUST_USE;

void flow_log_draft_add(json_t *draft, json_t *flow_log);                  /* flow_log stays the caller's */
void flow_log_draft_remove(json_t *draft, const char *id);                 /* with its tags */
void flow_log_draft_set_tags(json_t *draft, const char *id, json_t *tags); /* takes tags over */
void flow_log_draft_note_answer(json_t *draft, const char *token, json_t *answered); /* takes answered over */
