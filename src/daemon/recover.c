/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/recover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

/* Numbers of the journal's records; never reused. */
enum note {
    NOTE_START =
        1, /* u64 JOURNAL_VERSION, u64 next sequence, u64 windows before this are closed; 0: capture ended */
    NOTE_INTERFACE = 2,
    NOTE_FLOWS = 3,
    NOTE_DRAINED = 4, /* all flows of one drain are noted; those before the last such note count */
    NOTE_CLEARED = 5, /* and are no longer in the kernel */
    NOTE_ACCOUNT = 6,
    NOTE_DISCARD = 7,
    NOTE_CLOSE = 8,      /* u64: windows before this were closed */
    NOTE_PUBLISHED = 9,  /* u64: sequence in every flow log's spool */
    NOTE_BEGIN = 13,     /* u64: the window in which the kernel began to count, anew */
    NOTE_FORGOTTEN = 14, /* the account or discard noted last is no longer in the kernel */

    /* What a journal that is written anew begins with: not events, but what they have led to. */
    NOTE_REGISTERED = 10,
    NOTE_TABLE = 11, /* struct noted_table, then struct flow, any number */
    NOTE_LEDGER = 12,
};

enum { FLOWS_PER_NOTE = 1024 }; /* of a table: they go over the stack */

struct noted_interface {
    uint32_t ifindex;
    uint32_t role;
    uint32_t since_window;
    uint32_t address_count;
    char device[IF_NAMESIZE];
    struct interface_identity identity;
    struct address addresses[16];
};

struct noted_account {
    struct account_key key;
    struct account account;
};

struct noted_discard {
    struct discard_key key;
    uint64_t packets;
};

struct noted_registered {
    uint32_t index; /* in the registry: what flows and ledger rows below mean by `interface` */
    uint32_t gone;
    uint32_t gone_window;
    struct noted_interface interface;
};

