/* SPDX-License-Identifier: Apache-2.0 */
#include "api/flow_log_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"

#define FILE_MAX (64 * 1024 * 1024)
#define TOKENS_MAX 1024 /* the oldest is forgotten */

struct flow_log_store {
    char path[PATH_MAX];
    json_t *document; /* version, flow-logs, tags, tokens */
};

static json_t *part(const struct flow_log_store *store, const char *name)
{
    return json_object_get(store->document, name);
}

static json_t *make_document(void)
{
    return json_pack("{s:i, s:[], s:{}, s:{}}", "version", FLOW_LOG_STORE_VERSION, "flow-logs", "tags",
                     "tokens");
}

static bool has_text(const json_t *object, const char *name)
{
    return json_is_string(json_object_get(object, name));
}

static bool is_flow_log(const json_t *flow_log)
{
    static const char *const members[] = {"flowLogId",          "resourceId", "trafficType",
                                          "logDestinationType", "logFormat",  "creationTime"};
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (!has_text(flow_log, members[i]))
            return false;
    return json_is_integer(json_object_get(flow_log, "maxAggregationInterval")) &&
           (has_text(flow_log, "logDestination") || has_text(flow_log, "logGroupName"));
}

/* Why the document is no store of this version, or NULL. */
static const char *find_flaw(const json_t *document)
{
    size_t i;
    const json_t *flow_log;
    if (!json_is_object(document))
        return "it is no JSON object";
    if (json_integer_value(json_object_get(document, "version")) != FLOW_LOG_STORE_VERSION)
        return "its version is unknown";
    if (!json_is_array(json_object_get(document, "flow-logs")) ||
        !json_is_object(json_object_get(document, "tags")) ||
        !json_is_object(json_object_get(document, "tokens")))
        return "a member is missing";
    json_array_foreach(json_object_get(document, "flow-logs"), i, flow_log)
    {
        if (!is_flow_log(flow_log))
            return "a flow log lacks a member";
    }
    return NULL;
}

static int set_aside(struct flow_log_store *store, const char *flaw, struct fault *fault)
{
    char aside[PATH_MAX + 32];
    (void)snprintf(aside, sizeof aside, "%s.wrong-%llu", store->path,
                   (unsigned long long)(clock_wall_ns() / NS_PER_S));
    if (rename(store->path, aside) < 0)
        return fault_set(fault, -errno, "%s cannot be used: %s; nor can it be moved away: %s", store->path,
                         flaw, strerror(errno));
    return fault_set(fault, -EBADMSG,
                     "%s cannot be used: %s; it is now %s, and the flow logs in it do not run", store->path,
                     flaw, aside);
}

static int load(struct flow_log_store *store, struct fault *fault)
{
    AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
    json_error_t error;
    int r = access(store->path, F_OK) < 0 && errno == ENOENT ? -ENOENT : file_read(store->path, &text, fault);
    if (r < 0 && r != -ENOENT)
        return r;
    json_t *document = r == 0
                           ? json_loadb(text.data ? text.data : "", text.len, JSON_REJECT_DUPLICATES, &error)
                           : make_document();
    const char *flaw = document ? find_flaw(document) : error.text;
    store->document = flaw ? make_document() : json_incref(document);
    r = flaw ? set_aside(store, flaw, fault) : 0;
    json_decref(document);
    return store->document ? r : -ENOMEM;
}

int flow_log_store_open(struct flow_log_store **ret, const char *state, struct fault *fault)
{
    struct flow_log_store *store = calloc(1, sizeof *store);
    if (!store)
        return fault_set(fault, -ENOMEM, "flow logs: out of memory");
    (void)snprintf(store->path, sizeof store->path, "%.4000s/" FLOW_LOG_STORE_FILE, state);
    int r = load(store, fault);
    if (r < 0 && r != -EBADMSG) {
        flow_log_store_close(store);
        return r;
    }
    *ret = store;
    return r;
}

void flow_log_store_close(struct flow_log_store *store)
{
    if (!store)
        return;
    json_decref(store->document);
    free(store);
}

const json_t *flow_log_store_list(const struct flow_log_store *store)
{
    return part(store, "flow-logs");
}

static size_t find_place(const json_t *list, const char *id)
{
    size_t place = 0;
    while (place < json_array_size(list) &&
           strcmp(json_string_value(json_object_get(json_array_get(list, place), "flowLogId")), id) != 0)
        place++;
    return place;
}

const json_t *flow_log_store_find(const struct flow_log_store *store, const char *id)
{
    const json_t *list = flow_log_store_list(store);
    return json_array_get(list, find_place(list, id));
}

const json_t *flow_log_store_tags(const struct flow_log_store *store, const char *id)
{
    return json_object_get(part(store, "tags"), id);
}

const json_t *flow_log_store_answered(const struct flow_log_store *store, const char *token)
{
    return json_object_get(part(store, "tokens"), token);
}

static void forget_oldest(json_t *tokens)
{
    const char *oldest = NULL;
    json_int_t oldest_time = 0;
    const char *token;
    const json_t *answered;
    if (json_object_size(tokens) < TOKENS_MAX)
        return;
    json_object_foreach(tokens, token, answered)
    {
        json_int_t time = json_integer_value(json_object_get(answered, "time"));
        if (!oldest || time < oldest_time) {
            oldest = token;
            oldest_time = time;
        }
    }
    (void)json_object_del(tokens, oldest);
}

json_t *flow_log_store_draft(const struct flow_log_store *store)
{
    return json_deep_copy(store->document);
}

static void spoil(json_t *draft)
{
    (void)json_object_del(draft, "version");
}

int flow_log_store_commit(struct flow_log_store *store, json_t *draft, struct fault *fault)
{
    bool whole = json_object_get(draft, "version");
    char *text AUTO_FREE = whole ? json_dumps(draft, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
    int r = text ? file_replace(store->path, text, strlen(text), fault)
                 : fault_set(fault, -ENOMEM, "%s: out of memory", store->path);
    json_decref(r < 0 ? draft : store->document);
    if (r == 0)
        store->document = draft;
    return r;
}

void flow_log_draft_add(json_t *draft, json_t *flow_log)
{
    if (json_array_append(json_object_get(draft, "flow-logs"), flow_log) < 0)
        spoil(draft);
}

void flow_log_draft_remove(json_t *draft, const char *id)
{
    json_t *list = json_object_get(draft, "flow-logs");
    (void)json_array_remove(list, find_place(list, id));
    (void)json_object_del(json_object_get(draft, "tags"), id);
}

void flow_log_draft_set_tags(json_t *draft, const char *id, json_t *tags)
{
    if (json_object_set_new(json_object_get(draft, "tags"), id, tags) < 0)
        spoil(draft);
}

void flow_log_draft_note_answer(json_t *draft, const char *token, json_t *answered)
{
    json_t *tokens = json_object_get(draft, "tokens");
    forget_oldest(tokens);
    if (json_object_set_new(tokens, token, answered) < 0)
        spoil(draft);
}
