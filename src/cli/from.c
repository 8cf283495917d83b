/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/from.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/macro.h"
#include "cli/when.h"
#include "daemon/config.h"

static void tell(void *userdata, const char *line)
{
    struct from *from = userdata;
    progress_clear(&from->progress);
    (void)command_fail(from->command, EXIT_DATA, "%s", line);
}

static void show_fetched(void *userdata, uint64_t bytes, uint64_t files)
{
    struct from *from = userdata;
    progress_show(&from->progress, bytes, 0, files);
}

static void show_progress(void *userdata)
{
    struct from *from = userdata;
    if (!from->session)
        return;
    struct flow_session_progress now = flow_session_progress(from->session);
    progress_show(&from->progress, now.bytes, now.bytes_total, now.records);
}

int from_read_time(const struct from_settings *settings, const char *option, const char *text, uint64_t *ret,
                   struct fault *fault)
{
    uint64_t now_s = clock_wall_ns() / NS_PER_S;
    if (!text)
        return 0;
    if (settings->local_time ? when_parse_local(text, now_s, ret) : when_parse(text, now_s, ret))
        return 0;
    return fault_set(fault, -EINVAL,
                     "--%s '%s': a time as 2026-01-31T12:00:00Z, seconds since the epoch, or 15m is due",
                     option, text);
}

int from_find_store(const char *state, char ret[static PATH_MAX], struct fault *fault)
{
    char note[PATH_MAX];
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX - 1);
    state = state ? state : CONFIG_STATE_DEFAULT;
    if ((size_t)snprintf(note, sizeof note, "%s/" CONFIG_STORE_NOTE, state) >= sizeof note ||
        (size_t)snprintf(ret, PATH_MAX, "%s/store", state) >= PATH_MAX)
        return fault_set(fault, -EINVAL, "--state: too long");
    if (file_read(note, &path, NULL) == 0 && path.len > 0)
        (void)snprintf(ret, PATH_MAX, "%s", buf_string(&path));
    return 0;
}

static int open_sources(struct from *from, const struct from_settings *settings, const char *const *paths,
                        size_t count, struct fault *fault)
{
    char store[PATH_MAX];
    const struct sources_options options = {
        .from = paths,
        .from_count = count,
        .store = store,
        .since_s = from->since_s,
        .until_s = from->until_s,
        .endpoint = settings->endpoint,
        .region = settings->region,
        .userdata = from,
        .tell = tell,
        .fetched = from->progress.on ? show_fetched : NULL,
    };
    int r = from_find_store(settings->state, store, fault);
    return r < 0 ? r : sources_open(&from->sources, &options, fault);
}

int from_open(struct from *ret, const struct command *command, const struct from_settings *settings,
              struct fault *fault)
{
    return from_open_paths(ret, command, settings, settings->from.items, settings->from.count, fault);
}

int from_open_paths(struct from *ret, const struct command *command, const struct from_settings *settings,
                    const char *const *paths, size_t count, struct fault *fault)
{
    *ret = (struct from){.command = command, .until_s = UINT64_MAX, .local_time = settings->local_time};
    progress_begin(&ret->progress, "objects");
    int r = from_read_time(settings, "since", settings->since, &ret->since_s, fault);
    if (r == 0)
        r = from_read_time(settings, "until", settings->until, &ret->until_s, fault);
    if (r < 0)
        return r;
    ret->has_input_format = settings->input_format != NULL;
    if (ret->has_input_format)
        r = format_parse(&ret->input_format, settings->input_format, fault);
    if (r < 0) {
        fault_prefix(fault, "--input-format");
        return r;
    }
    return open_sources(ret, settings, paths, count, fault);
}

void from_close(struct from *from)
{
    sources_close(from->sources);
}

int from_open_session(struct flow_session **ret, struct from *from, const char *where, struct fault *fault)
{
    const struct flow_session_options options = {
        .sources = from->sources,
        .input_format = from->has_input_format ? &from->input_format : NULL,
        .since_s = from->since_s,
        .until_s = from->until_s,
        .where = where,
        .userdata = from,
        .tell = tell,
        .progress = from->progress.on ? show_progress : NULL,
        .local_time = from->local_time,
    };
    progress_clear(&from->progress);
    progress_begin(&from->progress, "records");
    int r = flow_session_open(ret, &options, fault);
    if (r == 0)
        from->session = *ret;
    return r;
}

/* Asks once; what was printed counts in *ret_rows. */
static int ask(const struct from_question *question, struct from *from, uint64_t *ret_rows,
               struct fault *fault)
{
    duckdb_result result;
    const struct session *sql = flow_session_sql(from->session);
    int r = flow_session_ask(from->session, question->sql, &result, fault);
    progress_clear(&from->progress);
    if (r < 0)
        return r;
    r = rows_print(&question->rows, sql, &result, ret_rows, fault);
    sql->duckdb->destroy_result(&result);
    return r;
}

/*
 * A file may be damaged where nobody has looked yet: then it is left out, and the question asked once more if
 * nothing is printed. Where all files can be read the question itself is wrong.
 */
static int answer(const struct from_question *question, struct from *from)
{
    struct fault fault;
    uint64_t rows = 0;
    int r = ask(question, from, &rows, &fault);
    if (r == -EIO) {
        bool left_out = flow_session_leave_out_damaged(from->session);
        r = left_out && rows == 0 ? ask(question, from, &rows, &fault) : left_out ? r : -EINVAL;
    }
    if (r < 0)
        return command_fail(question->command, command_status(r), "%s", fault.text);
    return rows > 0 ? EXIT_DONE : EXIT_NO;
}

int from_answer(const struct from_question *question)
{
    struct fault fault;
    struct from from;
    struct flow_session *session = NULL;
    int status;
    int r = from_open(&from, question->command, question->from, &fault);
    if (r == 0 && sources_count(from.sources) == 0 && sources_faults(from.sources) > 0) {
        status = sources_unreachable(from.sources) ? EXIT_UNREACHABLE : EXIT_DATA;
        from_close(&from);
        return status; /* nothing of what was asked for is there: no answer */
    }
    if (r == 0)
        r = from_open_session(&session, &from, question->where, &fault);
    status = r < 0 ? command_fail(question->command, command_status(r), "%s", fault.text)
                   : answer(question, &from);
    bool unreachable = r == 0 && sources_unreachable(from.sources);
    bool incomplete = r == 0 && flow_session_tell_faults(session) + sources_faults(from.sources) > 0;
    flow_session_close(session);
    from_close(&from);
    if (!incomplete || status > EXIT_NO)
        return status;
    return unreachable ? EXIT_UNREACHABLE : EXIT_DATA;
}
