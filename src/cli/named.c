/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/named.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "base/troff.h"
#include "cli/ask.h"

#define HELP_MAX (64UL * 1024)

bool named_is_name(const char *operand)
{
    return operand[0] && !strpbrk(operand, " \t\n();*");
}

/* "address=ADDRESS", "[ports=22,3389]" … */
static void print_parameter(struct buf *to, const struct named_query *query,
                            const struct named_parameter *parameter)
{
    const char *initial = named_initial(query, parameter);
    if (!initial)
        buf_printf(to, "%s=%s", parameter->name, named_type_word(parameter->type));
    else
        buf_printf(to, "[%s=%s]", parameter->name, *initial ? initial : named_type_word(parameter->type));
}

static void print_parameters(struct buf *to, const struct named_query *query)
{
    for (const struct named_parameter *row = query->parameters; row->name; row++) {
        if (row != query->parameters)
            buf_char(to, ' ');
        print_parameter(to, query, row);
    }
}

static struct cell text_cell(const char *text)
{
    return (struct cell){.text = text, .len = strlen(text), .kind = *text ? CELL_TEXT : CELL_NULL};
}

int named_print_list(const struct command *command, const struct rows_options *options)
{
    static const char *const names[] = {"name", "purpose", "aws_name", "parameters"};
    struct rows *rows;
    int r = rows_new(&rows, options, names, ARRAY_SIZE(names));
    if (r < 0)
        return command_fail(command, EXIT_DATA, "out of memory");
    for (const struct named_query *query = named_queries; query->name && r == 0; query++) {
        AUTO_BUF struct buf parameters = BUF_INIT(HELP_MAX);
        print_parameters(&parameters, query);
        const struct cell cells[] = {text_cell(query->name), text_cell(query->purpose),
                                     text_cell(query->aws ? query->aws : ""),
                                     text_cell(buf_string(&parameters))};
        r = rows_add(rows, cells);
    }
    int finished = rows_finish(rows);
    r = r < 0 ? r : finished;
    return r < 0 ? command_fail(command, EXIT_DATA, "standard output: %s", strerror(-r)) : EXIT_DONE;
}

static void print_parameter_help(struct buf *to, const struct named_query *query,
                                 const struct named_parameter *list)
{
    for (; list->name; list++) {
        const char *initial = named_initial(query, list);
        buf_printf(to, "  %s=%s\n      %s", list->name, named_type_word(list->type), list->help);
        if (!initial)
            buf_text(to, "; has to be given");
        else if (*initial)
            buf_printf(to, "; default: %s", initial);
        buf_char(to, '\n');
    }
}

static void print_fields(struct buf *to, const struct named_query *query)
{
    for (size_t i = 0; i < ARRAY_SIZE(query->fields) && query->fields[i]; i++)
        buf_printf(to, "%s%s", i ? ", " : "", field_catalogue[query->fields[i]].name);
}

int named_print_help(const struct command *command, const struct named_query *query)
{
    AUTO_BUF struct buf help = BUF_INIT(HELP_MAX);
    buf_printf(&help, "%s: %s.\n\nWhat to conclude:\n  %s\n\nParameters:\n", query->name, query->purpose,
               query->conclude);
    print_parameter_help(&help, query, query->parameters);
    print_parameter_help(&help, query, named_common);
    if (query->fields[0]) {
        buf_text(&help, "\nFields that the records need: ");
        print_fields(&help, query);
        buf_char(&help, '\n');
    }
    if (query->aws)
        buf_printf(&help, "\nIn AWS's Athena integration: %s\n", query->aws);
    return command_print(command, &help);
}

int named_tell_missing(const struct command *command, const struct named_query *query)
{
    if (!query->fields[0])
        return EXIT_NO;
    AUTO_BUF struct buf fields = BUF_INIT(256);
    print_fields(&fields, query);
    return command_fail(command, EXIT_NO, "nothing found; %s needs records with the fields: %s", query->name,
                        buf_string(&fields));
}

/* Rows of an engine on their way to standard output. */
struct printing {
    const struct rows_options *options;
    struct rows *rows;
    bool *are_numbers;
    struct cell *cells;
    char **texts; /* of values that are no texts */
    size_t count;
    uint64_t printed;
};

static int begin(void *userdata, const struct engine_column *columns, size_t count)
{
    struct printing *printing = userdata;
    AUTO_FREE const char **names = calloc(count + 1, sizeof *names);
    printing->are_numbers = calloc(count + 1, sizeof *printing->are_numbers);
    printing->cells = calloc(count + 1, sizeof *printing->cells);
    printing->texts = calloc(count + 1, sizeof *printing->texts);
    printing->count = count;
    if (!names || !printing->are_numbers || !printing->cells || !printing->texts)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        names[i] = columns[i].name;
        printing->are_numbers[i] = columns[i].is_number;
    }
    return rows_new(&printing->rows, printing->options, names, count);
}

