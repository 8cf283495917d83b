/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/ledger.h"
#include "cli/table.h"
#include "daemon/control_client.h"

#define CELL_MAX (64 * 1024)
#define LEDGER_LINES 20 /* of the table; JSON has all */

enum form { FORM_TABLE, FORM_JSON };

struct settings {
    const char *state;
    unsigned form; /* enum form */
};

static const struct option options[] = {
    ASK_OPTION_STATE(struct settings, state),
    {.name = "as",
     .letter = 'o',
     .metavar = "table|json",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct settings, form),
     .help = "tables (the default), or the daemon's whole answer as one line of JSON"},
    {.name = NULL},
};

/* What a table's line is made from. */
struct line {
    const json_t *row;
    const char *direction; /* of the ledger's lines, else NULL */
    json_int_t now;        /* the daemon's, epoch seconds */
};

struct column {
    const char *heading;
    const char *member;
    void (*write)(struct buf *to, const struct line *line, const char *member);
};

/* Names and errors come from elsewhere and must not steer the terminal. */
static void write_clean(struct buf *to, const char *text)
{
    for (; *text; text++)
        buf_char(to, (unsigned char)*text < ' ' || *text == '\x7f' ? '?' : *text);
}

static void write_value(struct buf *to, const json_t *value)
{
    if (json_is_integer(value))
        buf_printf(to, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_boolean(value))
        buf_text(to, json_is_true(value) ? "yes" : "no");
    else if (json_string_length(value) > 0)
        write_clean(to, json_string_value(value));
    else
        buf_char(to, '-');
}

static void write_member(struct buf *to, const struct line *line, const char *member)
{
    write_value(to, json_object_get(line->row, member));
}

static void write_list(struct buf *to, const struct line *line, const char *member)
{
    const json_t *list = json_object_get(line->row, member);
    size_t i;
    const json_t *value;
    json_array_foreach(list, i, value)
    {
        if (i > 0)
            buf_text(to, ", ");
        write_value(to, value);
    }
    if (json_array_size(list) == 0)
        buf_char(to, '-');
}

static void write_seconds(struct buf *to, const struct line *line, const char *member)
{
    write_member(to, line, member);
    if (json_is_integer(json_object_get(line->row, member)))
        buf_text(to, " s");
}

static void write_duration(struct buf *to, json_int_t seconds)
{
    static const struct unit {
        json_int_t from;
        json_int_t seconds;
        const char *name;
    } units[] = {{172800, 86400, "d"}, {7200, 3600, "h"}, {120, 60, "min"}, {INT64_MIN, 1, "s"}};
    const struct unit *unit = units;
    while (seconds < unit->from)
        unit++;
    buf_printf(to, "%" JSON_INTEGER_FORMAT " %s", seconds / unit->seconds, unit->name);
}

static void write_age(struct buf *to, const struct line *line, const char *member)
{
    json_int_t then = json_integer_value(json_object_get(line->row, member));
    if (then <= 0) {
        buf_char(to, '-');
        return;
    }
    write_duration(to, line->now > then ? line->now - then : 0);
    buf_text(to, " ago");
}

static void write_time(struct buf *to, const struct line *line, const char *member)
{
    time_t seconds = (time_t)json_integer_value(json_object_get(line->row, member));
    struct tm parts;
    char text[64];
    if (gmtime_r(&seconds, &parts) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0)
        buf_text(to, text);
    else
        buf_char(to, '-');
}

static void write_attached(struct buf *to, const struct line *line, const char *member)
{
    const char *error = json_string_value(json_object_get(line->row, "error"));
    write_member(to, line, member);
    if (error && *error) {
        buf_text(to, ": ");
        write_clean(to, error);
    }
}

/* Records that the destination refused, by its reason, where there are any. */
static void write_refused(struct buf *to, const struct line *line)
{
    const char *cause;
    const char *before = "; refused: ";
    json_t *count;
    json_object_foreach(json_object_get(line->row, "refused"), cause, count)
    {
        if (json_integer_value(count) == 0)
            continue;
        buf_printf(to, "%s%" JSON_INTEGER_FORMAT " %s", before, json_integer_value(count), cause);
        before = ", ";
    }
}

/* Files of the spool that were lost with an unknown number of records, where there are any. */
static void write_unreadable(struct buf *to, const struct line *line)
{
    json_int_t files = json_integer_value(json_object_get(line->row, "unreadable-files"));
    if (files > 0)
        buf_printf(to, "; unreadable files: %" JSON_INTEGER_FORMAT, files);
}

