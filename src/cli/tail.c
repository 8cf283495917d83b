/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "cli/command.h"
#include "cli/from.h"
#include "cli/rows.h"
#include "parquet/row_group.h"
#include "store/dataset.h"

#define POLL_NS (500 * NS_PER_MS)
#define FILES_FIRST 16 /* the newest ones that are asked first; all where that does not do */
#define FILES_FACTOR 8
#define ROOTS_MAX 64
#define SQL_MAX 16384

struct settings {
    struct from_settings from;
    const char *where;
    const char *format;
    unsigned form; /* enum rows_form */
    bool header;
    bool follow;
    uint64_t records;
};

static const struct option options[] = {
    {.name = "follow",
     .letter = 'f',
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, follow),
     .help = "go on with the records of files that come, until Ctrl-C"},
    {.name = "records",
     .letter = 'n',
     .metavar = "N",
     .kind = OPTION_NUMBER,
     .max = 10000000,
     .offset = offsetof(struct settings, records),
     .help = "how many of the newest records to begin with; default: 10"},
    FROM_OPTIONS(struct settings, from),
    WHERE_OPTION(struct settings, where),
    {.name = "format",
     .metavar = "FORMAT",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, format),
     .help = "fields to show: default, all, transit-gateway or '${field} ${field}'; default: default"},
    ROWS_OPTIONS(struct settings),
    {.name = NULL},
};

/* Hashes of paths; 0 is a free slot. */
struct path_set {
    uint64_t *slots;
    size_t size; /* a power of two */
    size_t used;
};

/* Paths to ask next. */
struct batch {
    const char **paths; /* owned, also the texts */
    size_t count;
    uint64_t least_end_s; /* of the files that are left out: records of them end before */
};

struct tail {
    const struct command *command;
    struct settings settings;
    struct buf columns; /* in SQL, under the names of the fields */
    const char *roots[ROOTS_MAX];
    struct dataset datasets[ROOTS_MAX]; /* as they were last time; open, so that nothing goes unread */
    struct dataset fresh[ROOTS_MAX];    /* as they are now */
    size_t root_count;
    struct path_set seen;
    bool printed; /* something was */
};

static atomic_bool stopped;

static void stop(int signal)
{
    atomic_store(&stopped, true);
}

/* Whether it is new. -ENOMEM. */
static int set_add(struct path_set *set, uint64_t hash, bool *ret_new)
{
    if (2 * set->used >= set->size) {
        struct path_set larger = {.size = set->size ? 2 * set->size : 1024};
        larger.slots = calloc(larger.size, sizeof *larger.slots);
        if (!larger.slots)
            return -ENOMEM;
        for (size_t i = 0; i < set->size; i++) {
            bool is_new;
            if (set->slots[i] && set_add(&larger, set->slots[i], &is_new) < 0)
                return -ENOMEM;
        }
        free(set->slots);
        *set = larger;
    }
    size_t at = hash & (set->size - 1);
    while (set->slots[at] && set->slots[at] != hash)
        at = (at + 1) & (set->size - 1);
    *ret_new = !set->slots[at];
    set->used += *ret_new;
    set->slots[at] = hash;
    return 0;
}

static void batch_done(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        free((void *)batch->paths[i]);
    free(batch->paths);
    *batch = (struct batch){0};
}

static int batch_add(struct batch *batch, const char *folder, const char *path)
{
    const char **longer = reallocarray(batch->paths, batch->count + 1, sizeof *longer);
    char *whole;
    if (!longer)
        return -ENOMEM;
    batch->paths = longer;
    if (asprintf(&whole, "%s/%s", folder, path) < 0)
        return -ENOMEM;
    longer[batch->count++] = whole;
    return 0;
}

/* Marks the path; adds it to the batch if it is new and the batch is there. */
static int meet(struct tail *tail, const struct dataset *dataset, const char *path, struct batch *batch)
{
    bool is_new;
    uint64_t hash = hash_bytes(path, strlen(path), hash_bytes(dataset->folder, strlen(dataset->folder), 0));
    int r = set_add(&tail->seen, hash ? hash : 1, &is_new);
    return r == 0 && is_new && batch ? batch_add(batch, dataset->folder, path) : r;
}

/*
 * What is new in the folder. A file that was made of others has nothing new but what of those is; they are
 * there as long as the listing of last time is open.
 */
