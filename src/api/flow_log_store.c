/* SPDX-License-Identifier: Apache-2.0 */
#include "api/flow_log_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "flow/journal.h"

#define FILE_MAX (64 * 1024 * 1024)
#define JOURNAL_LEAST (256 * 1024) /* bytes, before what it changes is written anew */

enum { NOTE_CHANGES = 1 };

/*
 * Changes are numbered. The document tells the number of the last one in it, so that those of a journal which
 * it has overtaken are passed over, wherever a crash comes between writing the one and emptying the other.
 */
struct flow_log_store {
    char path[PATH_MAX];
    char journal_path[PATH_MAX];
    json_t *document; /* version, last-change, flow-logs, tags, tokens */
    json_int_t last_change;
    struct journal *journal; /* NULL before the first change */
    size_t journal_size;     /* bytes of changes since the document was written */
    size_t document_size;    /* bytes, as it was written */
};

static json_t *part(const struct flow_log_store *store, const char *name)
{
    return json_object_get(store->document, name);
}

static json_t *make_document(void)
{
    return json_pack("{s:i, s:i, s:[], s:{}, s:{}}", "version", FLOW_LOG_STORE_VERSION, "last-change", 0,
                     "flow-logs", "tags", "tokens");
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
    json_int_t version = json_integer_value(json_object_get(document, "version"));
    if (version < 1 || version > FLOW_LOG_STORE_VERSION)
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

static int move_aside(const char *path, char ret[static PATH_MAX + 32])
{
    (void)snprintf(ret, PATH_MAX + 32, "%s.wrong-%llu", path,
                   (unsigned long long)(clock_wall_ns() / NS_PER_S));
    return rename(path, ret) < 0 ? -errno : 0;
}

/* Both files, since what the journal changes is in the document. */
static int set_aside(struct flow_log_store *store, const char *flaw, struct fault *fault)
{
    char aside[PATH_MAX + 32];
    char journal_aside[PATH_MAX + 32];
    int r = move_aside(store->path, aside);
    if (r == 0)
        r = move_aside(store->journal_path, journal_aside);
    if (r < 0 && r != -ENOENT)
        return fault_set(fault, r, "%s cannot be used: %s; nor can it be moved away: %s", store->path, flaw,
                         strerror(-r));
    return fault_set(fault, -EBADMSG,
                     "%s cannot be used: %s; it is now %s, and the flow logs in it do not run", store->path,
                     flaw, aside);
}

static int load_document(struct flow_log_store *store, struct fault *fault)
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
    store->document_size = text.len;
    r = flaw ? set_aside(store, flaw, fault) : 0;
    json_decref(document);
    if (!store->document)
        return fault_set(fault, -ENOMEM, "%s: out of memory", store->path);
    store->last_change = json_integer_value(part(store, "last-change"));
    return r;
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

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void forget_oldest(json_t *tokens)
{
    if (json_object_size(tokens) >= FLOW_LOG_STORE_TOKENS) /* members stay in the order in which they came */
        (void)json_object_del(tokens, json_object_iter_key(json_object_iter(tokens)));
}

static bool apply_change(struct flow_log_store *store, const json_t *change)
{
    json_t *list = part(store, "flow-logs");
    json_t *flow_log = json_object_get(change, "add");
    const char *removed = text_of(change, "remove");
    const char *tagged = text_of(change, "tag");
    const char *token = text_of(change, "token");
    if (flow_log)
        return json_array_append(list, flow_log) == 0;
    if (removed) {
        (void)json_array_remove(list, find_place(list, removed));
        (void)json_object_del(part(store, "tags"), removed);
        return true;
    }
    if (tagged)
        return json_object_set(part(store, "tags"), tagged, json_object_get(change, "tags")) == 0;
    if (!token)
        return false;
    forget_oldest(part(store, "tokens"));
    return json_object_set(part(store, "tokens"), token, json_object_get(change, "answered")) == 0;
}

static bool apply(struct flow_log_store *store, const json_t *changes)
{
    size_t i;
    const json_t *change;
    json_array_foreach(changes, i, change)
    {
        if (!apply_change(store, change))
            return false;
    }
    return true;
}

/* Whether each of them is what a draft makes. */
static bool are_changes(const json_t *changes)
{
    size_t i;
    const json_t *change;
    json_array_foreach(changes, i, change)
    {
        const json_t *flow_log = json_object_get(change, "add");
        if (flow_log
                ? !is_flow_log(flow_log)
                : !has_text(change, "remove") &&
                      !(has_text(change, "tag") && json_is_object(json_object_get(change, "tags"))) &&
                      !(has_text(change, "token") && json_is_object(json_object_get(change, "answered"))))
            return false;
    }
    return json_is_array(changes);
}

struct taking {
    struct flow_log_store *store;
    uint64_t end; /* of what was taken */
};

static int take_changes(void *context, uint32_t type, const void *payload, uint32_t len, uint64_t end)
{
    struct taking *taking = context;
    json_t *note = type == NOTE_CHANGES ? json_loadb(payload, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_int_t number = json_integer_value(json_object_get(note, "change"));
    const json_t *changes = json_object_get(note, "changes");
    int r = number > 0 && are_changes(changes) ? 0 : -EBADMSG;
    if (r == 0 && number > taking->store->last_change) {
        taking->store->last_change = number;
        r = apply(taking->store, changes) ? 0 : -ENOMEM;
    }
    if (r == 0)
        taking->end = end;
    json_decref(note);
    return r;
}

static int open_journal(struct flow_log_store *store, uint64_t keep, struct fault *fault)
{
    int r = journal_open(&store->journal, store->journal_path, keep, fault);
    if (r == 0)
        file_sync_folder_of(store->journal_path);
    return r;
}

struct writing {
    const json_t *document;
    size_t size; /* of the file */
};

/* Piece by piece: as one text it would be the largest piece of memory of the process by far, and leave a hole
 * of its size. */
static int fill_document(void *context, int fd)
{
    struct writing *writing = context;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FILE *file = own >= 0 ? fdopen(own, "w") : NULL;
    if (!file) {
        int r = -errno;
        if (own >= 0)
            close(own);
        return r;
    }
    errno = ENOMEM;
    int r = json_dumpf(writing->document, file, JSON_INDENT(1)) < 0 ? -errno : 0;
    writing->size = (size_t)ftello(file);
    if (fclose(file) != 0 && r == 0)
        r = -errno;
    return r;
}

/* Writes the document whole, after which the journal has nothing to add. */
static int write_document(struct flow_log_store *store, struct fault *fault)
{
    json_object_set_new(store->document, "version", json_integer(FLOW_LOG_STORE_VERSION));
    json_object_set_new(store->document, "last-change", json_integer(store->last_change));
    struct writing writing = {.document = store->document};
    int r = file_replace_filled(store->path, fill_document, &writing, fault);
    if (r < 0)
        return r;
    journal_close(TAKE(store->journal));
    store->document_size = writing.size;
    store->journal_size = 0;
    return open_journal(store, 0, fault);
}

/* What cannot be read of the journal is kept for whoever wants to look, and told. */
static int set_journal_aside(struct flow_log_store *store, struct fault *fault)
{
    char aside[PATH_MAX + 32];
    int r = move_aside(store->journal_path, aside);
    if (r < 0)
        return fault_set(fault, r, "%s is damaged and cannot be moved away: %s", store->journal_path,
                         strerror(-r));
    r = write_document(store, fault);
    return r < 0 ? r
                 : fault_set(fault, -EBADMSG,
                             "the end of %s is damaged: flow logs and tags are as they were before that; it "
                             "is now %s",
                             store->journal_path, aside);
}

static int load_journal(struct flow_log_store *store, struct fault *fault)
{
    struct stat found;
    struct taking taking = {.store = store};
    int r = journal_read(store->journal_path, take_changes, &taking, fault);
    if (r < 0 && r != -EBADMSG)
        return r;
    if (stat(store->journal_path, &found) < 0)
        return errno == ENOENT ? 0 : fault_set(fault, -errno, "%s: %s", store->journal_path, strerror(errno));
    if (found.st_size > JOURNAL_START && taking.end < (uint64_t)found.st_size)
        return set_journal_aside(store, fault);
    store->journal_size = taking.end;
    return open_journal(store, taking.end, fault);
}

int flow_log_store_open(struct flow_log_store **ret, const char *state, struct fault *fault)
{
    struct flow_log_store *store = calloc(1, sizeof *store);
    if (!store)
        return fault_set(fault, -ENOMEM, "flow logs: out of memory");
    (void)snprintf(store->path, sizeof store->path, "%.4000s/" FLOW_LOG_STORE_FILE, state);
    (void)snprintf(store->journal_path, sizeof store->journal_path, "%.4000s/" FLOW_LOG_STORE_JOURNAL, state);
    int flaw = load_document(store, fault);
    int r = flaw < 0 && flaw != -EBADMSG ? flaw : load_journal(store, fault);
    if (r < 0 && r != -EBADMSG) {
        flow_log_store_close(store);
        return r;
    }
    *ret = store;
    return flaw < 0 ? flaw : r;
}

/* So that whoever looks finds one file; without it the journal has all there is. */
static void tidy(struct flow_log_store *store)
{
    if (store->journal && store->journal_size)
        (void)!write_document(store, NULL);
}

void flow_log_store_close(struct flow_log_store *store)
{
    if (!store)
        return;
    tidy(store);
    journal_close(store->journal);
    json_decref(store->document);
    free(store);
}

json_t *flow_log_store_draft(void)
{
    return json_pack("{s:[]}", "changes");
}

static void spoil(json_t *draft)
{
    (void)json_object_del(draft, "changes");
}

static int append_changes(struct flow_log_store *store, const char *text, size_t len, struct fault *fault)
{
    int r = len > JOURNAL_PAYLOAD_MAX ? -EFBIG : 0;
    if (r == 0)
        r = journal_append_synced(store->journal, NOTE_CHANGES, text, (uint32_t)len);
    return r < 0 ? fault_set(fault, r, "%s: %s", store->journal_path, strerror(-r)) : 0;
}

/* Not before as much was appended, so that a change costs twice its length, however many there were. */
static bool is_journal_long(const struct flow_log_store *store)
{
    return !store->journal ||
           (store->journal_size > JOURNAL_LEAST && store->journal_size > store->document_size);
}

static int commit(struct flow_log_store *store, json_t *draft, struct fault *fault)
{
    const json_t *changes = json_object_get(draft, "changes");
    bool whole = changes && json_object_set_new(draft, "change", json_integer(store->last_change + 1)) == 0;
    char *text AUTO_FREE = whole ? json_dumps(draft, JSON_COMPACT) : NULL;
    if (!text)
        return fault_set(fault, -ENOMEM, "%s: out of memory", store->path);
    int r = is_journal_long(store) ? write_document(store, fault) : 0;
    if (r == 0)
        r = append_changes(store, text, strlen(text), fault);
    if (r < 0)
        return r;
    store->journal_size += strlen(text);
    store->last_change++;
    if (!apply(store, changes))
        return fault_set(fault, -ENOMEM, "%s: out of memory: the change is in force after the next start",
                         store->path);
    return 0;
}

int flow_log_store_commit(struct flow_log_store *store, json_t *draft, struct fault *fault)
{
    int r = commit(store, draft, fault);
    json_decref(draft);
    return r;
}

static void add_change(json_t *draft, json_t *change)
{
    if (!change || json_array_append_new(json_object_get(draft, "changes"), change) < 0)
        spoil(draft);
}

void flow_log_draft_add(json_t *draft, json_t *flow_log)
{
    add_change(draft, json_pack("{s:O}", "add", flow_log));
}

void flow_log_draft_remove(json_t *draft, const char *id)
{
    add_change(draft, json_pack("{s:s}", "remove", id));
}

void flow_log_draft_set_tags(json_t *draft, const char *id, json_t *tags)
{
    add_change(draft, json_pack("{s:s, s:o}", "tag", id, "tags", tags));
}

void flow_log_draft_note_answer(json_t *draft, const char *token, json_t *answered)
{
    add_change(draft, json_pack("{s:s, s:o}", "token", token, "answered", answered));
}
