/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"

#define PATH_TEXT_MAX 192
#define FOUND_MAX 60 /* how much of a wrong value is shown */
#define NOTES_MAX 1000
#define KEYS_MAX 64 /* of one map */

struct note {
    size_t line;
    size_t order;
    char *text; /* owned */
};

struct config_reader {
    const char *name;
    yaml_document_t *document;
    char path[PATH_TEXT_MAX]; /* of the map or value being read */
    struct note *notes;       /* owned */
    size_t note_count;
    bool out_of_memory;
};

static size_t line_of(const yaml_node_t *node)
{
    return node->start_mark.line + 1;
}

static void add_note(struct config_reader *reader, size_t line, const char *path, const char *text)
{
    if (reader->note_count == NOTES_MAX)
        return; /* nobody reads more; the first thousand make the file wrong as well */
    struct note *note = &reader->notes[reader->note_count];
    char *line_text;
    const char *separator = path[0] ? ": " : "";
    if (asprintf(&line_text, "%s:%zu: %s%s%s", reader->name, line, path, separator, text) < 0) {
        reader->out_of_memory = true;
        return;
    }
    for (char *c = line_text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    *note = (struct note){.line = line, .order = reader->note_count, .text = line_text};
    reader->note_count++;
}

static void mistake(struct config_reader *reader, const yaml_node_t *node, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void mistake(struct config_reader *reader, const yaml_node_t *node, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add_note(reader, line_of(node), reader->path, text);
}

/* Goes down one step; what it returns goes back. A path beyond PATH_TEXT_MAX is cut: no table is that deep.
 */
static size_t path_enter(struct config_reader *reader, const char *name)
{
    size_t before = strlen(reader->path);
    (void)snprintf(reader->path + before, sizeof reader->path - before, "%s%s", before ? "." : "", name);
    return before;
}

static size_t path_enter_element(struct config_reader *reader, size_t index)
{
    size_t before = strlen(reader->path);
    (void)snprintf(reader->path + before, sizeof reader->path - before, "[%zu]", index);
    return before;
}

static void path_leave(struct config_reader *reader, size_t before)
{
    reader->path[before] = '\0';
}

static yaml_node_t *node_at(const struct config_reader *reader, int index)
{
    return yaml_document_get_node(reader->document, index);
}

static const char *scalar_text(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

static bool is_nothing(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (node->data.scalar.length == 0 || strcmp(scalar_text(node), "~") == 0 ||
            strcmp(scalar_text(node), "null") == 0);
}

static void describe_node(const yaml_node_t *node, struct buf *buf)
{
    if (node->type == YAML_SEQUENCE_NODE)
        buf_text(buf, "a list");
    else if (node->type == YAML_MAPPING_NODE)
        buf_text(buf, "a map");
    else if (is_nothing(node))
        buf_text(buf, "nothing");
    else
        buf_printf(buf, "'%.*s%s'", FOUND_MAX, scalar_text(node),
                   node->data.scalar.length > FOUND_MAX ? "..." : "");
}

static void mistake_allowed(struct config_reader *reader, const yaml_node_t *node,
                            const struct config_key *key, bool item)
{
    AUTO_BUF struct buf found = BUF_INIT(1024);
    AUTO_BUF struct buf allowed = BUF_INIT(1024);
    describe_node(node, &found);
    config_key_print_allowed(key, item, &allowed);
    mistake(reader, node, "found %s, allowed: %s", buf_string(&found), buf_string(&allowed));
}

/* `item`: one of a list of words or addresses. */
static void set_from(struct config_reader *reader, const yaml_node_t *node, const struct config_key *key,
                     bool item, void *base)
{
    struct fault fault = {0};
    int r = -EINVAL;
    if (node->type == YAML_SCALAR_NODE && !is_nothing(node) && node->data.scalar.length > 0)
        r = config_key_set(key, base, scalar_text(node), node->data.scalar.length, &fault);
    if (r == -ENOMEM)
        reader->out_of_memory = true;
    else if (r < 0 && fault.text[0])
        mistake(reader, node, "%s", fault.text);
    else if (r < 0)
        mistake_allowed(reader, node, key, item);
}

static size_t item_count(const yaml_node_t *node)
{
    return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
}

/* Lists of words or addresses. */
static void read_items(struct config_reader *reader, const yaml_node_t *node, const struct config_key *key,
                       void *base)
{
    if (node->type != YAML_SEQUENCE_NODE) {
        if (!is_nothing(node))
            mistake_allowed(reader, node, key, false);
        return;
    }
    if (key->max && item_count(node) > key->max) {
        mistake(reader, node, "found %zu, allowed: up to %" PRIu64, item_count(node), key->max);
        return;
    }
    for (size_t i = 0; i < item_count(node); i++) {
        size_t before = path_enter_element(reader, i);
        set_from(reader, node_at(reader, node->data.sequence.items.start[i]), key, true, base);
        path_leave(reader, before);
    }
}

static void read_map(struct config_reader *reader, yaml_node_t *node, const struct config_key *keys,
                     void *base);

static void read_elements(struct config_reader *reader, yaml_node_t *node, const struct config_key *key,
                          char *elements, size_t *count)
{
    for (size_t i = 0; i < item_count(node); i++) {
        yaml_node_t *item = node_at(reader, node->data.sequence.items.start[i]);
        char *element = elements + i * key->element_size;
        size_t before = path_enter_element(reader, i);
        *count = i + 1;
        if (config_keys_set_defaults(key->children, element) < 0)
            reader->out_of_memory = true;
        else if (item->type != YAML_MAPPING_NODE)
            mistake(reader, item, "found no map, allowed: a map of keys");
        else
            read_map(reader, item, key->children, element);
        if (item->type == YAML_MAPPING_NODE && !reader->out_of_memory)
            key->check_element(reader, item, elements, i);
        path_leave(reader, before);
    }
}

static void read_list(struct config_reader *reader, yaml_node_t *node, const struct config_key *key,
                      void *base)
{
    if (is_nothing(node))
        return;
    if (node->type != YAML_SEQUENCE_NODE) {
        mistake_allowed(reader, node, key, false);
        return;
    }
    if (item_count(node) > key->max) {
        mistake(reader, node, "found %zu entries, allowed: up to %" PRIu64, item_count(node), key->max);
        return;
    }
    char **list = (void *)((char *)base + key->offset);
    size_t *count = (void *)((char *)base + key->count_offset);
    *list = calloc(item_count(node) + 1, key->element_size); /* an empty list is not the same as none */
    if (*list)
        read_elements(reader, node, key, *list, count);
    else
        reader->out_of_memory = true;
}

static void read_value(struct config_reader *reader, yaml_node_t *node, const struct config_key *key,
                       void *base)
{
    if (key->standing == KEY_MISSING) {
        mistake(reader, node, "not available in this version; remove it");
        return;
    }
    if (key->type == KEY_MAP && node->type == YAML_MAPPING_NODE)
        read_map(reader, node, key->children, base);
    else if (key->type == KEY_MAP && !is_nothing(node))
        mistake_allowed(reader, node, key, false);
    else if (key->type == KEY_LIST)
        read_list(reader, node, key, base);
    else if (key->type == KEY_FLAGS || key->type == KEY_ADDRESSES)
        read_items(reader, node, key, base);
    else if (key->type != KEY_MAP)
        set_from(reader, node, key, false, base);
}

static void unknown_key(struct config_reader *reader, const yaml_node_t *node, const struct config_key *keys)
{
    AUTO_BUF struct buf text = BUF_INIT(1024);
    if (node->type != YAML_SCALAR_NODE) {
        describe_node(node, &text);
        mistake(reader, node, "found %s as a key, allowed: a name", buf_string(&text));
        return;
    }
    struct nearest nearest = {.wanted = scalar_text(node), .len = node->data.scalar.length};
    for (const struct config_key *key = keys; key->name; key++) {
        nearest_consider(&nearest, key->name);
        buf_printf(&text, "%s%s", key == keys ? "" : ", ", key->name);
    }
    char name[FOUND_MAX + 1];
    (void)snprintf(name, sizeof name, "%s", scalar_text(node));
    size_t before = path_enter(reader, name);
    mistake(reader, node, "found an unknown key, allowed: %s; the nearest is '%s'", buf_string(&text),
            nearest.name);
    path_leave(reader, before);
}

static void read_pair(struct config_reader *reader, const yaml_node_pair_t *pair,
                      const struct config_key *keys, size_t lines[KEYS_MAX], void *base)
{
    const yaml_node_t *name = node_at(reader, pair->key);
    const struct config_key *key = NULL;
    if (name->type == YAML_SCALAR_NODE)
        key = config_key_find(keys, scalar_text(name), name->data.scalar.length);
    if (!key) {
        unknown_key(reader, name, keys);
        return;
    }
    size_t before = path_enter(reader, key->name);
    size_t *line = &lines[key - keys];
    if (*line)
        mistake(reader, name, "found again, allowed: once; the first is in line %zu", *line);
    else
        read_value(reader, node_at(reader, pair->value), key, base);
    *line = line_of(name);
    path_leave(reader, before);
}

static void read_map(struct config_reader *reader, yaml_node_t *node, const struct config_key *keys,
                     void *base)
{
    size_t lines[KEYS_MAX] = {0};
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++)
        read_pair(reader, pair, keys, lines, base);
    for (size_t i = 0; keys[i].name; i++) {
        if (!keys[i].required || lines[i])
            continue;
        size_t before = path_enter(reader, keys[i].name);
        AUTO_BUF struct buf allowed = BUF_INIT(1024);
        config_key_print_allowed(&keys[i], false, &allowed);
        mistake(reader, node, "missing, allowed: %s", buf_string(&allowed));
        path_leave(reader, before);
    }
}

static const yaml_node_t *value_of(struct config_reader *reader, const yaml_node_t *node, const char *key)
{
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        const yaml_node_t *name = node_at(reader, pair->key);
        if (name->type == YAML_SCALAR_NODE && strcmp(scalar_text(name), key) == 0)
            return node_at(reader, pair->value);
    }
    return NULL;
}

bool config_says(struct config_reader *reader, yaml_node_t *node, const struct config_key *key)
{
    const yaml_node_t *value = value_of(reader, node, key->name);
    return value && (value->type != YAML_SCALAR_NODE || !key->default_text ||
                     strcmp(scalar_text(value), key->default_text) != 0);
}

void config_mistake(struct config_reader *reader, yaml_node_t *node, const char *key, const char *format, ...)
{
    const yaml_node_t *value = value_of(reader, node, key);
    const yaml_node_t *at = value ? value : node;
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    size_t before = path_enter(reader, key);
    mistake(reader, at, "%s", text);
    path_leave(reader, before);
}

void config_report_mistake(struct config_report *report, const char *name, size_t line, const char *text)
{
    if (line)
        buf_printf(&report->mistakes, "%s:%zu: %s\n", name, line, text);
    else
        buf_printf(&report->mistakes, "%s\n", text);
    report->mistake_count++;
}

static int note_order(const void *left, const void *right)
{
    const struct note *a = left;
    const struct note *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static void hand_over_notes(struct config_reader *reader, struct config_report *report)
{
    qsort(reader->notes, reader->note_count, sizeof *reader->notes, note_order);
    for (size_t i = 0; i < reader->note_count; i++) {
        struct note *note = &reader->notes[i];
        buf_printf(&report->mistakes, "%s\n", note->text);
        report->mistake_count++;
        free(note->text);
    }
}

static void report_syntax(const yaml_parser_t *parser, const char *text, size_t len, const char *name,
                          struct config_report *report)
{
    size_t line = parser->problem_mark.line + 1;
    if (parser->error == YAML_READER_ERROR) { /* bad UTF-8: known by its offset alone */
        line = 1;
        for (size_t i = 0; i < len && i < parser->problem_offset; i++)
            line += text[i] == '\n';
    }
    char what[256];
    (void)snprintf(what, sizeof what, "found what is no YAML: %s",
                   parser->problem ? parser->problem : "memory ran out");
    config_report_mistake(report, name, line, what);
}

static int read_document(struct config *config, yaml_document_t *document, const char *name,
                         struct config_report *report)
{
    struct config_reader reader = {.name = name, .document = document};
    reader.notes = calloc(NOTES_MAX, sizeof *reader.notes);
    if (!reader.notes)
        return -ENOMEM;
    yaml_node_t *root = yaml_document_get_root_node(document);
    if (root && root->type == YAML_MAPPING_NODE)
        read_map(&reader, root, config_keys, config);
    else if (root && !is_nothing(root))
        mistake(&reader, root, "found no map, allowed: a map of keys");
    hand_over_notes(&reader, report);
    free(reader.notes);
    return reader.out_of_memory ? -ENOMEM : 0;
}

/* One document is a configuration; a second would be passed over without a word. */
static void refuse_second(yaml_parser_t *parser, const char *text, size_t len, const char *name,
                          struct config_report *report)
{
    yaml_document_t second;
    if (!yaml_parser_load(parser, &second)) {
        report_syntax(parser, text, len, name, report);
        return;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&second);
    if (root)
        config_report_mistake(report, name, line_of(root), "found a second document, allowed: one");
    yaml_document_delete(&second);
}

int config_read(struct config *config, const char *text, size_t len, const char *name,
                struct config_report *report)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    int r = 0;
    if (yaml_parser_load(&parser, &document)) {
        r = read_document(config, &document, name, report);
        bool more = yaml_document_get_root_node(&document);
        yaml_document_delete(&document);
        if (more && r == 0)
            refuse_second(&parser, text, len, name, report);
    } else {
        report_syntax(&parser, text, len, name, report);
    }
    yaml_parser_delete(&parser);
    return r;
}