static int meet_files(struct tail *tail, const struct dataset *dataset, struct batch *batch)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < dataset->count; i++) {
        const struct dataset_file *file = &dataset->files[i];
        const struct change *change = file->change;
        for (size_t k = 0; r == 0 && change && k < change->replaced_count; k++)
            r = meet(tail, dataset, change->replaced[k], batch);
        if (r == 0 && change)
            r = meet(tail, dataset, change->key, NULL);
        if (r == 0)
            r = meet(tail, dataset, file->path, change ? NULL : batch);
    }
    return r;
}

static int out_of_memory(struct fault *fault)
{
    return fault_set(fault, -ENOMEM, "out of memory");
}

static int poll_roots(struct tail *tail, struct batch *batch, struct fault *fault)
{
    for (size_t i = 0; i < tail->root_count; i++) {
        int r = dataset_open(&tail->fresh[i], tail->roots[i], fault);
        if (r < 0)
            return r;
        if (meet_files(tail, &tail->fresh[i], batch) < 0)
            return out_of_memory(fault);
    }
    return 0;
}

/* What was new has been read. */
static void settle(struct tail *tail)
{
    for (size_t i = 0; i < tail->root_count; i++) {
        dataset_close(&tail->datasets[i]);
        tail->datasets[i] = tail->fresh[i];
        tail->fresh[i] = (struct dataset){.lock = -1};
    }
}

/* A session over the files of a batch. */
struct asking {
    struct from from;
    struct flow_session *session;
};

static void asking_done(struct asking *asking)
{
    flow_session_close(asking->session);
    from_close(&asking->from);
}
#define AUTO_ASKING CLEANUP(asking_done)

static int ask_files(struct tail *tail, const struct batch *batch, struct asking *ret, struct fault *fault)
{
    int r =
        from_open_paths(&ret->from, tail->command, &tail->settings.from, batch->paths, batch->count, fault);
    return r < 0 ? r : from_open_session(&ret->session, &ret->from, tail->settings.where, fault);
}

/* The exit status. */
static int print(struct tail *tail, struct asking *asking, const char *sql)
{
    struct fault fault;
    duckdb_result result;
    const struct session *session = flow_session_sql(asking->session);
    const struct rows_options rows = {.command = tail->command,
                                      .form = (enum rows_form)tail->settings.form,
                                      .header = tail->settings.header,
                                      .local_time = tail->settings.from.local_time,
                                      .continued = tail->printed};
    int r = flow_session_ask(asking->session, sql, &result, &fault);
    if (r < 0)
        return command_fail(tail->command, command_status(r), "%s", fault.text);
    uint64_t printed = 0;
    r = rows_print(&rows, session, &result, &printed, &fault);
    session->duckdb->destroy_result(&result);
    if (r < 0)
        return command_fail(tail->command, command_status(r), "%s", fault.text);
    int status = printed > 0 ? EXIT_DONE : EXIT_NO;
    tail->printed |= status == EXIT_DONE;
    if (flow_session_tell_faults(asking->session) + sources_faults(asking->from.sources) > 0 &&
        status <= EXIT_NO)
        status = EXIT_DATA;
    return status;
}

static int print_new(struct tail *tail, const struct batch *batch)
{
    struct fault fault;
    AUTO_ASKING struct asking asking = {0};
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    if (batch->count == 0)
        return EXIT_NO;
    int r = ask_files(tail, batch, &asking, &fault);
    if (r < 0)
        return command_fail(tail->command, command_status(r), "%s", fault.text);
    buf_printf(&sql, "SELECT %s FROM flow_logs ORDER BY \"end\", start", buf_string(&tail->columns));
    return print(tail, &asking, buf_string(&sql));
}

static void write_newest(struct tail *tail, struct buf *sql)
{
    buf_printf(sql,
               "SELECT * EXCLUDE (order_end, order_start) FROM (SELECT %s, \"end\" AS order_end, "
               "start AS order_start FROM flow_logs ORDER BY order_end DESC NULLS LAST, order_start DESC "
               "LIMIT %llu) ORDER BY order_end, order_start",
               buf_string(&tail->columns), (unsigned long long)tail->settings.records);
}

static int print_newest(struct tail *tail, struct asking *asking)
{
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    write_newest(tail, &sql);
    return print(tail, asking, buf_string(&sql));
}

static int compare_ends(const void *a, const void *b)
{
    const struct dataset_file *left = *(const struct dataset_file *const *)a;
    const struct dataset_file *right = *(const struct dataset_file *const *)b;
    uint64_t left_s = left->named ? left->end_s : UINT64_MAX; /* may hold anything */
    uint64_t right_s = right->named ? right->end_s : UINT64_MAX;
    return (left_s < right_s) - (left_s > right_s);
}

