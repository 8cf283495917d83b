/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/records.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *name_of(const struct records *records, const char *path)
{
    for (size_t i = 0; i < records->count; i++)
        if (records->paths[i] == path)
            return records->inputs[i].name;
    return path;
}

static void report_bad_line(void *userdata, const char *path, uint64_t line, const char *reason)
{
    struct records *records = userdata;
    progress_clear(&records->progress);
    (void)fprintf(stderr, "%s:%" PRIu64 ": %s\n", name_of(records, path), line, reason);
    records->bad_lines++;
}

static void show_progress(void *context, uint64_t read, uint64_t size, uint64_t count)
{
    struct records *records = context;
    progress_show(&records->progress, read, size, count);
}

static int begin(struct records *records, const struct command *command, const char *format, size_t count,
                 struct fault *fault)
{
    *records = (struct records){.command = command};
    int r = format_parse(&records->format, format ? format : "default", fault);
    if (r < 0) {
        fault_prefix(fault, "--input-format");
        return r;
    }
    records->inputs = calloc(count, sizeof *records->inputs);
    records->paths = calloc(count, sizeof *records->paths);
    if (!records->inputs || !records->paths)
        return fault_set(fault, -ENOMEM, "out of memory");
    records->input =
        (struct input_options){.format = &records->format, .userdata = records, .bad_line = report_bad_line};
    records->readings = (struct readings){
        .paths = records->paths, .input = &records->input, .progress = show_progress, .context = records};
    progress_begin(&records->progress, "records");
    return 0;
}

static void opened(struct records *records)
{
    records->paths[records->count] = records->inputs[records->count].path;
    records->readings.count = ++records->count;
}

int records_open(struct records *records, const struct command *command, const char *format, const char *from,
                 int operands, char **argv, struct fault *fault)
{
    int r = begin(records, command, format, (size_t)operands + 1, fault);
    if (r == 0 && !from && operands == 0)
        r = fault_set(fault, -EINVAL, "--from is missing: a file of records, or - for standard input");
    for (int i = from ? -1 : 0; i < operands && r == 0; i++) {
        r = twice_open(&records->inputs[records->count], i < 0 ? from : argv[i], fault);
        if (r == 0)
            opened(records);
    }
    return r;
}

int records_open_text(struct records *records, const struct command *command, const char *format,
                      const char *text, size_t len, struct fault *fault)
{
    int r = begin(records, command, format, 1, fault);
    if (r == 0)
        r = twice_open_text(&records->inputs[0], "record", text, len, fault);
    if (r == 0)
        opened(records);
    return r;
}

void records_tell_bad_lines(struct records *records, uint64_t count)
{
    progress_clear(&records->progress);
    if (records->bad_lines)
        (void)fprintf(stderr, "bad lines: %" PRIu64 "; records: %" PRIu64 "\n", records->bad_lines, count);
}

void records_close(struct records *records)
{
    for (size_t i = 0; i < records->count; i++)
        twice_close(&records->inputs[i]);
    free(records->inputs);
    free(records->paths);
    *records = (struct records){0};
}

void records_tell_document(void *context, const char *line)
{
    struct records *records = context;
    progress_clear(&records->progress);
    (void)command_fail(records->command, EXIT_DATA, "%s", line);
}