static void write_last_object(struct buf *to, const struct line *line, const char *member)
{
    const char *error = json_string_value(json_object_get(line->row, "error"));
    write_member(to, line, member);
    if (error && *error) {
        buf_text(to, "; error: ");
        write_clean(to, error);
    }
    write_refused(to, line);
    write_unreadable(to, line);
}

/* Of the flow log's records: how many met this end. */
static void write_records(struct buf *to, const struct line *line, const char *member)
{
    write_value(to, json_object_get(json_object_get(line->row, "records"), member));
}

static void write_records_lost(struct buf *to, const struct line *line, const char *member)
{
    const json_t *records = json_object_get(line->row, "records");
    buf_printf(to, "%" JSON_INTEGER_FORMAT,
               json_integer_value(json_object_get(records, "given-up")) +
                   json_integer_value(json_object_get(records, "rejected")));
}

static void write_bytes(struct buf *to, const struct line *line, const char *member)
{
    static const char units[] = " KMGT";
    json_int_t bytes = json_integer_value(json_object_get(line->row, member));
    unsigned unit = 0;
    for (; bytes >= 10240 && units[unit + 1]; unit++)
        bytes /= 1024;
    buf_printf(to, "%" JSON_INTEGER_FORMAT, bytes);
    if (unit)
        buf_char(to, units[unit]);
}

static void write_lag(struct buf *to, const struct line *line, const char *member)
{
    write_duration(to, json_integer_value(json_object_get(line->row, member)));
}

/* With AWS's word for what is wrong. */
static void write_delivery(struct buf *to, const struct line *line, const char *member)
{
    const char *word = json_string_value(json_object_get(line->row, "deliver-logs-error-message"));
    write_member(to, line, member);
    if (word && *word) {
        buf_text(to, ": ");
        write_clean(to, word);
    }
}

static const json_t *side_of(const struct line *line)
{
    return json_object_get(line->row, line->direction);
}

static void write_direction(struct buf *to, const struct line *line, const char *member)
{
    buf_text(to, line->direction);
}

static void write_side(struct buf *to, const struct line *line, const char *member)
{
    write_value(to, json_object_get(side_of(line), member));
}

static void write_lost(struct buf *to, const struct line *line, const char *member)
{
    buf_printf(to, "%" PRIu64, ledger_lost_packets(line->row, line->direction));
}

/* Of both directions together, so on the first of the two lines only. */
static void write_both(struct buf *to, const struct line *line, const char *member)
{
    if (strcmp(line->direction, "ingress") == 0)
        write_member(to, line, member);
}

static void write_note(struct buf *to, const char *name, json_int_t packets)
{
    if (packets == 0)
        return;
    if (to->len > 0)
        buf_text(to, ", ");
    write_clean(to, name);
    buf_printf(to, " %" JSON_INTEGER_FORMAT, packets);
}

/* The side's counts that are mostly 0, by name, and why packets were discarded. */
static void write_notes(struct buf *to, const struct line *line, const char *member)
{
    static const char *const rare[] = {"added",       "lost-full", "lost-busy",
                                       "lost-memory", "unmatched", "discarded"};
    for (size_t i = 0; i < ARRAY_SIZE(rare); i++)
        write_note(to, rare[i], json_integer_value(json_object_get(side_of(line), rare[i])));
    if (strcmp(line->direction, "ingress") == 0)
        write_note(to, "lost-long", json_integer_value(json_object_get(line->row, "lost-long")));
    size_t i;
    const json_t *reason;
    json_array_foreach(json_object_get(line->row, member), i, reason)
    {
        const char *direction = json_string_value(json_object_get(reason, "direction"));
        const char *name = json_string_value(json_object_get(reason, "reason"));
        if (name && direction && strcmp(direction, line->direction) == 0)
            write_note(to, name, json_integer_value(json_object_get(reason, "packets")));
    }
}

static const struct column interface_columns[] = {
    {"DEVICE", "device", write_member},       {"INTERFACE", "interface-id", write_member},
    {"ROLE", "role", write_member},           {"SUBNET", "subnet-id", write_member},
    {"ADDRESSES", "addresses", write_list},   {"LAST PACKET", "last-packet", write_age},
    {"ATTACHED", "attached", write_attached}, {NULL},
};