/* The fewest digits that stand for the same number; NULL without memory. */
static char *shortest(const json_t *real)
{
    for (size_t digits = 15;; digits++) {
        char *text = json_dumps(real, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        json_t *again = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        bool same = json_equal(again, real);
        json_decref(again);
        if (same || !text || digits == 17)
            return text;
        free(text);
    }
}

/* Numbers may come as texts, which keep all of their digits; nested values stay JSON. */
static int set_cell(struct printing *printing, size_t column, json_t *value)
{
    struct cell *cell = &printing->cells[column];
    if (json_is_null(value)) {
        *cell = (struct cell){.kind = CELL_NULL};
        return 0;
    }
    if (json_is_string(value)) {
        *cell = (struct cell){.text = json_string_value(value),
                              .len = json_string_length(value),
                              .kind = printing->are_numbers[column] ? CELL_NUMBER : CELL_TEXT};
        bool digits = cell->len > 0 && strspn(cell->text, "0123456789+-.eE") == cell->len;
        if (!digits) /* NaN and Infinity are no numbers in JSON */
            cell->kind = CELL_TEXT;
        return 0;
    }
    char *text = json_is_real(value) ? shortest(value) : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (!text)
        return -ENOMEM;
    printing->texts[column] = text;
    *cell = (struct cell){
        .text = text, .len = strlen(text), .kind = json_is_number(value) ? CELL_NUMBER : CELL_JSON};
    return 0;
}

static int add(void *userdata, json_t *row)
{
    struct printing *printing = userdata;
    if (printing->options->max > 0 && printing->printed == printing->options->max)
        return 0;
    int r = 0;
    for (size_t i = 0; i < printing->count && r == 0; i++)
        r = set_cell(printing, i, json_array_get(row, i));
    if (r == 0)
        r = rows_add(printing->rows, printing->cells);
    for (size_t i = 0; i < printing->count; i++) {
        free(printing->texts[i]);
        printing->texts[i] = NULL;
    }
    printing->printed++;
    return r;
}

static int exit_status(int error)
{
    return error == -EINVAL ? EXIT_USAGE : ask_exit_status(error);
}

int named_ask_engine(const struct engine *engine, const char *sql, const struct rows_options *options)
{
    struct fault fault;
    struct printing printing = {.options = options};
    const struct engine_sink sink = {.userdata = &printing, .begin = begin, .add = add};
    int r = engine_ask(engine, sql, &sink, &fault);
    int finished = printing.rows ? rows_finish(printing.rows) : 0;
    free(printing.are_numbers);
    free(printing.cells);
    free(printing.texts);
    if (r < 0)
        return command_fail(options->command, exit_status(r), "%s", fault.text);
    if (finished < 0)
        return command_fail(options->command, EXIT_DATA, "standard output: %s", strerror(-finished));
    return printing.printed > 0 ? EXIT_DONE : EXIT_NO;
}

static void write_parameters(struct buf *page, const struct named_query *query)
{
    for (const struct named_parameter *row = query->parameters; row->name; row++) {
        const char *initial = named_initial(query, row);
        buf_printf(page, ".br\n.IR %s =", row->name);
        troff_line(page, named_type_word(row->type));
        page->len--; /* one line */
        buf_text(page, ": ");
        troff_text(page, row->help, strlen(row->help));
        if (initial && *initial) {
            buf_text(page, "; default: ");
            troff_text(page, initial, strlen(initial));
        }
        buf_char(page, '\n');
    }
}

void named_manual(struct buf *page)
{
    for (const struct named_query *query = named_queries; query->name; query++) {
        buf_text(page, ".TP\n.B ");
        troff_line(page, query->name);
        troff_text(page, query->purpose, strlen(query->purpose));
        buf_text(page, ".\n");
        write_parameters(page, query);
        buf_text(page, ".br\nWhat to conclude: ");
        troff_line(page, query->conclude);
        if (query->fields[0]) {
            buf_text(page, ".br\nNeeds the fields: ");
            AUTO_BUF struct buf fields = BUF_INIT(256);
            print_fields(&fields, query);
            troff_line(page, buf_string(&fields));
        }
        if (query->aws) {
            buf_text(page, ".br\nIn AWS's Athena integration: ");
            troff_line(page, query->aws);
        }
    }
}