/* The `count` files whose names allow the newest records. */
static int collect_newest(const struct tail *tail, size_t count, struct batch *ret)
{
    size_t all = 0;
    size_t used = 0;
    int r = 0;
    for (size_t i = 0; i < tail->root_count; i++)
        all += tail->datasets[i].count;
    AUTO_FREE const struct dataset_file **files = calloc(all + 1, sizeof *files);
    if (!files)
        return -ENOMEM;
    for (size_t i = 0; i < tail->root_count; i++)
        for (size_t k = 0; k < tail->datasets[i].count; k++)
            files[used++] = &tail->datasets[i].files[k];
    qsort(files, used, sizeof *files, compare_ends);
    while (count < used && !files[count]->named)
        count++;
    for (size_t i = 0; i < tail->root_count; i++)
        for (size_t k = 0; r == 0 && k < used && k < count; k++)
            if (files[k] >= tail->datasets[i].files &&
                files[k] < tail->datasets[i].files + tail->datasets[i].count)
                r = batch_add(ret, tail->datasets[i].folder, files[k]->path);
    ret->least_end_s = count < used ? files[count]->end_s : 0;
    return r;
}

static int take_number(const struct session *session, duckdb_result *result, int64_t ret[static 2],
                       struct fault *fault)
{
    duckdb_data_chunk chunk = NULL;
    int r = session_fetch(session, result, &chunk, fault);
    for (unsigned i = 0; r == 0 && chunk && i < 2; i++)
        ret[i] = *(const int64_t *)session->duckdb->vector_get_data(
            session->duckdb->data_chunk_get_vector(chunk, i));
    if (chunk)
        session->duckdb->destroy_data_chunk(&chunk);
    return r;
}

/* Whether no file that was left out can hold a record as new as those. */
static int is_enough(struct tail *tail, struct asking *asking, const struct batch *batch, struct fault *fault)
{
    duckdb_result result;
    int64_t numbers[2] = {0, 0}; /* how many records, and when the oldest of them ended */
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    const struct session *session = flow_session_sql(asking->session);
    if (batch->least_end_s == 0)
        return 1;
    buf_printf(
        &sql,
        "SELECT count(*)::BIGINT, coalesce(min(e), 0)::BIGINT FROM (SELECT \"end\" AS e FROM flow_logs "
        "ORDER BY e DESC NULLS LAST LIMIT %llu)",
        (unsigned long long)tail->settings.records);
    int r = flow_session_ask(asking->session, buf_string(&sql), &result, fault);
    if (r < 0)
        return r;
    r = take_number(session, &result, numbers, fault);
    session->duckdb->destroy_result(&result);
    return r < 0
               ? r
               : (uint64_t)numbers[0] == tail->settings.records && (uint64_t)numbers[1] >= batch->least_end_s;
}

/* More and more files, until the newest records are among them. */
static int print_newest_of_roots(struct tail *tail)
{
    struct fault fault;
    for (size_t count = FILES_FIRST;; count *= FILES_FACTOR) {
        CLEANUP(batch_done) struct batch batch = {0};
        AUTO_ASKING struct asking asking = {0};
        int r = collect_newest(tail, count, &batch) < 0 ? out_of_memory(&fault) : 0;
        if (r == 0 && batch.count == 0)
            return EXIT_NO;
        if (r == 0)
            r = ask_files(tail, &batch, &asking, &fault);
        if (r == 0)
            r = is_enough(tail, &asking, &batch, &fault);
        if (r < 0)
            return command_fail(tail->command, command_status(r), "%s", fault.text);
        if (r > 0)
            return print_newest(tail, &asking);
    }
}

static int follow(struct tail *tail)
{
    struct fault fault;
    int worst = EXIT_DONE;
    while (!atomic_load(&stopped)) {
        CLEANUP(batch_done) struct batch batch = {0};
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
        int r = poll_roots(tail, &batch, &fault);
        if (r < 0)
            return command_fail(tail->command, command_status(r), "%s", fault.text);
        int status = print_new(tail, &batch);
        settle(tail);
        if (status == EXIT_USAGE)
            return status;
        worst = status > EXIT_NO ? status : worst;
    }
    return worst;
}

