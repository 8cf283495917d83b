/* SPDX-License-Identifier: Apache-2.0 */
#include "record/input.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "record/json.h"
#include "record/lines.h"
#include "record/parse.h"

#define TEXT_LINE_MAX (1024 * 1024)
#define JSON_LINE_MAX (256 * 1024 * 1024) /* Firehose puts up to 128 MiB of objects into one line */

enum input_form { FORM_NOT_KNOWN, FORM_TEXT, FORM_JSON };

enum { NOT_A_RECORD = 0, A_RECORD = 1 }; /* what a line or document turned out to be */

struct input {
    const struct input_reader *reader; /* NULL: text, read here */
    void *reader_state;
    const char *path; /* borrowed */
    struct input_options options;
    struct source *source;
    struct lines lines;
    enum input_form form;
    struct record record;
    struct format format; /* of text lines */
    bool format_is_guessed;
    struct format json_format; /* of the JSON record handed out last */
    bool last_was_json;
    const char *usual_line; /* of the record handed out last; NULL when it was another kind of line */
    size_t usual_line_len;
    json_t *document;     /* that the record's text or the events belong to */
    const json_t *events; /* of the document, borrowed; NULL when it has none */
    size_t next_event;
    const char *rest; /* of a line with several documents */
    size_t rest_len;
    uint64_t records;
    uint64_t bad_lines;
};

static void report(struct input *input, const char *reason)
{
    input->bad_lines++;
    input->options.bad_line(input->options.userdata, input->path, input->lines.number, reason);
}

static void keep_text(const struct input *input, const char *text, size_t len)
{
    if (input->options.bad_text)
        input->options.bad_text(input->options.userdata, text, len);
}

static int refuse_line(struct input *input, const char *text, size_t len, const char *reason)
{
    report(input, reason);
    keep_text(input, text, len);
    keep_text(input, "\n", 1);
    return NOT_A_RECORD;
}

static void input_cleanup(struct input **input)
{
    input_free(*input);
}

int input_open(struct input **ret, const char *path, const struct input_options *options, struct fault *fault)
{
    CLEANUP(input_cleanup) struct input *input = calloc(1, sizeof *input);
    if (!input)
        return fault_set(fault, -ENOMEM, "%s: out of memory", path);
    input->path = path;
    input->options = *options;
    input->format_is_guessed = !options->format;
    if (options->format)
        input->format = *options->format;
    else
        format_set_default(&input->format);
    int r = source_open(&input->source, path, fault);
    if (r == 0)
        r = lines_init(&input->lines, input->source, TEXT_LINE_MAX, fault);
    if (r < 0)
        return r;
    *ret = TAKE(input);
    return 0;
}

int input_wrap(struct input **ret, const struct input_reader *reader, void *state, struct fault *fault)
{
    struct input *input = calloc(1, sizeof *input);
    if (!input) {
        reader->free(state);
        return fault_set(fault, -ENOMEM, "out of memory");
    }
    input->reader = reader;
    input->reader_state = state;
    *ret = input;
    return 0;
}

void input_free(struct input *input)
{
    if (!input)
        return;
    if (input->reader)
        input->reader->free(input->reader_state);
    json_decref(input->document);
    lines_done(&input->lines);
    source_free(input->source);
    free(input);
}

const struct format *input_format(const struct input *input)
{
    if (input->reader)
        return input->reader->format(input->reader_state);
    return input->last_was_json ? &input->json_format : &input->format;
}

const char *input_line(const struct input *input, size_t *ret_len)
{
    *ret_len = input->usual_line_len;
    return input->usual_line;
}

struct input_counts input_counts(const struct input *input)
{
    if (input->reader)
        return input->reader->counts(input->reader_state);
    return (struct input_counts){
        .records = input->records,
        .bad_lines = input->bad_lines,
        .bytes = source_position(input->source),
        .bytes_total = source_size(input->source),
    };
}

/*
 * Takes the line as a header if it is one. Only a line that begins with a lower-case letter can be, and later
 * ones only when their first word is a field's name: the check has to cost data lines nothing.
 */
