/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/from.h"
#include "cli/progress.h"
#include "cli/rejects.h"
#include "parquet/files.h"

#define PROGRESS_EVERY 4096 /* records */
#define STDERR_BUFFER 65536

enum form { FORM_BY_NAME, FORM_TEXT, FORM_JSON, FORM_CSV, FORM_PARQUET };

struct settings {
    const char *out;
    const char *format;
    const char *input_format;
    const char *rejects;
    unsigned form; /* enum form */
    bool header;
    bool strict;
};

static const struct option options[] = {
    {.name = "out",
     .metavar = "FILE",
     .kind = OPTION_TEXT,
     SETTING(out),
     .help =
         "write to FILE; its name decides the form: .parquet, .json JSON lines, .csv, .gz compressed, else "
         "text; default: text on standard output"},
    {.name = "as",
     .letter = 'o',
     .metavar = "auto|text|json|csv|parquet",
     .kind = OPTION_CHOICE,
     SETTING(form),
     .help = "the form, whatever the name of the output"},
    {.name = "format",
     .metavar = "FORMAT",
     .kind = OPTION_TEXT,
     SETTING(format),
     .help = "fields of the output: default, all, transit-gateway or '${field} ${field}'; default: default, "
             "and for "
             "JSON the fields of the input"},
    {.name = "header",
     .kind = OPTION_FLAG,
     SETTING(header),
     .help = "begin text with a line of the field names"},
    INPUT_FORMAT_OPTION(struct settings, input_format),
    {.name = "rejects",
     .metavar = "FILE",
     .kind = OPTION_TEXT,
     SETTING(rejects),
     .help = "keep the bad lines, as they are, in FILE"},
    STRICT_OPTION(struct settings, strict),
    {.name = NULL},
};

struct conversion {
    const struct command *command;
    struct settings settings;
    struct format format;
    struct format input_format;
    bool keeps_fields; /* each record is written with the fields it came with */
    struct output *output;
    struct rejects rejects;
    struct progress progress;
    uint64_t records; /* of the inputs that are done */
    uint64_t bad_lines;
    unsigned inputs_read;
};

static void report_bad_line(void *userdata, const char *path, uint64_t line, const char *reason)
{
    struct conversion *conversion = userdata;
    progress_clear(&conversion->progress);
    (void)fprintf(stderr, "%s:%" PRIu64 ": %s\n", path, line, reason);
    conversion->bad_lines++;
}

static void keep_reject(void *userdata, const char *text, size_t len)
{
    struct conversion *conversion = userdata;
    rejects_keep(&conversion->rejects, text, len);
}

static int fail(struct conversion *conversion, int status, const struct fault *fault)
{
    progress_clear(&conversion->progress);
    return command_fail(conversion->command, status, "%s", fault->text);
}

/* Once per input: which of its fields the output has no column for. Asked-for formats need no such word. */
static void note_lost_fields(struct conversion *conversion, const char *path, const struct format *from)
{
    AUTO_BUF struct buf names = BUF_INIT(16384);
    for (unsigned i = 0; i < from->count; i++) {
        if (from->fields[i] == FIELD_UNKNOWN || format_has(&conversion->format, from->fields[i]))
            continue;
        buf_printf(&names, "%s%s", names.len ? ", " : "", field_catalogue[from->fields[i]].name);
    }
    if (names.len == 0)
        return;
    progress_clear(&conversion->progress);
    (void)fprintf(stderr,
                  "flowlog %s: %s: left out, since the default format lacks them (see --format): %s\n",
                  conversion->command->name, path, buf_string(&names));
}

static int convert_record(struct conversion *conversion, const struct input *input,
                          const struct record *record, struct fault *fault)
{
    if (conversion->keeps_fields)
        output_set_format(conversion->output, input_format(input));
    size_t len;
    const char *line = input_line(input, &len);
    return line ? output_write_line(conversion->output, record, input_format(input), line, len, fault)
                : output_write(conversion->output, record, fault);
}

