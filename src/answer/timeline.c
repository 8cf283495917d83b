/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "record/lines.h"
#include "record/source.h"

struct run {
    const struct timeline_options *options;
    struct timeline *found;
    uint64_t first_ns; /* what lines are taken from */
    uint64_t last_ns;
};

static bool names_record(const struct party *party, const struct record *record)
{
    static const uint8_t ids[] = {FIELD_INTERFACE_ID, FIELD_INSTANCE_ID, FIELD_SUBNET_ID};
    for (size_t i = 0; party->is_id && i < sizeof ids; i++)
        if (reading_is_word(&record->values[ids[i]], party->text))
            return true;
    return false;
}

/* The addresses of the two ends, in either order; an id is any record of it. */
static bool is_between(const struct timeline_options *options, const struct record *record,
                       const struct address *a, const struct address *b)
{
    bool host = names_record(options->host, record);
    bool peer = !options->peer || names_record(options->peer, record);
    bool forth = (host || party_has(options->host, a)) && (peer || party_has(options->peer, b));
    bool back = (host || party_has(options->host, b)) && (peer || party_has(options->peer, a));
    return forth || back;
}

static struct timeline_entry *add_entry(struct timeline *found)
{
    if (found->entries.count >= TIMELINE_MAX) {
        found->not_held++;
        return NULL;
    }
    return LIST_ADD(&found->entries);
}

static void set_interface(struct timeline_flow *flow, const struct record *record)
{
    const struct value *id = &record->values[FIELD_INTERFACE_ID];
    if (id->kind == VALUE_TEXT && id->len < sizeof flow->interface_id)
        memcpy(flow->interface_id, id->text, id->len);
}

static int add_flow(struct run *run, const struct record *record, const struct timeline_flow *flow)
{
    struct timeline_entry *entry = add_entry(run->found);
    if (!entry)
        return run->found->not_held ? 0 : -ENOMEM;
    *entry = (struct timeline_entry){.ns = reading_number(record, FIELD_START, 0) * NS_PER_S, .flow = *flow};
    set_interface(&entry->flow, record);
    entry->flow.end_s = reading_number(record, FIELD_END, reading_number(record, FIELD_START, 0));
    return 0;
}

static int take_record(void *context, const struct record *record)
{
    struct run *run = context;
    struct reading reading;
    const struct timeline_options *options = run->options;
    if (reading_is_word(&record->values[FIELD_LOG_STATUS], "SKIPDATA")) {
        run->found->skipdata++;
        bool is_asked_for =
            names_record(options->host, record) || (options->peer && names_record(options->peer, record));
        return is_asked_for ? add_flow(run, record, &(struct timeline_flow){.is_lost = true}) : 0;
    }
    if (!reading_addresses(record, &reading) || record->values[FIELD_ACTION].kind != VALUE_TEXT ||
        !is_between(options, record, &reading.source, &reading.destination))
        return 0;
    run->found->flows++;
    const struct timeline_flow flow = {
        .source = reading.source,
        .destination = reading.destination,
        .source_port = reading.source_port,
        .destination_port = reading.destination_port,
        .protocol = reading.protocol,
        .tcp_flags = (uint8_t)reading_number(record, FIELD_TCP_FLAGS, 0),
        .has_flags = record->values[FIELD_TCP_FLAGS].kind == VALUE_NUMBER,
        .rejected = reading_is_word(&record->values[FIELD_ACTION], "REJECT"),
        .egress = reading.egress,
        .has_direction = reading.has_direction,
        .packets = reading_number(record, FIELD_PACKETS, 0),
        .bytes = reading_number(record, FIELD_BYTES, 0),
    };
    return add_flow(run, record, &flow);
}

/* Lines are taken from the time asked for, else from around the flows. */
static void set_time(struct run *run)
{
    const struct timeline_options *options = run->options;
    uint64_t first_s = UINT64_MAX;
    uint64_t last_s = 0;
    for (size_t i = 0; i < run->found->entries.count; i++) {
        const struct timeline_entry *entry = &run->found->entries.items[i];
        uint64_t start_s = entry->ns / NS_PER_S;
        first_s = start_s < first_s ? start_s : first_s;
        last_s = entry->flow.end_s > last_s ? entry->flow.end_s : last_s;
    }
    bool is_empty = run->found->entries.count == 0;
    first_s = is_empty ? 0 : first_s > TIMELINE_AROUND_S ? first_s - TIMELINE_AROUND_S : 0;
    last_s = is_empty ? UINT64_MAX / NS_PER_S - 1 : last_s + TIMELINE_AROUND_S;
    first_s = options->since_s ? options->since_s : first_s;
    last_s = options->until_s < UINT64_MAX ? options->until_s : last_s;
    run->first_ns = first_s < UINT64_MAX / NS_PER_S ? first_s * NS_PER_S : UINT64_MAX;
    run->last_ns = last_s < UINT64_MAX / NS_PER_S - 1 ? (last_s + 1) * NS_PER_S - 1 : UINT64_MAX;
}