static bool take_header(struct input *input, const char *line, size_t len)
{
    if (line[0] < 'a' || line[0] > 'z')
        return false;
    const char *space = memchr(line, ' ', len);
    bool begins_with_name = format_find_column(line, space ? (size_t)(space - line) : len) >= 0;
    bool at_beginning = input->records + input->bad_lines == 0;
    if (!begins_with_name && !at_beginning)
        return false;
    struct fault fault = {0};
    int unknown = format_parse_header(&input->format, line, len, &fault);
    if (unknown < 0)
        return false;
    input->format_is_guessed = false;
    input->record = (struct record){0};
    if (unknown > 0) {
        fault_prefix(&fault, "left out");
        (void)refuse_line(input, line, len, fault.text);
    }
    return true;
}

static bool is_blank_or_comment(const char *line, size_t len)
{
    size_t at = 0;
    while (at < len && (line[at] == ' ' || line[at] == '\t' || line[at] == '\r'))
        at++;
    return at == len || line[at] == '#';
}

static int take_text_line(struct input *input, const char *line, size_t len)
{
    size_t content = len > 0 && line[len - 1] == '\r' ? len - 1 : len;
    if (content == 0 || take_header(input, line, content))
        return NOT_A_RECORD;
    if (input->last_was_json)
        input->record = (struct record){0}; /* a line sets the fields of its format, no others */
    input->last_was_json = false;
    if (record_parse_usual(&input->record, &input->format, line, content)) {
        input->usual_line = line;
        input->usual_line_len = content;
        return A_RECORD;
    }
    struct fault fault;
    if (record_parse_plainly(&input->record, &input->format, line, content, &fault) == 0)
        return A_RECORD;
    if (input->format_is_guessed && input->records == 0)
        fault_prefix(&fault, "taken as the default format, since no header line or format says otherwise");
    return refuse_line(input, line, len, fault.text);
}

/* Log events of CloudWatch Logs: "logEvents" in a subscription's document, "events" in the answer of its API.
 */
static const json_t *find_events(const json_t *document)
{
    const json_t *events = json_object_get(document, "logEvents");
    if (!json_is_array(events))
        events = json_object_get(document, "events");
    return json_is_array(events) ? events : NULL;
}

/* Takes the text line in "message", as of a log event or of a Firehose record. */
static int take_message(struct input *input, const json_t *object)
{
    const json_t *message = json_object_get(object, "message");
    if (json_is_string(message))
        return take_text_line(input, json_string_value(message), json_string_length(message));
    AUTO_FREE char *text = json_dumps(object, JSON_COMPACT | JSON_ENCODE_ANY);
    return refuse_line(input, text ? text : "", text ? strlen(text) : 0, "a log event without a message");
}

static int take_event(struct input *input)
{
    const json_t *event = json_array_get(input->events, input->next_event++);
    if (input->next_event == json_array_size(input->events))
        input->events = NULL;
    return take_message(input, event);
}

/* CloudWatch Logs tries a new destination out with one. */
static bool is_control_message(const json_t *document)
{
    const char *type = json_string_value(json_object_get(document, "messageType"));
    return type && strcmp(type, "CONTROL_MESSAGE") == 0;
}

/* `text` is what the document was read from. */
static int take_document(struct input *input, const char *text, size_t len)
{
    const json_t *events = find_events(input->document);
    if (events) {
        if (is_control_message(input->document))
            return NOT_A_RECORD;
        input->events = json_array_size(events) > 0 ? events : NULL;
        input->next_event = 0;
        return NOT_A_RECORD;
    }
    struct fault fault = {0};
    int r = record_read_json(&input->record, &input->json_format, input->document, &fault);
    if (r == 0) {
        input->last_was_json = true;
        return A_RECORD;
    }
    if (input->json_format.count == 0 && json_is_string(json_object_get(input->document, "message")))
        return take_message(input, input->document);
    return refuse_line(input, text, len, fault.text);
}

static json_t *load_document(const char *text, size_t len, size_t *ret_len, json_error_t *error)
{
    json_t *document = json_loadb(text, len, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, error);
    *ret_len = (size_t)error->position;
    return document;
}

static size_t blank_prefix(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n'))
        at++;
    return at;
}

/* The next of the documents in `rest`. */
static int take_rest(struct input *input)
{
    json_error_t error;
    size_t used;
    const char *text = input->rest;
    size_t len = input->rest_len;
    json_decref(input->document);
    input->events = NULL;
    input->document = load_document(text, len, &used, &error);
    if (!input->document) {
        input->rest_len = 0;
        struct fault fault;
        (void)fault_set(&fault, 0, "not JSON: column %d: %s", error.column, error.text);
        return refuse_line(input, text, len, fault.text);
    }
    used += blank_prefix(text + used, len - used);
    input->rest += used;
    input->rest_len -= used;
    return take_document(input, text, used);
}