/* An exit status; EXIT_DATA with *ret_fatal when the output is broken and nothing can go on. */
static int convert_records(struct conversion *conversion, const char *path, struct input *input,
                           bool *ret_fatal)
{
    const struct record *record;
    struct fault fault;
    int r;
    for (uint64_t count = 1; (r = input_next(input, &record, &fault)) > 0; count++) {
        if (convert_record(conversion, input, record, &fault) < 0) {
            *ret_fatal = true;
            return fail(conversion, EXIT_DATA, &fault);
        }
        if (count == 1 && !conversion->keeps_fields && !conversion->settings.format)
            note_lost_fields(conversion, path, input_format(input));
        if (count % PROGRESS_EVERY != 0)
            continue;
        struct input_counts counts = input_counts(input);
        progress_show(&conversion->progress, counts.bytes, counts.bytes_total, conversion->records + count);
    }
    conversion->records += input_counts(input).records;
    return r < 0 ? fail(conversion, EXIT_DATA, &fault) : EXIT_DONE;
}

static int convert_input(struct conversion *conversion, const char *path, bool *ret_fatal)
{
    const struct input_options input_options = {
        .format = conversion->settings.input_format ? &conversion->input_format : NULL,
        .userdata = conversion,
        .bad_line = report_bad_line,
        .bad_text = keep_reject,
    };
    struct input *input;
    struct fault fault;
    if (files_open_input(&input, path, &input_options, &fault) < 0)
        return fail(conversion, EXIT_DATA, &fault);
    conversion->inputs_read++;
    int status = convert_records(conversion, path, input, ret_fatal);
    input_free(input);
    return status;
}

static int convert_inputs(struct conversion *conversion, int count, char **paths, bool *ret_fatal)
{
    int worst = EXIT_DONE;
    for (int i = 0; i < count && !*ret_fatal; i++) {
        int status = convert_input(conversion, paths[i], ret_fatal);
        if (status != EXIT_DONE)
            worst = status;
    }
    progress_clear(&conversion->progress);
    return worst;
}

/* Puts the output in its place, also when some input failed: what could be read is there. */
static int finish(struct conversion *conversion, int status, bool fatal)
{
    struct fault fault;
    struct output *output = TAKE(conversion->output);
    if (fatal || conversion->inputs_read == 0)
        output_abandon(output);
    else if (output_close(output, &fault) < 0)
        status = fail(conversion, EXIT_DATA, &fault);
    if (rejects_close(&conversion->rejects, &fault) < 0)
        status = fail(conversion, EXIT_DATA, &fault);
    if (conversion->inputs_read == 0)
        return status;
    (void)fprintf(stderr, "bad lines: %" PRIu64 "; records: %" PRIu64 "\n", conversion->bad_lines,
                  conversion->records);
    if (status == EXIT_DONE && conversion->settings.strict && conversion->bad_lines > 0)
        return EXIT_NO;
    return status;
}

static enum output_form choose_form(const struct settings *settings)
{
    static const enum output_form plain[] = {[FORM_TEXT] = OUTPUT_TEXT,
                                             [FORM_JSON] = OUTPUT_JSON,
                                             [FORM_CSV] = OUTPUT_CSV,
                                             [FORM_PARQUET] = OUTPUT_PARQUET};
    static const enum output_form packed[] = {[FORM_TEXT] = OUTPUT_TEXT_GZ,
                                              [FORM_JSON] = OUTPUT_JSON_GZ,
                                              [FORM_CSV] = OUTPUT_CSV_GZ,
                                              [FORM_PARQUET] = OUTPUT_PARQUET_GZ};
    enum output_form by_name = output_form_of(settings->out);
    if (settings->form == FORM_BY_NAME)
        return by_name;
    return output_form_is_gzip(by_name) ? packed[settings->form] : plain[settings->form];
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat a_status;
    struct stat b_status;
    if (stat(a, &a_status) < 0 || stat(b, &b_status) < 0)
        return strcmp(a, b) == 0;
    return S_ISREG(a_status.st_mode) && a_status.st_dev == b_status.st_dev &&
           a_status.st_ino == b_status.st_ino;
}

