/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/recover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

/* Numbers of the journal's records; never reused. */
enum note {
    NOTE_START =
        1, /* u64 WIRE_VERSION, u64 next sequence, u64 windows before this are closed; 0: capture ended */
    NOTE_INTERFACE = 2,
    NOTE_FLOWS = 3,
    NOTE_DRAINED = 4, /* all flows of one drain are noted; those before the last such note count */
    NOTE_CLEARED = 5, /* and are no longer in the kernel */
    NOTE_ACCOUNT = 6,
    NOTE_DISCARD = 7,
    NOTE_CLOSE = 8,     /* u64: windows before this were closed */
    NOTE_PUBLISHED = 9, /* u64: sequence delivered everywhere */
};

struct noted_interface {
    uint32_t ifindex;
    uint32_t role;
    uint32_t since_window;
    uint32_t address_count;
    char device[IF_NAMESIZE];
    struct interface_identity identity;
    struct address addresses[16];
};

struct noted_flow {
    struct flow_key key;
    struct flow_counts counts;
};

enum { FLOWS_PER_NOTE = 1024 }; /* on the stack: what is drained must be noted, memory or not */

struct noted_account {
    struct account_key key;
    struct account account;
};

struct noted_discard {
    struct discard_key key;
    uint64_t packets;
};

static void note(struct daemon *daemon, enum note type, const void *payload, size_t len)
{
    if (!daemon->journal)
        return;
    int r = journal_append(daemon->journal, type, payload, (uint32_t)len);
    if (r == 0)
        return;
    daemon->journal_failures++;
    if (!daemon->journal_failing)
        log_error("journal",
                  "cannot write: %s; capture goes on, but a killed daemon would lose what it has drained",
                  strerror(-r));
    daemon->journal_failing = true;
}

static struct noted_interface noted_interface_of(const struct registered *entry)
{
    struct noted_interface noted = {.ifindex = entry->ifindex,
                                    .role = entry->interface.role,
                                    .since_window = entry->since_window,
                                    .identity = entry->interface.identity};
    memcpy(noted.device, entry->device, sizeof noted.device);
    for (unsigned i = 0; i < entry->interface.address_count && i < ARRAY_SIZE(noted.addresses); i++)
        noted.addresses[noted.address_count++] = entry->interface.addresses[i];
    return noted;
}

void recover_note_interface(struct daemon *daemon, const struct registered *entry)
{
    struct noted_interface noted = noted_interface_of(entry);
    note(daemon, NOTE_INTERFACE, &noted, sizeof noted);
}

void recover_note_flows(struct daemon *daemon, const struct flow_key *keys, const struct flow_counts *counts,
                        uint32_t count)
{
    struct noted_flow flows[FLOWS_PER_NOTE];
    for (uint32_t done = 0; done < count;) {
        uint32_t part = count - done < FLOWS_PER_NOTE ? count - done : FLOWS_PER_NOTE;
        for (uint32_t i = 0; i < part; i++)
            flows[i] = (struct noted_flow){keys[done + i], counts[done + i]};
        note(daemon, NOTE_FLOWS, flows, part * sizeof *flows);
        done += part;
    }
}

void recover_note_drained(struct daemon *daemon)
{
    note(daemon, NOTE_DRAINED, "", 0);
}

void recover_note_cleared(struct daemon *daemon)
{
    note(daemon, NOTE_CLEARED, "", 0);
}

void recover_note_account(struct daemon *daemon, const struct account_key *key, const struct account *account)
{
    struct noted_account noted = {*key, *account};
    note(daemon, NOTE_ACCOUNT, &noted, sizeof noted);
}

void recover_note_discard(struct daemon *daemon, const struct discard_key *key, uint64_t packets)
{
    struct noted_discard noted = {*key, packets};
    note(daemon, NOTE_DISCARD, &noted, sizeof noted);
}

void recover_note_close(struct daemon *daemon, uint32_t before)
{
    uint64_t window = before;
    note(daemon, NOTE_CLOSE, &window, sizeof window);
}

void recover_note_published(void *context, uint64_t sequence)
{
    note(context, NOTE_PUBLISHED, &sequence, sizeof sequence);
}