/* Roots that are folders are gone through here; anything else is read as it is, once. */
static bool find_roots(struct tail *tail, char store[static PATH_MAX], struct fault *fault)
{
    const struct option_list *from = &tail->settings.from.from;
    struct stat status;
    if (from->count == 0 && from_find_store(tail->settings.from.state, store, fault) == 0)
        tail->roots[tail->root_count++] = store;
    for (size_t i = 0; i < from->count; i++) {
        if (i == ROOTS_MAX || stat(from->items[i], &status) < 0 || !S_ISDIR(status.st_mode))
            return false;
        tail->roots[tail->root_count++] = from->items[i];
    }
    return tail->root_count > 0;
}

static int tail_roots(struct tail *tail)
{
    struct fault fault;
    int r = poll_roots(tail, NULL, &fault);
    if (r < 0)
        return command_fail(tail->command, command_status(r), "%s", fault.text);
    settle(tail);
    int status = tail->settings.records ? print_newest_of_roots(tail) : EXIT_DONE;
    return tail->settings.follow && status != EXIT_USAGE ? follow(tail) : status;
}

/* Of whatever --from takes. */
static int tail_sources(struct tail *tail)
{
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    write_newest(tail, &sql);
    const struct from_question question = {.command = tail->command,
                                           .from = &tail->settings.from,
                                           .where = tail->settings.where,
                                           .sql = buf_string(&sql),
                                           .rows = {.command = tail->command,
                                                    .form = (enum rows_form)tail->settings.form,
                                                    .header = tail->settings.header,
                                                    .local_time = tail->settings.from.local_time}};
    return from_answer(&question);
}

static int choose_columns(struct tail *tail, struct fault *fault)
{
    struct format format;
    char name[COLUMN_NAME_MAX];
    bool seen[FIELD_COUNT + 1] = {0};
    int r = format_parse(&format, tail->settings.format ? tail->settings.format : "default", fault);
    if (r < 0) {
        fault_prefix(fault, "--format");
        return r;
    }
    for (unsigned i = 0; i < format.count; i++) {
        if (seen[format.fields[i]])
            continue;
        seen[format.fields[i]] = true;
        buf_printf(&tail->columns, "%s\"%s\" AS \"%s\"", tail->columns.len ? ", " : "",
                   schema_column_name(name, (enum field_id)format.fields[i]),
                   field_catalogue[format.fields[i]].name);
    }
    return 0;
}

static void tail_done(struct tail *tail)
{
    for (size_t i = 0; i < tail->root_count; i++) {
        dataset_close(&tail->datasets[i]);
        dataset_close(&tail->fresh[i]);
    }
    free(tail->seen.slots);
    buf_done(&tail->columns);
}

static int run(const struct command *command, int argc, char **argv)
{
    CLEANUP(tail_done)
    struct tail tail = {.command = command,
                        .settings = {.form = ROWS_BY_OUTPUT, .records = 10},
                        .columns = BUF_INIT(SQL_MAX)};
    struct fault fault = {0};
    char store[PATH_MAX];
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &tail.settings, &operands, &status))
        return status;
    if (operands > 0)
        return command_fail(command, EXIT_USAGE, "'%s': no operand is due; see --from", argv[0]);
    if (choose_columns(&tail, &fault) < 0)
        return command_fail(command, EXIT_USAGE, "%s", fault.text);
    bool has_roots = find_roots(&tail, store, &fault);
    if (!has_roots && tail.settings.follow)
        return command_fail(command, EXIT_USAGE, "--follow: a store or other folders are due as --from");
    if (tail.settings.follow) {
        (void)signal(SIGINT, stop);
        (void)signal(SIGTERM, stop);
        if (tail.settings.form == ROWS_BY_OUTPUT)
            tail.settings.form = ROWS_TEXT; /* no table is ever complete */
    }
    return has_roots ? tail_roots(&tail) : tail_sources(&tail);
}

const struct command command_tail = {
    .name = "tail",
    .summary = "Show the newest records, and go on as they are finished",
    .operands = "",
    .details =
        "Shows the records that ended last, in the order of their end; with --follow also those of every "
        "file\n"
        "that comes later, within a second. What is merged meanwhile is neither shown again nor left out.\n"
        "--follow works on the store and on folders; everything else that --from takes is read once.\n\n"
        "Without a record nothing is printed and the exit status is 1.",
    .example = "flowlog tail --follow --where \"action = 'REJECT'\"",
    .outcome = "prints rejected traffic as its windows close",
    .options = options,
    .run = run,
};