/* The rejects are written while the inputs are read, so they must not be one of them. */
static int check_rejects(const struct settings *settings, int count, char **paths, struct fault *fault)
{
    if (!settings->rejects)
        return 0;
    if (settings->out && is_same_file(settings->rejects, settings->out))
        return fault_set(fault, -EINVAL, "--rejects and --out are the same file");
    for (int i = 0; i < count; i++)
        if (is_same_file(settings->rejects, paths[i]))
            return fault_set(fault, -EINVAL, "--rejects: %s is an input", paths[i]);
    return 0;
}

static int check_settings(struct conversion *conversion, int count, char **paths, struct fault *fault)
{
    const struct settings *settings = &conversion->settings;
    if (count == 0)
        return fault_set(fault, -EINVAL, "an input is missing; '-' is standard input");
    int r = format_parse(&conversion->format, settings->format ? settings->format : "default", fault);
    if (r < 0) {
        fault_prefix(fault, "--format");
        return r;
    }
    if (settings->input_format)
        r = format_parse(&conversion->input_format, settings->input_format, fault);
    if (r < 0) {
        fault_prefix(fault, "--input-format");
        return r;
    }
    return check_rejects(settings, count, paths, fault);
}

static int open_outputs(struct conversion *conversion, struct fault *fault)
{
    const struct settings *settings = &conversion->settings;
    enum output_form form = choose_form(settings);
    bool json = form == OUTPUT_JSON || form == OUTPUT_JSON_GZ;
    conversion->keeps_fields = json && !settings->format;
    int r = files_open_output(&conversion->output, settings->out, form, &conversion->format, settings->header,
                              fault);
    if (r < 0)
        return r;
    r = rejects_open(&conversion->rejects, settings->rejects, "we", fault);
    if (r < 0)
        output_abandon(TAKE(conversion->output));
    return r;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct conversion conversion = {.command = command};
    struct fault fault;
    int count;
    int status;
    if (!command_begin(command, argc, argv, &conversion.settings, &count, &status))
        return status;
    int r = check_settings(&conversion, count, argv, &fault);
    if (r == 0)
        r = open_outputs(&conversion, &fault);
    if (r < 0)
        return command_fail(command, command_status(r), "%s", fault.text);
    if (!isatty(STDERR_FILENO)) /* a line per bad line: not a system call each */
        (void)setvbuf(stderr, NULL, _IOFBF, STDERR_BUFFER);
    progress_begin(&conversion.progress, "records");
    bool fatal = false;
    status = convert_inputs(&conversion, count, argv, &fatal);
    status = finish(&conversion, status, fatal);
    (void)fflush(stderr);
    return status;
}

const struct command command_convert = {
    .name = "convert",
    .summary = "Convert flow log records from any form and format to any other",
    .operands = "IN...",
    .details =
        "Reads text with or without a header line, JSON lines, CloudWatch Logs subscription documents and\n"
        "Firehose messages, each also gzip-compressed, and Parquet; '-' is standard input. Fields the input\n"
        "lacks are '-'. Parquet is written with AWS's column names and types, packed by zstd, or by gzip "
        "where\n"
        "the name ends in .gz.parquet; a field that the format lists twice is one column.\n"
        "A bad line is reported as FILE:LINE: reason and the rest goes on; the last line on standard error\n"
        "holds the number of bad lines; of Parquet, LINE is the row. Without --format, text, CSV and "
        "Parquet\n"
        "have AWS's default format.",
    .example = "flowlog convert --format all --out records.json vpcflowlogs.log.gz",
    .outcome = "writes the records of an AWS flow log file as JSON lines",
    .options = options,
    .run = run,
};