static const struct column window_columns[] = {
    {"START", "start", write_time},
    {"INTERVAL", "interval", write_seconds},
    {"CLOSES IN", "closes-in", write_seconds},
    {"FLOWS", "flows", write_member},
    {"PACKETS", "packets", write_member},
    {"BYTES", "bytes", write_member},
    {NULL},
};

static const struct column ledger_columns[] = {
    {"WINDOW", "window", write_time},
    {"DEVICE", "device", write_member},
    {"DIRECTION", NULL, write_direction},
    {"SEEN", "seen", write_side},
    {"RECORDED", "recorded", write_side},
    {"EXCLUDED", "excluded", write_side},
    {"NOT IP", "not-ip", write_side},
    {"MALFORMED", "malformed", write_side},
    {"LOST", NULL, write_lost},
    {"CLOSES", "closes", write_both},
    {"DIFFERENCE", "difference", write_both},
    {"LOG STATUS", "log-status", write_both},
    {"NOTES", "reasons", write_notes},
    {NULL},
};

static const struct column flow_log_columns[] = {
    {"FLOW LOG", "id", write_member},
    {"NAME", "name", write_member},
    {"RESOURCE", "resource", write_member},
    {"TRAFFIC", "traffic-type", write_member},
    {"INTERVAL", "interval", write_seconds},
    {"DESTINATION", "destination", write_member},
    {"FORMAT", "file-format", write_member},
    {"DELIVERED", "delivered", write_records},
    {"WAITING", "waiting", write_records},
    {"LOST", NULL, write_records_lost},
    {"SPOOL", "spool-bytes", write_bytes},
    {"LAG", "lag", write_lag},
    {"RETRIES", "failures", write_member},
    {"DELIVERY", "deliver-logs-status", write_delivery},
    {"LAST", "last-delivery", write_age},
    {"LAST OBJECT", "last-object", write_last_object},
    {NULL},
};

static const struct column store_columns[] = {
    {"PATH", "path", write_member},
    {"FILES", "files", write_member},
    {"BYTES", "bytes", write_bytes},
    {"MERGED", "merged-files", write_member},
    {"INTO", "made-files", write_member},
    {"REMOVED", "removed-files", write_member},
    {"FAILED", "failed-hours", write_member},
    {"ERROR", "error", write_member},
    {NULL},
};

static const char *const no_direction[] = {NULL, NULL};
static const char *const directions[] = {"ingress", "egress", NULL};

static const struct section {
    const char *title;
    const char *member;
    const struct column *columns;
    const char *const *directions; /* a line for each of them */
    size_t newest;                 /* how many rows from the end; 0 for all */
} sections[] = {
    {"Interfaces", "interfaces", interface_columns, no_direction, 0},
    {"Open windows", "windows", window_columns, no_direction, 0},
    {"Ledger, packets", "ledger", ledger_columns, directions, LEDGER_LINES / 2},
    {"Flow logs", "flow-logs", flow_log_columns, no_direction, 0},
    {"Store", "store", store_columns, no_direction, 0},
};

static void add_line(struct table *table, const struct column *columns, const struct line *line)
{
    struct buf cells[TABLE_COLUMNS_MAX];
    const char *texts[TABLE_COLUMNS_MAX];
    for (size_t i = 0; i < table->columns; i++) {
        cells[i] = BUF_INIT(CELL_MAX);
        columns[i].write(&cells[i], line, columns[i].member);
        texts[i] = buf_string(&cells[i]);
    }
    table_add(table, texts);
    for (size_t i = 0; i < table->columns; i++)
        buf_done(&cells[i]);
}

static void print_section(struct buf *to, const struct section *section, const json_t *document)
{
    const char *headings[TABLE_COLUMNS_MAX + 1] = {NULL};
    for (size_t i = 0; section->columns[i].heading; i++)
        headings[i] = section->columns[i].heading;
    struct table table CLEANUP(table_done);
    table_init(&table, headings);

    const json_t *rows = json_object_get(document, section->member);
    size_t count = json_array_size(rows);
    size_t first = section->newest > 0 && count > section->newest ? count - section->newest : 0;
    struct line line = {.now = json_integer_value(json_object_get(document, "now"))};
    for (size_t i = first; i < count; i++) {
        line.row = json_array_get(rows, i);
        const char *const *direction = section->directions;
        do {
            line.direction = *direction;
            add_line(&table, section->columns, &line);
        } while (*direction && *++direction);
    }

    buf_printf(to, "\n%s\n", section->title);
    if (count == 0)
        buf_text(to, "none yet\n");
    else
        table_print(&table, table_terminal_width(), to);
    if (first > 0)
        buf_printf(to, "and %zu older rows, which -o json shows\n", first);
}