/* Whether there is nothing but JSON documents in the text. */
static bool is_json(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        json_error_t error;
        size_t used;
        json_t *document = load_document(text + at, len - at, &used, &error);
        if (!document)
            return false;
        json_decref(document);
        at += used + blank_prefix(text + at + used, len - at - used);
    }
    return true;
}

static bool is_incomplete(const char *text, size_t len)
{
    json_error_t error;
    json_t *document = json_loadb(text, len, JSON_DISABLE_EOF_CHECK, &error);
    json_decref(document);
    return !document && json_error_code(&error) == json_error_premature_end_of_input;
}

/* A document over several lines, as tools print it, is taken as one line when the file is JSON to its end. */
static void take_first_json_line(struct input *input)
{
    if (!is_incomplete(input->rest, input->rest_len))
        return;
    size_t offset = (size_t)(input->rest - input->lines.buffer) - input->lines.current;
    const char *text;
    size_t len;
    bool whole = lines_peek_rest(&input->lines, &text, &len) && is_json(text + offset, len - offset);
    input->rest = text + offset; /* peeking has moved it */
    if (!whole)
        return;
    input->rest_len = len - offset;
    lines_skip_rest(&input->lines);
}

static void take_json_line(struct input *input, const char *line, size_t len, bool first)
{
    size_t blank = blank_prefix(line, len);
    input->rest = line + blank;
    input->rest_len = len - blank;
    if (first)
        take_first_json_line(input);
}

/* The first line with content decides: records never begin with a brace. */
static void find_form(struct input *input, const char *line, size_t len)
{
    input->form = line[blank_prefix(line, len)] == '{' ? FORM_JSON : FORM_TEXT;
    if (input->form == FORM_JSON)
        input->lines.max_len = JSON_LINE_MAX;
}

static void skip_byte_order_mark(const struct input *input, const char **line, size_t *len)
{
    static const char mark[] = {'\xef', '\xbb', '\xbf'};
    if (input->lines.number != 1 || *len < sizeof mark || memcmp(*line, mark, sizeof mark) != 0)
        return;
    *line += sizeof mark;
    *len -= sizeof mark;
}

static int take_line(struct input *input, const char *line, size_t len)
{
    bool first = input->form == FORM_NOT_KNOWN;
    skip_byte_order_mark(input, &line, &len);
    if (is_blank_or_comment(line, len))
        return NOT_A_RECORD;
    if (first)
        find_form(input, line, len);
    if (input->form != FORM_JSON)
        return take_text_line(input, line, len);
    take_json_line(input, line, len, first);
    return NOT_A_RECORD;
}

/* The bytes of a line that is too long go past in pieces. */
static void refuse_long(struct input *input, enum lines_result piece, const char *text, size_t len)
{
    int result = (int)piece;
    struct fault reason;
    (void)fault_set(&reason, 0, "longer than %zu bytes", input->lines.max_len);
    report(input, reason.text);
    keep_text(input, text, len);
    while (result == LINES_LONG) {
        result = lines_next(&input->lines, &text, &len, NULL);
        if (result == LINES_LONG || result == LINES_LONG_END || result == LINES_CUT)
            keep_text(input, text, len);
    }
    keep_text(input, "\n", 1);
}

/* What the next line, event or document gives: A_RECORD, NOT_A_RECORD; -ENODATA at the end. */
static int take_next(struct input *input, struct fault *fault)
{
    if (input->events)
        return take_event(input);
    if (input->rest_len > 0)
        return take_rest(input);
    const char *text;
    size_t len;
    int r = lines_next(&input->lines, &text, &len, fault);
    switch (r) {
    case LINES_END:
        return -ENODATA;
    case LINES_LINE:
        return take_line(input, text, len);
    case LINES_LONG:
        refuse_long(input, LINES_LONG, text, len);
        return NOT_A_RECORD;
    case LINES_CUT:
        return refuse_line(input, text, len, "cut off where the file could not be read on");
    default:
        return r;
    }
}

int input_next(struct input *input, const struct record **ret, struct fault *fault)
{
    if (input->reader)
        return input->reader->next(input->reader_state, ret, fault);
    int r;
    input->usual_line = NULL;
    do
        r = take_next(input, fault);
    while (r == NOT_A_RECORD);
    if (r == -ENODATA)
        return 0;
    if (r < 0)
        return r;
    input->records++;
    *ret = &input->record;
    return 1;
}