/* A line without a time belongs to the one before it. */
static int append_line(struct timeline_entry *entry, const char *text, size_t len)
{
    if (entry->len + len + 1 > TIMELINE_TEXT_MAX)
        return 0;
    char *longer = realloc(entry->text, entry->len + len + 1);
    if (!longer)
        return -ENOMEM;
    longer[entry->len] = '\n';
    memcpy(longer + entry->len + 1, text, len);
    entry->text = longer;
    entry->len += len + 1;
    return 0;
}

/* Where a file stands. */
struct place {
    uint32_t number;
    bool is_dated;  /* a line with a time has come */
    bool is_inside; /* and is the last entry */
    uint64_t near_ns;
};

static int take_line(struct run *run, struct timeline_file *file, struct place *place, uint64_t number,
                     const char *text, size_t len)
{
    const struct stamp_options stamps = {.near_ns = place->near_ns, .local_time = run->options->local_time};
    struct timeline *found = run->found;
    uint64_t ns;
    file->lines++;
    if (!stamp_find(text, len, &stamps, &ns)) {
        file->continued += place->is_dated;
        file->undated += !place->is_dated;
        file->undated_last = place->is_dated ? file->undated_last : number;
        return place->is_inside ? append_line(&found->entries.items[found->entries.count - 1], text, len) : 0;
    }
    place->is_dated = true;
    place->is_inside = ns >= run->first_ns && ns <= run->last_ns;
    file->outside += !place->is_inside;
    if (!place->is_inside)
        return 0;
    struct timeline_entry *entry = add_entry(found);
    place->is_inside = entry != NULL;
    if (!entry)
        return found->not_held ? 0 : -ENOMEM;
    *entry = (struct timeline_entry){
        .ns = ns, .is_line = true, .file = place->number, .number = number, .len = len};
    entry->text = malloc(len + 1);
    if (!entry->text)
        return -ENOMEM;
    memcpy(entry->text, text, len);
    return 0;
}

static void source_cleanup(struct source **source)
{
    source_free(*source);
}

static int read_lines(struct run *run, const char *path, uint32_t number, struct fault *fault)
{
    CLEANUP(source_cleanup) struct source *source = NULL;
    CLEANUP(lines_done) struct lines lines = {0};
    struct place place = {.number = number, .near_ns = run->first_ns / 2 + run->last_ns / 2};
    const char *text;
    size_t len;
    struct timeline_file *file = LIST_ADD(&run->found->files);
    if (!file)
        return -ENOMEM;
    *file = (struct timeline_file){.name = path};
    if (run->found->entries.count == 0 && run->options->until_s == UINT64_MAX)
        place.near_ns = clock_wall_ns();
    int r = source_open(&source, path, fault);
    if (r == 0)
        r = lines_init(&lines, source, TIMELINE_TEXT_MAX, fault);
    bool in_long = false;
    while (r >= 0 && (r = lines_next(&lines, &text, &len, fault)) > LINES_END) {
        bool is_rest = in_long;
        in_long = r == LINES_LONG;
        file->too_long += r == LINES_LONG_END;
        len -= len > 0 && text[len - 1] == '\r';
        if (!is_rest && r != LINES_LONG_END)
            r = take_line(run, file, &place, lines.number, text, len);
    }
    return r;
}

static int compare_entries(const void *a, const void *b)
{
    const struct timeline_entry *x = a;
    const struct timeline_entry *y = b;
    if (x->ns != y->ns)
        return x->ns < y->ns ? -1 : 1;
    if (x->is_line != y->is_line)
        return x->is_line - y->is_line;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

int timeline_run(const struct timeline_options *options, struct timeline *ret, struct fault *fault)
{
    struct run run = {.options = options, .found = ret};
    *ret = (struct timeline){0};
    int r = reading_all(options->readings, READING_TELLS, take_record, &run, &ret->records, fault);
    set_time(&run);
    for (size_t i = 0; i < options->file_count && r >= 0; i++)
        r = read_lines(&run, options->files[i], (uint32_t)i, fault);
    if (ret->entries.count > 1)
        qsort(ret->entries.items, ret->entries.count, sizeof *ret->entries.items, compare_entries);
    return r == -ENOMEM ? fault_set(fault, r, "out of memory: ask for a shorter time") : r;
}

void timeline_done(struct timeline *timeline)
{
    for (size_t i = 0; i < timeline->entries.count; i++)
        free(timeline->entries.items[i].text);
    free(timeline->entries.items);
    free(timeline->files.items);
}
