/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "cli/command.h"
#include "cli/table.h"
#include "record/csv.h"
#include "record/field.h"
#include "record/json.h"

#define OUTPUT_MAX (1024 * 1024)
#define VERSION_MAX 11
#define VERSION_TRANSIT_GATEWAY 6

enum form { FORM_TABLE, FORM_JSON, FORM_CSV, FORM_TEXT };

struct settings {
    unsigned form; /* enum form */
    uint64_t version;
};

static const struct option options[] = {
    {.name = "version",
     .metavar = "N",
     .kind = OPTION_NUMBER,
     .min = 2,
     .max = VERSION_MAX,
     .offset = offsetof(struct settings, version),
     .help = "only the fields of VPC flow logs up to version N; with 6 also those of transit gateways"},
    {.name = "as",
     .letter = 'o',
     .metavar = "table|json|csv|text",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct settings, form),
     .help = "table (the default), one JSON object per line, comma-separated values, or names only"},
    {.name = NULL},
};

/* Version 6 exists for transit gateways alone, so later versions of VPC records do not include it. */
static bool is_listed(const struct field *field, uint64_t version)
{
    if (version == 0)
        return true;
    if (field->version > version)
        return false;
    return version == VERSION_TRANSIT_GATEWAY || field->scope != FIELD_SCOPE_TRANSIT_GATEWAY;
}

static const char *scope_name(const struct field *field)
{
    if (field->scope == FIELD_SCOPE_OWN)
        return "flowlog";
    if (field->scope == FIELD_SCOPE_VPC)
        return "vpc";
    return field->scope == FIELD_SCOPE_TRANSIT_GATEWAY ? "transit-gateway" : "vpc, transit-gateway";
}

static void print_table(struct buf *to, uint64_t version)
{
    static const char *const columns[] = {"NAME", "VERSION", "TYPE", "RECORDS", "MEANING", NULL};
    struct table table CLEANUP(table_done);
    table_init(&table, columns);
    for (int id = 0; id < FIELD_COUNT; id++) {
        const struct field *field = &field_catalogue[id];
        if (!is_listed(field, version))
            continue;
        char number[8];
        (void)snprintf(number, sizeof number, "%u", field->version);
        table_add(&table, (const char *const[]){field->name, number, field_type_name(field->type),
                                                scope_name(field), field->meaning});
    }
    table_print(&table, table_terminal_width(), to);
}

static void write_json(struct buf *to, const struct field *field)
{
    buf_printf(to,
               "{\"name\":\"%s\",\"version\":%u,\"type\":\"%s\",\"records\":\"%s\",\"meaning\":", field->name,
               field->version, field_type_name(field->type), scope_name(field));
    json_write_string(to, field->meaning, strlen(field->meaning));
    buf_text(to, ",\"absent-when\":");
    json_write_string(to, field->absent_when, strlen(field->absent_when));
    buf_text(to, "}\n");
}

static void write_csv(struct buf *to, const struct field *field)
{
    buf_printf(to, "%s,%u,%s,", field->name, field->version, field_type_name(field->type));
    csv_write_cell(to, scope_name(field), strlen(scope_name(field)));
    buf_char(to, ',');
    csv_write_cell(to, field->meaning, strlen(field->meaning));
    buf_char(to, '\n');
}

static void write_name(struct buf *to, const struct field *field)
{
    buf_append(to, field->name, field->name_len);
    buf_char(to, '\n');
}

static void print_rows(struct buf *to, enum form form, uint64_t version)
{
    static void (*const writers[])(struct buf *, const struct field *) = {
        [FORM_JSON] = write_json, [FORM_CSV] = write_csv, [FORM_TEXT] = write_name};
    if (form == FORM_CSV)
        buf_text(to, "name,version,type,records,meaning\n");
    for (int id = 0; id < FIELD_COUNT; id++)
        if (is_listed(&field_catalogue[id], version))
            writers[form](to, &field_catalogue[id]);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct settings settings = {.form = FORM_TABLE};
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &settings, &operands, &status))
        return status;
    if (operands > 0)
        return command_fail(command, EXIT_USAGE, "'%s': no operand is due", argv[0]);
    AUTO_BUF struct buf text = BUF_INIT(OUTPUT_MAX);
    if (settings.form == FORM_TABLE)
        print_table(&text, settings.version);
    else
        print_rows(&text, (enum form)settings.form, settings.version);
    return command_print(command, &text);
}

const struct command command_fields = {
    .name = "fields",
    .summary = "List the fields a record can have",
    .operands = "",
    .details =
        "Shows name, record version, type and meaning of each field: AWS's for VPC and transit gateway flow\n"
        "logs, and flowlog's own, whose names begin with x-.",
    .example = "flowlog fields --version 5 -o json",
    .outcome = "prints the 29 fields of versions 2 to 5, one JSON object per line",
    .options = options,
    .run = run,
};
