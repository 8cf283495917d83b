/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/records.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "answer/narrow.h"
#include "base/cleanup.h"
#include "parquet/session.h"
#include "store/source_list.h"

#define QUERY_MAX (2 * 1024UL * 1024)

static const char *name_of(const struct records *records, const char *path)
{
    for (size_t i = 0; records->from.sources && i < sources_count(records->from.sources); i++)
        if (sources_at(records->from.sources, i)->path == path)
            return sources_at(records->from.sources, i)->name;
    return records->text.path == path ? records->text.name : path;
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

/* What src/answer reads: `count` paths. */
static int begin(struct records *records, size_t count, struct fault *fault)
{
    records->paths = calloc(count + 1, sizeof *records->paths);
    if (!records->paths)
        return fault_set(fault, -ENOMEM, "out of memory");
    records->input =
        (struct input_options){.format = &records->format, .userdata = records, .bad_line = report_bad_line};
    records->readings = (struct readings){.paths = records->paths,
                                          .count = count,
                                          .input = &records->input,
                                          .since_s = records->from.since_s,
                                          .until_s = records->from.until_s,
                                          .progress = show_progress,
                                          .context = records};
    progress_begin(&records->progress, "records");
    return 0;
}

int records_open(struct records *records, const struct command *command, struct from_settings *settings,
                 int operands, char **argv, struct fault *fault)
{
    *records = (struct records){.command = command, .narrowed = -1};
    for (int i = 0; i < operands; i++) {
        if (settings->from.count == OPTION_LIST_MAX)
            return fault_set(fault, -EINVAL, "more than %d files", OPTION_LIST_MAX);
        settings->from.items[settings->from.count++] = argv[i];
    }
    int r = from_open(&records->from, command, settings, fault);
    if (r < 0)
        return r;
    if (records->from.has_input_format)
        records->format = records->from.input_format;
    else
        format_set_default(&records->format);
    size_t count = sources_count(records->from.sources);
    r = begin(records, count, fault);
    for (size_t i = 0; i < count && r == 0; i++)
        records->paths[i] = sources_at(records->from.sources, i)->path;
    return r;
}

int records_open_text(struct records *records, const struct command *command,
                      const struct from_settings *settings, const char *text, size_t len, struct fault *fault)
{
    *records = (struct records){
        .command = command, .narrowed = -1, .from = {.until_s = UINT64_MAX}, .text = {.fd = -1}};
    int r =
        format_parse(&records->format, settings->input_format ? settings->input_format : "default", fault);
    if (r < 0) {
        fault_prefix(fault, "--input-format");
        return r;
    }
    r = twice_open_text(&records->text, "record", text, len, fault);
    if (r == 0)
        r = begin(records, 1, fault);
    if (r == 0)
        records->paths[0] = records->text.path;
    return r;
}

static bool is_all_parquet(const struct sources *sources)
{
    for (size_t i = 0; i < sources_count(sources); i++)
        if (sources_at(sources, i)->form != SOURCE_PARQUET)
            return false;
    return sources_count(sources) > 0;
}

/* Whether the queries give the same as all records would, and over which columns. */
static int look_at_records(const struct flow_session *session, enum narrow_records *ret_records,
                           bool *ret_objects, struct fault *fault)
{
    const struct session *sql = flow_session_sql(session);
    bool whole;
    bool lack = true;
    int r = flow_session_is_whole(session, narrow_fields, narrow_field_count, &whole, fault);
    if (r == 0 && whole)
        r = session_has_row(sql, narrow_lack, &lack, fault);
    *ret_records = lack ? NARROW_SOME_LACK : NARROW_ALL_WHOLE;
    *ret_objects = false;
    return r < 0 || !lack ? r : session_has_row(sql, narrow_objection, ret_objects, fault);
}

static int write_rows(const struct session *session, const struct buf *query, const char *path,
                      struct fault *fault)
{
    AUTO_BUF struct buf sql = BUF_INIT(2 * QUERY_MAX);
    buf_text(&sql, "COPY (");
    buf_join(&sql, query);
    buf_printf(&sql, ") TO '%s' (FORMAT parquet, COMPRESSION lz4_raw, USE_TMP_FILE false)", path);
    return sql.failed ? fault_set(fault, -ENOMEM, "out of memory")
                      : session_run(session, buf_string(&sql), fault);
}

static int keep_rows(struct records *records, const struct session *session, const struct buf *query,
                     struct fault *fault)
{
    AUTO_CLOSE int fd = sources_temporary(fault);
    if (fd < 0)
        return fd;
    int r = write_rows(session, query, session_file_name(records->narrowed_path, fd), fault);
    if (r < 0)
        return r;
    records->narrowed = TAKE_FD(fd);
    records->paths[0] = records->narrowed_path;
    records->readings.count = 1;
    return 0;
}

int records_narrow(struct records *records, const struct question *question, struct fault *fault)
{
    AUTO_BUF struct buf query = BUF_INIT(QUERY_MAX);
    struct flow_session *session = NULL;
    enum narrow_records kind = NARROW_SOME_LACK;
    bool objects = true;
    if (!is_all_parquet(records->from.sources) || !narrow_can(question))
        return 0;
    int r = from_open_session(&session, &records->from, NULL, fault);
    if (r == 0)
        r = look_at_records(session, &kind, &objects, fault);
    if (r == 0 && !objects && flow_session_tell_faults(session) == 0) {
        narrow_print(&query, question, kind);
        r = keep_rows(records, flow_session_sql(session), &query, fault);
    }
    flow_session_close(session);
    return r;
}

int records_status(const struct records *records, int status)
{
    if (!records->from.sources || sources_faults(records->from.sources) == 0)
        return status;
    return sources_unreachable(records->from.sources) ? EXIT_UNREACHABLE : EXIT_DATA;
}

void records_tell_bad_lines(struct records *records, uint64_t count)
{
    progress_clear(&records->progress);
    if (records->bad_lines)
        (void)fprintf(stderr, "bad lines: %" PRIu64 "; records: %" PRIu64 "\n", records->bad_lines, count);
}

void records_close(struct records *records)
{
    if (records->paths && records->narrowed >= 0)
        (void)close(records->narrowed);
    if (records->from.sources)
        from_close(&records->from);
    twice_close(&records->text);
    free(records->paths);
    *records = (struct records){0};
}

void records_tell_document(void *context, const char *line)
{
    struct records *records = context;
    progress_clear(&records->progress);
    (void)command_fail(records->command, EXIT_DATA, "%s", line);
}