/* The first reading: where the last complete drain ends, and what was delivered. */
struct survey {
    uint64_t keep;  /* bytes of the journal that count */
    bool usable;    /* begins with a start of this version */
    bool in_drain;  /* flows are noted that no drained-note has followed yet */
    bool uncleared; /* the last drain's flows may still be in the kernel */
    uint64_t *published;
    size_t published_count;
};

static int survey_published(struct survey *survey, const void *payload)
{
    uint64_t *published = reallocarray(survey->published, survey->published_count + 1, sizeof *published);
    if (!published)
        return -ENOMEM;
    memcpy(&published[survey->published_count++], payload, sizeof *published);
    survey->published = published;
    return 0;
}

static int survey_note(void *context, uint32_t type, const void *payload, uint32_t len, uint64_t end)
{
    struct survey *survey = context;
    uint64_t version = 0;
    if (type == NOTE_START && len == 3 * sizeof version) {
        memcpy(&version, payload, sizeof version);
        survey->usable = version == WIRE_VERSION;
    }
    if (!survey->usable)
        return 0;
    if (type == NOTE_FLOWS)
        survey->in_drain = true;
    if (type == NOTE_DRAINED) {
        survey->in_drain = false;
        survey->uncleared = true;
    }
    if (type == NOTE_CLEARED)
        survey->uncleared = false;
    if (!survey->in_drain)
        survey->keep = end;
    if (type == NOTE_PUBLISHED && len == sizeof version)
        return survey_published(survey, payload);
    return 0;
}

/* The second reading: the same events again. */
struct replaying {
    struct daemon *daemon;
    uint64_t keep;
};

static int replay_start(struct daemon *daemon, const void *payload)
{
    uint64_t values[3];
    memcpy(values, payload, sizeof values);
    daemon->publish.sequence = values[1];
    if (values[2])
        daemon->closed_before = (uint32_t)values[2];
    return 0;
}

static int replay_interface(struct daemon *daemon, const struct noted_interface *noted)
{
    struct registered *entry = registry_add(&daemon->registry, noted->ifindex);
    if (!entry)
        return -ENOMEM;
    entry->since_window = noted->since_window;
    entry->attached = true; /* as it was; the links that are there now decide anew */
    entry->interface.role = noted->role;
    entry->interface.identity = noted->identity;
    (void)snprintf(entry->device, sizeof entry->device, "%.*s", IF_NAMESIZE - 1, noted->device);
    for (unsigned i = 0; i < noted->address_count && i < ARRAY_SIZE(noted->addresses); i++)
        if (interface_add_address(&entry->interface, &noted->addresses[i]) < 0)
            return -ENOMEM;
    return 0;
}

static void replay_flows(struct daemon *daemon, const char *payload, uint32_t len)
{
    for (uint32_t at = 0; at + sizeof(struct noted_flow) <= len; at += sizeof(struct noted_flow)) {
        struct noted_flow flow;
        memcpy(&flow, payload + at, sizeof flow);
        daemon_take_flow(daemon, &flow.key, &flow.counts);
    }
}

/* Lengths are those this version wrote; a note of another length is none of ours and is passed over. */
static int replay_note(void *context, uint32_t type, const void *payload, uint32_t len, uint64_t end)
{
    struct replaying *replaying = context;
    struct daemon *daemon = replaying->daemon;
    if (end > replaying->keep)
        return 0;
    if (type == NOTE_START && len == 3 * sizeof(uint64_t))
        return replay_start(daemon, payload);
    if (type == NOTE_INTERFACE && len == sizeof(struct noted_interface))
        return replay_interface(daemon, payload);
    if (type == NOTE_FLOWS) {
        replay_flows(daemon, payload, len);
    } else if (type == NOTE_ACCOUNT && len == sizeof(struct noted_account)) {
        const struct noted_account *noted = payload;
        daemon_take_account(daemon, &noted->key, &noted->account);
    } else if (type == NOTE_DISCARD && len == sizeof(struct noted_discard)) {
        const struct noted_discard *noted = payload;
        daemon_take_discard(daemon, &noted->key, noted->packets);
    } else if (type == NOTE_CLOSE && len == sizeof(uint64_t)) {
        uint64_t before;
        memcpy(&before, payload, sizeof before);
        daemon_close_taken(daemon, (uint32_t)before);
    }
    return 0;
}

