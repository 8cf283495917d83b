/* SPDX-License-Identifier: Apache-2.0 */
#include "store/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "parquet/row_group.h"
#include "parquet/session.h"
#include "parquet/writer.h"

#define MEMORY_BYTES (512UL << 20) /* foreign files have large row groups */
#define SQL_MAX (1UL << 20)

struct merge {
    struct session session;
    char *const *paths; /* borrowed */
    int *fds;           /* of them, as paths may hold what DuckDB takes for a pattern */
    size_t count;
    struct buf list;   /* their names in SQL */
    struct buf select; /* the columns */
    struct format format;
    const atomic_bool *cancelled;
};

static void merge_done(struct merge *merge)
{
    for (size_t i = 0; merge->fds && i < merge->count; i++)
        cleanup_close(&merge->fds[i]);
    free(merge->fds);
    session_close(&merge->session);
    buf_done(&merge->list);
    buf_done(&merge->select);
}
#define AUTO_MERGE CLEANUP(merge_done)

/* With the paths that a message means, and without the statement that nobody wrote. */
static int tell(const struct merge *merge, int error, struct fault *fault)
{
    session_drop_statement(fault);
    for (size_t i = 0; i < merge->count; i++)
        session_tell_path(fault, merge->fds[i], merge->paths[i]);
    return error;
}

static int open_files(struct merge *merge, struct fault *fault)
{
    merge->fds = malloc(merge->count * sizeof *merge->fds);
    if (!merge->fds)
        return fault_set(fault, -ENOMEM, "out of memory");
    memset(merge->fds, 0xff, merge->count * sizeof *merge->fds);
    buf_char(&merge->list, '[');
    for (size_t i = 0; i < merge->count; i++) {
        char name[SESSION_FILE_MAX];
        merge->fds[i] = open(merge->paths[i], O_RDONLY | O_CLOEXEC);
        if (merge->fds[i] < 0)
            return fault_set(fault, -errno, "%s: cannot open: %s", merge->paths[i], strerror(errno));
        buf_text(&merge->list, i > 0 ? ", " : "");
        session_quote(&merge->list, session_file_name(name, merge->fds[i]), '\'');
    }
    buf_char(&merge->list, ']');
    return 0;
}

static int add_column(struct merge *merge, const duckdb_string_t *name, struct fault *fault)
{
    static const char *const types[] = {
        [FIELD_INT32] = "INTEGER", [FIELD_INT64] = "BIGINT", [FIELD_STRING] = "VARCHAR"};
    size_t len = name->value.inlined.length;
    const char *text =
        len <= sizeof name->value.inlined.inlined ? name->value.inlined.inlined : name->value.pointer.ptr;
    int field = format_find_column(text, len);
    AUTO_FREE char *copy = strndup(text, len);
    if (!copy)
        return fault_set(fault, -ENOMEM, "out of memory");
    if (field < 0 || format_has(&merge->format, (enum field_id)field))
        return fault_set(fault, -EINVAL, "%s: column '%s' is no field of records: left as it is",
                         merge->paths[0], copy);
    buf_text(&merge->select, merge->format.count > 0 ? ", CAST(" : "CAST(");
    session_quote(&merge->select, copy, '"');
    buf_printf(&merge->select, " AS %s)", types[field_catalogue[field].type]);
    return format_add(&merge->format, (unsigned)field);
}

/* What a query gives, chunk by chunk. */
typedef int take_chunk(void *context, duckdb_data_chunk chunk, struct fault *fault);

static int run(const struct merge *merge, struct buf *sql, take_chunk *take, void *context,
               struct fault *fault)
{
    const struct duckdb_functions *duckdb = merge->session.duckdb;
    duckdb_result result;
    duckdb_data_chunk chunk;
    if (sql->failed)
        return fault_set(fault, -ENOMEM, "out of memory");
    int r = session_stream(&merge->session, buf_string(sql), &result, fault);
    if (r < 0)
        return tell(merge, r, fault);
    while ((r = session_fetch(&merge->session, &result, &chunk, fault)) == 0 && chunk) {
        r = merge->cancelled && atomic_load(merge->cancelled) ? fault_set(fault, -ECANCELED, "stopped")
                                                              : take(context, chunk, fault);
        duckdb->destroy_data_chunk(&chunk);
        if (r < 0)
            break;
    }
    duckdb->destroy_result(&result);
    return r < 0 ? tell(merge, r, fault) : 0;
}