static void print_head(struct buf *to, const json_t *document)
{
    struct line line = {.row = document};
    json_int_t started = json_integer_value(json_object_get(document, "started"));
    buf_text(to, "flowlogd ");
    write_member(to, &line, "version");
    buf_text(to, ", process ");
    write_member(to, &line, "pid");
    buf_text(to, ", up ");
    write_duration(to, json_integer_value(json_object_get(document, "now")) - started);
    buf_text(to, ", state in ");
    write_member(to, &line, "state-folder");
    buf_text(to, json_is_true(json_object_get(document, "capturing")) ? ": capturing\n"
                                                                      : ": not capturing yet\n");
}

/* "capture: attach tcx, netns 4026531840, …": whatever the daemon tells of it, in its words. */
static void print_numbers(struct buf *to, const char *title, json_t *numbers)
{
    const char *name;
    const json_t *value;
    const char *before = ": ";
    if (json_object_size(numbers) == 0)
        return;
    buf_text(to, title);
    json_object_foreach(numbers, name, value)
    {
        buf_text(to, before);
        write_clean(to, name);
        buf_char(to, ' ');
        write_value(to, value);
        before = ", ";
    }
    buf_char(to, '\n');
}

static void print_tables(struct buf *to, const json_t *document)
{
    print_head(to, document);
    print_numbers(to, "capture", json_object_get(document, "capture"));
    print_numbers(to, "attribution", json_object_get(document, "attribution"));
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
        print_section(to, &sections[i], document);
}

/* How far it is, and the first interface that says why, if there is one. */
static int report_not_capturing(const struct command *command, const json_t *document)
{
    size_t i;
    size_t attached = 0;
    const json_t *interface;
    const json_t *interfaces = json_object_get(document, "interfaces");
    AUTO_BUF struct buf why = BUF_INIT(CELL_MAX);
    json_array_foreach(interfaces, i, interface)
    {
        const char *error = json_string_value(json_object_get(interface, "error"));
        const char *device = json_string_value(json_object_get(interface, "device"));
        attached += json_is_true(json_object_get(interface, "attached"));
        if (error && *error && device && !why.len)
            buf_printf(&why, "; %s: %s", device, error);
    }
    AUTO_BUF struct buf clean = BUF_INIT(CELL_MAX);
    write_clean(&clean, buf_string(&why));
    return command_fail(command, EXIT_UNREACHABLE,
                        "the daemon is not capturing yet: %zu of %zu interfaces attached%s", attached,
                        json_array_size(interfaces), buf_string(&clean));
}

static int run(const struct command *command, int argc, char **argv)
{
    struct settings settings = {.state = CONFIG_STATE_DEFAULT, .form = FORM_TABLE};
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &settings, &operands, &status))
        return status;
    if (operands > 0)
        return command_fail(command, EXIT_USAGE, "'%s': no operand is due", argv[0]);

    struct fault fault = {0};
    json_t *document;
    int r = control_ask(settings.state, "status", &document, &fault);
    if (r < 0)
        return command_fail(command, ask_exit_status(r), "%s", fault.text);
    AUTO_BUF struct buf text = BUF_INIT(ASK_OUTPUT_MAX);
    if (settings.form == FORM_JSON)
        ask_print_json(&text, document);
    else
        print_tables(&text, document);
    status = command_print(command, &text);
    if (status == EXIT_DONE && !json_is_true(json_object_get(document, "capturing")))
        status = report_not_capturing(command, document);
    json_decref(document);
    return status;
}

const struct command command_show_status = {
    .name = "status",
    .summary = "Show what the daemon captures and delivers",
    .operands = "",
    .details =
        "Shows interfaces, open windows, the ledger of the last windows and the flow logs of the flowlogd "
        "that\n"
        "uses the state folder. In the ledger, packets seen are recorded, excluded, not IP, malformed or "
        "lost;\n"
        "a row closes when these add up. DIFFERENCE is to the kernel's own counters of the interface.\n"
        "\n"
        "Exits 0 while the daemon captures; 3 when there is none, or it does not capture yet.",
    .example = "flowlog status -o json",
    .outcome = "prints the daemon's state as one line of JSON",
    .options = options,
    .run = run,
};