static void journal_path(const struct daemon *daemon, char ret[static PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%s/journal", daemon->options->state);
}

/* The kernel has not gone on counting (the machine was restarted): what there is, is all there will be. */
static void end_interrupted_capture(struct daemon *daemon)
{
    uint32_t now = daemon_window_of(clock_wall_ns());
    if (daemon->windows.count) {
        const struct flow_table *last = &daemon->windows.open[daemon->windows.count - 1];
        daemon_close_taken(daemon, (uint32_t)(last->window / WINDOW_SECONDS) + 1);
    }
    daemon->closed_before = now;
}

int recover_open(struct daemon *daemon, struct fault *fault)
{
    char path[PATH_MAX];
    journal_path(daemon, path);
    struct survey survey = {0};
    int r = journal_read(path, survey_note, &survey, fault);
    struct replaying replaying = {daemon, survey.keep};
    daemon->publish.delivered = survey.published;
    daemon->publish.delivered_count = survey.published_count;
    daemon->publish.holding = true; /* nothing goes out while the past is being gone through */
    if (r == 0 && survey.usable)
        r = journal_read(path, replay_note, &replaying, fault);
    if (r == 0 && !live_adopted(daemon->live))
        end_interrupted_capture(daemon);
    daemon->publish.holding = false;
    daemon->publish.delivered = NULL;
    daemon->publish.delivered_count = 0;
    free(survey.published);
    if (r == 0)
        r = journal_open(&daemon->journal, path, survey.usable ? survey.keep : 0, fault);
    if (r < 0)
        return r;
    if (survey.usable && survey.uncleared)
        daemon->quiescent = QUIESCENT_DIRTY;
    if (!survey.usable)
        recover_compact(daemon);
    return 0;
}

static int fill_flows(struct journal *fresh, const struct daemon *daemon, const struct flow_table *table)
{
    size_t position = 0;
    const struct flow *flow;
    while ((flow = flow_table_next(table, &position))) {
        const struct registered *entry = registry_at(&daemon->registry, flow->interface);
        bool turned = entry->interface.role == INTERFACE_PORT;
        struct noted_flow noted;
        windows_export(table, flow, entry->ifindex, turned, &noted.key, &noted.counts);
        int r = journal_append(fresh, NOTE_FLOWS, &noted, sizeof noted);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Rows of the ledger stay out: those of closed windows are delivered, those of open ones still in the kernel.
 */
static int fill_journal(struct journal *fresh, void *context)
{
    struct daemon *daemon = context;
    uint64_t start[3] = {WIRE_VERSION, daemon->publish.sequence,
                         daemon->stopping ? 0 : daemon->closed_before};
    int r = journal_append(fresh, NOTE_START, start, sizeof start);
    for (uint32_t i = 0; r == 0 && !daemon->stopping && i < daemon->registry.count; i++) {
        if (!registry_at(&daemon->registry, (uint16_t)i)->used)
            continue;
        struct noted_interface noted = noted_interface_of(registry_at(&daemon->registry, (uint16_t)i));
        r = journal_append(fresh, NOTE_INTERFACE, &noted, sizeof noted);
    }
    for (size_t i = 0; r == 0 && i < daemon->windows.count; i++)
        r = fill_flows(fresh, daemon, &daemon->windows.open[i]);
    if (r == 0)
        r = journal_append(fresh, NOTE_DRAINED, "", 0);
    if (r == 0)
        r = journal_append(fresh, NOTE_CLEARED, "", 0);
    return r;
}

void recover_compact(struct daemon *daemon)
{
    struct fault fault = {0};
    if (!daemon->journal || daemon->publish.waiting_count || daemon->long_window_open ||
        (daemon->drains && daemon->quiescent != QUIESCENT_EMPTY))
        return;
    if (journal_rewrite(daemon->journal, fill_journal, daemon, &fault) < 0) {
        daemon->journal_failures++;
        if (!daemon->journal_failing)
            log_error("journal", "%s", fault.text);
        daemon->journal_failing = true;
        return;
    }
    daemon->journal_failing = false;
}