/* Part of a table, open when the journal was written: of one minute, or of ten. */
struct noted_table {
    uint64_t start;
    uint64_t interval;
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

void recover_note_flows(struct daemon *daemon, const struct flow_delta *deltas, uint32_t count)
{
    note(daemon, NOTE_FLOWS, deltas, count * sizeof *deltas);
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

/* The first reading: where the last complete drain ends, and what was published. */
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
        survey->usable = version == JOURNAL_VERSION;
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
    uint32_t in_doubt; /* NOTE_ACCOUNT, NOTE_DISCARD: of the note below, the kernel may still have its copy */
    struct account_key account;
    struct discard_key discard;
};

/* No window was closed before it came, but for clocks that were put back. */
static bool is_past(uint64_t window)
{
    return window <= daemon_window_of(clock_wall_ns()) + 24 * 60;
}

static int replay_start(struct daemon *daemon, const void *payload)
{
    uint64_t values[3];
    memcpy(values, payload, sizeof values);
    daemon->publish.sequence = values[1];
    if (values[2] && is_past(values[2]))
        daemon->closed_before = (uint32_t)values[2];
    return 0;
}

static int fill_entry(struct registered *entry, const struct noted_interface *noted)
{
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

static int replay_interface(struct daemon *daemon, const struct noted_interface *noted)
{
    uint16_t index;
    struct registered *before = registry_find(&daemon->registry, noted->ifindex, &index);
    if (before && !before->gone) {
        before->gone = true;
        before->gone_window = noted->since_window;
    }
    return fill_entry(registry_add(&daemon->registry, noted->ifindex), noted);
}

static int replay_registered(struct daemon *daemon, const struct noted_registered *noted)
{
    if (noted->index >= REGISTRY_MAX)
        return 0;
    struct registered *entry =
        registry_put(&daemon->registry, (uint16_t)noted->index, noted->interface.ifindex);
    int r = fill_entry(entry, &noted->interface);
    if (r < 0)
        return r;
    entry->gone = noted->gone;
    entry->gone_window = noted->gone_window;
    return 0;
}

static void replay_table(struct daemon *daemon, const char *payload, uint32_t len)
{
    struct noted_table noted;
    memcpy(&noted, payload, sizeof noted);
    for (uint32_t at = sizeof noted; at + sizeof(struct flow) <= len; at += sizeof(struct flow)) {
        struct flow flow;
        memcpy(&flow, payload + at, sizeof flow);
        if (flow.interface >= daemon->registry.count)
            continue;
        if (noted.interval == WINDOW_SECONDS)
            daemon_restore_flow(daemon, noted.start, &flow);
        else
            daemon_restore_long_flow(daemon, noted.start, &flow);
    }
}

static void replay_ledger(struct daemon *daemon, const struct ledger_row *noted)
{
    struct ledger_row *row = noted->interface < daemon->registry.count
                                 ? ledger_row(&daemon->windows.ledger, noted->window, noted->interface)
                                 : NULL;
    if (row)
        *row = *noted;
}

static void replay_flows(struct daemon *daemon, const char *payload, uint32_t len)
{
    for (uint32_t at = 0; at + sizeof(struct flow_delta) <= len; at += sizeof(struct flow_delta)) {
        struct flow_delta delta;
        memcpy(&delta, payload + at, sizeof delta);
        daemon_take_flow(daemon, &delta);
    }
}

static int replay_state(struct daemon *daemon, uint32_t type, const void *payload, uint32_t len)
{
    if (type == NOTE_REGISTERED && len == sizeof(struct noted_registered))
        return replay_registered(daemon, payload);
    if (type == NOTE_TABLE && len >= sizeof(struct noted_table))
        replay_table(daemon, payload, len);
    if (type == NOTE_LEDGER && len == sizeof(struct ledger_row))
        replay_ledger(daemon, payload);
    return 0;
}

/* The kernel has not gone on counting (the machine was restarted): what there is, is all there will be. */
static void end_interrupted_capture(struct daemon *daemon, uint32_t now)
{
    if (daemon->windows.count) {
        const struct flow_table *last = &daemon->windows.open[daemon->windows.count - 1];
        daemon_close_taken(daemon, (uint32_t)(last->window / WINDOW_SECONDS) + 1);
    }
    daemon->closed_before = now;
}

/* Lengths are those this version wrote; a note of another length is none of ours and is passed over. */
static int replay_note(void *context, uint32_t type, const void *payload, uint32_t len, uint64_t end)
{
    struct replaying *replaying = context;
    struct daemon *daemon = replaying->daemon;
    uint64_t window;
    if (end > replaying->keep)
        return 0;
    if (type == NOTE_START && len == 3 * sizeof(uint64_t))
        return replay_start(daemon, payload);
    if (type >= NOTE_REGISTERED && type <= NOTE_LEDGER)
        return replay_state(daemon, type, payload, len);
    if (type == NOTE_INTERFACE && len == sizeof(struct noted_interface))
        return replay_interface(daemon, payload);
    if (type == NOTE_FLOWS) {
        replay_flows(daemon, payload, len);
    } else if (type == NOTE_ACCOUNT && len == sizeof(struct noted_account)) {
        const struct noted_account *noted = payload;
        daemon_take_account(daemon, &noted->key, &noted->account);
        replaying->in_doubt = type;
        replaying->account = noted->key;
    } else if (type == NOTE_DISCARD && len == sizeof(struct noted_discard)) {
        const struct noted_discard *noted = payload;
        daemon_take_discard(daemon, &noted->key, noted->packets);
        replaying->in_doubt = type;
        replaying->discard = noted->key;
    } else if (type == NOTE_FORGOTTEN) {
        replaying->in_doubt = 0;
    } else if (type == NOTE_CLOSE && len == sizeof window) {
        replaying->in_doubt = 0;
        memcpy(&window, payload, sizeof window);
        if (is_past(window))
            daemon_close_taken(daemon, (uint32_t)window);
    } else if (type == NOTE_BEGIN && len == sizeof window) {
        memcpy(&window, payload, sizeof window);
        if (is_past(window))
            end_interrupted_capture(daemon, (uint32_t)window);
    }
    return 0;
}

/*
 * Each is removed from the kernel right after it was noted, so a killed process leaves one of them behind at
 * most. To be done before the hooks go on counting in the same minute, which follows an end that was cut
 * short.
 */
static void forget_noted(struct daemon *daemon, const struct replaying *replaying)
{
    if (!replaying->in_doubt)
        return;
    if (replaying->in_doubt == NOTE_ACCOUNT)
        live_forget_account(daemon->live, &replaying->account);
    else
        live_forget_discard(daemon->live, &replaying->discard);
    note(daemon, NOTE_FORGOTTEN, "", 0);
}

static void journal_path(const struct daemon *daemon, char ret[static PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%s/journal", daemon->options->state);
}

int recover_open(struct daemon *daemon, struct fault *fault)
{
    char path[PATH_MAX];
    journal_path(daemon, path);
    struct survey survey = {0};
    int r = journal_read(path, survey_note, &survey, fault);
    struct replaying replaying = {.daemon = daemon, .keep = survey.keep};
    daemon->publish.published = survey.published;
    daemon->publish.published_count = survey.published_count;
    daemon->publish.holding = true; /* nothing goes out while the past is being gone through */
    if (r == 0 && survey.usable)
        r = journal_read(path, replay_note, &replaying, fault);
    uint64_t now = daemon_window_of(clock_wall_ns());
    if (r == 0 && !live_adopted(daemon->live))
        end_interrupted_capture(daemon, (uint32_t)now);
    if (daemon->closed_before > now)
        daemon->closed_before =
            (uint32_t)now; /* an end that was cut short had closed the minute that goes on */
    daemon->publish.holding = false;
    daemon->publish.published = NULL;
    daemon->publish.published_count = 0;
    publish_settle_sequence(&daemon->publish);
    free(survey.published);
    if (r == 0)
        r = journal_open(&daemon->journal, path, survey.usable ? survey.keep : 0, fault);
    if (r < 0)
        return r;
    forget_noted(daemon, &replaying);
    if (survey.usable && survey.uncleared)
        daemon->quiescent = QUIESCENT_DIRTY;
    if (!survey.usable)
        recover_compact(daemon);
    else if (!live_adopted(daemon->live))
        note(daemon, NOTE_BEGIN, &now, sizeof now);
    return 0;
}

static int fill_registry(struct journal *fresh, const struct daemon *daemon)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < daemon->registry.count; i++) {
        const struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        if (!entry->used || !entry->since_window)
            continue;
        const struct noted_registered noted = {.index = i,
                                               .gone = entry->gone,
                                               .gone_window = entry->gone_window,
                                               .interface = noted_interface_of(entry)};
        r = journal_append(fresh, NOTE_REGISTERED, &noted, sizeof noted);
    }
    return r;
}

static int fill_table(struct journal *fresh, const struct flow_table *table)
{
    struct {
        struct noted_table table;
        struct flow flows[FLOWS_PER_NOTE];
    } noted = {.table = {table->window, table->interval}};
    int r = 0;
    for (size_t done = 0; r == 0 && done < table->count; done += FLOWS_PER_NOTE) {
        size_t part = table->count - done < FLOWS_PER_NOTE ? table->count - done : FLOWS_PER_NOTE;
        memcpy(noted.flows, table->flows + done, part * sizeof noted.flows[0]);
        r = journal_append(fresh, NOTE_TABLE, &noted,
                           (uint32_t)(sizeof noted.table + part * sizeof noted.flows[0]));
    }
    return r;
}

/* Of windows that are open, or part of the ten minutes that are: the others' records are in the spools. */
static int fill_ledger(struct journal *fresh, const struct daemon *daemon)
{
    const struct ledger *ledger = &daemon->windows.ledger;
    uint32_t oldest = daemon->long_window_open ? (uint32_t)(daemon->long_window.window / WINDOW_SECONDS)
                                               : daemon->closed_before;
    int r = 0;
    for (size_t i = 0; r == 0 && i < ledger->count; i++)
        if (ledger->rows[i].window >= oldest)
            r = journal_append(fresh, NOTE_LEDGER, &ledger->rows[i], sizeof ledger->rows[i]);
    return r;
}

static int fill_state(struct journal *fresh, const struct daemon *daemon)
{
    int r = fill_registry(fresh, daemon);
    for (size_t i = 0; r == 0 && i < daemon->windows.count; i++)
        r = fill_table(fresh, &daemon->windows.open[i]);
    if (r == 0 && daemon->long_window_open)
        r = fill_table(fresh, &daemon->long_window);
    return r == 0 ? fill_ledger(fresh, daemon) : r;
}

static int fill_journal(struct journal *fresh, void *context)
{
    const struct daemon *daemon = context;
    uint64_t start[3] = {JOURNAL_VERSION, daemon->publish.sequence,
                         daemon->stopping ? 0 : daemon->closed_before};
    int r = journal_append(fresh, NOTE_START, start, sizeof start);
    if (r == 0 && !daemon->stopping)
        r = fill_state(fresh, daemon);
    if (r == 0)
        r = journal_append(fresh, NOTE_DRAINED, "", 0);
    if (r == 0)
        r = journal_append(fresh, NOTE_CLEARED, "", 0);
    return r;
}

void recover_compact(struct daemon *daemon)
{
    struct fault fault = {0};
    if (!daemon->journal || daemon->publish.waiting_count ||
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