static int take_columns(void *context, duckdb_data_chunk chunk, struct fault *fault)
{
    struct merge *merge = context;
    const struct duckdb_functions *duckdb = merge->session.duckdb;
    const duckdb_string_t *names = duckdb->vector_get_data(duckdb->data_chunk_get_vector(chunk, 0));
    int r = 0;
    for (size_t row = 0; r == 0 && row < duckdb->data_chunk_get_size(chunk); row++)
        r = add_column(merge, &names[row], fault);
    return r;
}

static int take_number(void *context, duckdb_data_chunk chunk, struct fault *fault)
{
    const struct duckdb_functions *duckdb = library_loaded();
    *(int64_t *)context = *(const int64_t *)duckdb->vector_get_data(duckdb->data_chunk_get_vector(chunk, 0));
    return 0;
}

#define READ " read_parquet(%s, union_by_name = true, binary_as_string = true, hive_partitioning = false)"

static int read_columns(struct merge *merge, struct fault *fault)
{
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    buf_printf(&sql, "DESCRIBE FROM" READ, buf_string(&merge->list));
    return run(merge, &sql, take_columns, merge, fault);
}

static int count_rows(const struct merge *merge, const char *list, int64_t *ret, struct fault *fault)
{
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    buf_printf(&sql, "SELECT coalesce(sum(num_rows), 0)::BIGINT FROM parquet_file_metadata(%s)", list);
    return run(merge, &sql, take_number, ret, fault);
}

static int take_rows(void *context, duckdb_data_chunk chunk, struct fault *fault)
{
    return parquet_writer_add_chunk(context, chunk, fault);
}

static int write_rows(struct merge *merge, int fd, const char *to, struct fault *fault)
{
    struct parquet_writer *writer;
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    buf_printf(&sql, "SELECT %s FROM" READ, buf_string(&merge->select), buf_string(&merge->list));
    int r = parquet_writer_open(&writer, fd, to, &merge->format, PARQUET_ZSTD, fault);
    if (r < 0)
        return r;
    r = run(merge, &sql, take_rows, writer, fault);
    if (r < 0) {
        parquet_writer_abandon(writer);
        return r;
    }
    return parquet_writer_close(writer, fault);
}

static int check_rows(const struct merge *merge, int fd, uint64_t *ret_rows, struct fault *fault)
{
    char name[SESSION_FILE_MAX];
    char list[SESSION_FILE_MAX + 4];
    int64_t before = 0;
    int64_t after = 0;
    (void)snprintf(list, sizeof list, "['%s']", session_file_name(name, fd));
    AUTO_FREE char *sources = strndup(merge->list.data, merge->list.len);
    if (!sources)
        return fault_set(fault, -ENOMEM, "out of memory");
    int r = count_rows(merge, sources, &before, fault);
    if (r == 0)
        r = count_rows(merge, list, &after, fault);
    if (r == 0 && before != after)
        r = fault_set(fault, -EIO, "%s: merged with %zu others it has %lld of %lld rows: left as it is",
                      merge->paths[0], merge->count - 1, (long long)after, (long long)before);
    *ret_rows = (uint64_t)after;
    return r;
}

static int merge_into(struct merge *merge, int fd, const char *to, uint64_t *ret_rows, struct fault *fault)
{
    const struct session_options options = {.threads = 1, .memory_bytes = MEMORY_BYTES};
    int r = open_files(merge, fault);
    if (r == 0)
        r = session_open(&merge->session, &options, fault);
    if (r == 0)
        r = read_columns(merge, fault);
    if (r == 0)
        r = write_rows(merge, fd, to, fault);
    if (r == 0 && fsync(fd) < 0)
        r = fault_set(fault, -errno, "%s: cannot write: %s", to, strerror(errno));
    return r == 0 ? check_rows(merge, fd, ret_rows, fault) : r;
}

int merge_files(const char *to, char *const *paths, size_t count, const atomic_bool *cancelled,
                uint64_t *ret_rows, struct fault *fault)
{
    AUTO_MERGE struct merge merge = {.paths = paths,
                                     .count = count,
                                     .list = BUF_INIT(SQL_MAX),
                                     .select = BUF_INIT(SQL_MAX),
                                     .cancelled = cancelled};
    AUTO_CLOSE int fd = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return fault_set(fault, -errno, "%s: cannot create: %s", to, strerror(errno));
    int r = merge_into(&merge, fd, to, ret_rows, fault);
    if (r < 0)
        (void)unlink(to);
    return r;
}
