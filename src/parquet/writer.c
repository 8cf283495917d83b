/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "parquet/row_group.h"
#include "parquet/session.h"

#define ROWS_MAX 122880 /* of a row group: DuckDB's own default, whose readers work by multiples of it */
#define ROWS_UNIT 2048  /* what DuckDB hands over at once */
#define GROUP_BYTES (24UL * 1024 * 1024)   /* of its rows, and as much again of long texts */
#define COPY_BYTES (40UL * 1024 * 1024)    /* DuckDB's bound for the same */
#define MEMORY_BYTES (256UL * 1024 * 1024) /* never reached: a multiple of what a row group takes */

/*
 * COPY pulls rows from a table function and runs in a thread of its own, as records are pushed by the caller.
 * Two row groups go round: the caller fills one and hands it over as `ready`, the thread empties it and puts
 * it back as `spare`.
 */
struct parquet_writer {
    struct session session;
    const struct schema *schema; /* owned, or borrowed */
    struct schema own_schema;
    unsigned long number; /* tells writers apart */
    uint32_t rows_max;
    char name[256];
    char sql[256];
    int fd; /* borrowed */
    uint64_t rows_handed_over;
    uint64_t rows_packed; /* of them, when the last was handed over */
    uint64_t bytes_packed;
    struct row_group *filling;  /* the caller's */
    struct row_group *emptying; /* the thread's */
    uint32_t next_row;          /* of emptying */
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t changed;
    struct row_group *ready;
    struct row_group *spare;
    bool complete; /* nothing comes after ready */
    bool abandoned;
    bool ended; /* the thread has */
    int error;
    struct fault fault;
};

static void bind_rows(duckdb_bind_info info)
{
    static const duckdb_type types[] = {
        [FIELD_INT32] = DUCKDB_TYPE_INTEGER,
        [FIELD_INT64] = DUCKDB_TYPE_BIGINT,
        [FIELD_STRING] = DUCKDB_TYPE_VARCHAR,
    };
    const struct duckdb_functions *duckdb = library_loaded();
    const struct parquet_writer *writer = duckdb->bind_get_extra_info(info);
    for (unsigned i = 0; i < writer->schema->count; i++) {
        enum field_id field = (enum field_id)writer->schema->fields[i];
        char name[COLUMN_NAME_MAX];
        duckdb_logical_type type = duckdb->create_logical_type(types[field_catalogue[field].type]);
        duckdb->bind_add_result_column(info, schema_column_name(name, field), type);
        duckdb->destroy_logical_type(&type);
    }
}

static void init_rows(duckdb_init_info info)
{
    library_loaded()->init_set_max_threads(info, 1);
}

/* The thread's side: gives the emptied group back and waits for the next; false when there is none. */
static bool take_group(struct parquet_writer *writer, bool *ret_abandoned)
{
    (void)pthread_mutex_lock(&writer->mutex);
    if (writer->emptying)
        writer->spare = TAKE(writer->emptying);
    (void)pthread_cond_signal(&writer->changed);
    while (!writer->ready && !writer->complete && !writer->abandoned)
        (void)pthread_cond_wait(&writer->changed, &writer->mutex);
    *ret_abandoned = writer->abandoned;
    if (!writer->abandoned)
        writer->emptying = TAKE(writer->ready);
    (void)pthread_mutex_unlock(&writer->mutex);
    writer->next_row = 0;
    return writer->emptying;
}

/* Hands out the next rows; none is the end. */
static void next_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
    const struct duckdb_functions *duckdb = library_loaded();
    struct parquet_writer *writer = duckdb->function_get_extra_info(info);
    bool abandoned = false;
    if (!writer->emptying || writer->next_row == row_group_rows(writer->emptying)) {
        if (!take_group(writer, &abandoned)) {
            duckdb->data_chunk_set_size(chunk, 0);
            if (abandoned)
                duckdb->function_set_error(info, "given up");
            return;
        }
        if (row_group_sort(writer->emptying) < 0) {
            duckdb->data_chunk_set_size(chunk, 0);
            duckdb->function_set_error(info, "Out of Memory");
            return;
        }
    }
    writer->next_row += row_group_fill(writer->emptying, duckdb, writer->next_row, chunk);
}

#define FUNCTION_MAX 32

/* Writers of one database need functions of their own. */
static const char *print_function(const struct parquet_writer *writer, char to[static FUNCTION_MAX])
{
    (void)snprintf(to, FUNCTION_MAX, "records_%lu", writer->number);
    return to;
}

static int register_rows(struct parquet_writer *writer, struct fault *fault)
{
    const struct duckdb_functions *duckdb = writer->session.duckdb;
    char name[FUNCTION_MAX];
    duckdb_table_function function = duckdb->create_table_function();
    duckdb->table_function_set_name(function, print_function(writer, name));
    duckdb->table_function_set_extra_info(function, writer, NULL);
    duckdb->table_function_set_bind(function, bind_rows);
    duckdb->table_function_set_init(function, init_rows);
    duckdb->table_function_set_function(function, next_rows);
    duckdb_state state = duckdb->register_table_function(writer->session.connection, function);
    duckdb->destroy_table_function(&function);
    return state == DuckDBSuccess ? 0 : fault_set(fault, -ENOMEM, "DuckDB takes no table function");
}

static void *copy(void *context)
{
    struct parquet_writer *writer = context;
    struct fault fault = {0};
    int r = session_run(&writer->session, writer->sql, &fault);
    (void)pthread_mutex_lock(&writer->mutex);
    writer->error = r;
    writer->fault = fault;
    writer->ended = true;
    (void)pthread_cond_signal(&writer->changed);
    (void)pthread_mutex_unlock(&writer->mutex);
    return NULL;
}

static void writer_free(struct parquet_writer *writer)
{
    if (writer->has_thread)
        (void)pthread_join(writer->thread, NULL);
    session_close(&writer->session);
    row_group_free(writer->filling);
    row_group_free(writer->emptying);
    row_group_free(writer->ready);
    row_group_free(writer->spare);
    (void)pthread_cond_destroy(&writer->changed);
    (void)pthread_mutex_destroy(&writer->mutex);
    free(writer);
}

void parquet_writer_abandon(struct parquet_writer *writer)
{
    if (!writer)
        return;
    (void)pthread_mutex_lock(&writer->mutex);
    writer->abandoned = true;
    (void)pthread_cond_signal(&writer->changed);
    (void)pthread_mutex_unlock(&writer->mutex);
    writer_free(writer);
}

static void writer_cleanup(struct parquet_writer **writer)
{
    parquet_writer_abandon(*writer);
}

uint32_t parquet_writer_rows(const struct schema *schema)
{
    size_t rows = GROUP_BYTES / schema_row_bytes(schema) / ROWS_UNIT * ROWS_UNIT;
    return rows < ROWS_MAX ? (uint32_t)rows : ROWS_MAX;
}

int parquet_writer_open_session(struct session *ret, struct fault *fault)
{
    const struct session_options options = {
        .threads = 1, .memory_bytes = MEMORY_BYTES, .any_order = true}; /* bounds of bytes want that */
    return session_open(ret, &options, fault);
}

static int start(struct parquet_writer *writer, int fd, const struct session *shared,
                 enum parquet_codec codec, struct fault *fault)
{
    static atomic_ulong numbers;
    static const char *const codecs[] = {[PARQUET_GZIP] = "gzip", [PARQUET_ZSTD] = "zstd"};
    char name[SESSION_FILE_MAX];
    char function[FUNCTION_MAX];
    writer->fd = fd;
    writer->number = atomic_fetch_add(&numbers, 1);
    (void)snprintf(writer->sql, sizeof writer->sql,
                   "COPY (FROM %s()) TO '%s' (FORMAT parquet, CODEC '%s', "
                   "ROW_GROUP_SIZE %u, ROW_GROUP_SIZE_BYTES %lu, USE_TMP_FILE false)",
                   print_function(writer, function), session_file_name(name, fd), codecs[codec],
                   writer->rows_max, COPY_BYTES);
    int r = shared ? session_connect(&writer->session, shared, fault)
                   : parquet_writer_open_session(&writer->session, fault);
    if (r == 0)
        r = register_rows(writer, fault);
    if (r < 0)
        return r;
    r = -pthread_create(&writer->thread, NULL, copy, writer);
    writer->has_thread = r == 0;
    return r < 0 ? fault_set(fault, r, "no thread can be started: %s", strerror(-r)) : 0;
}

/* With the schema set; frees after a failure. */
static int open_writer(struct parquet_writer **ret, struct parquet_writer *owned, int fd, const char *name,
                       const struct session *shared, enum parquet_codec codec, struct fault *fault)
{
    CLEANUP(writer_cleanup) struct parquet_writer *writer = owned;
    (void)pthread_mutex_init(&writer->mutex, NULL);
    (void)pthread_cond_init(&writer->changed, NULL);
    (void)snprintf(writer->name, sizeof writer->name, "%s", name);
    writer->rows_max = parquet_writer_rows(writer->schema);
    writer->filling = row_group_new(writer->schema, writer->rows_max);
    writer->spare = row_group_new(writer->schema, writer->rows_max);
    int r = writer->filling && writer->spare ? start(writer, fd, shared, codec, fault)
                                             : fault_set(fault, -ENOMEM, "out of memory");
    if (r < 0) {
        fault_prefix(fault, "%s", name);
        return r;
    }
    *ret = TAKE(writer);
    return 0;
}

int parquet_writer_open(struct parquet_writer **ret, int fd, const char *name, const struct format *format,
                        enum parquet_codec codec, struct fault *fault)
{
    struct parquet_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return fault_set(fault, -ENOMEM, "out of memory");
    int r = schema_from_format(&writer->own_schema, format, fault);
    if (r < 0) {
        free(writer);
        fault_prefix(fault, "%s", name);
        return r;
    }
    writer->schema = &writer->own_schema;
    return open_writer(ret, writer, fd, name, NULL, codec, fault);
}

int parquet_writer_open_schema(struct parquet_writer **ret, int fd, const char *name,
                               const struct schema *schema, const struct session *shared,
                               enum parquet_codec codec, struct fault *fault)
{
    struct parquet_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return fault_set(fault, -ENOMEM, "out of memory");
    writer->schema = schema;
    return open_writer(ret, writer, fd, name, shared, codec, fault);
}

static int tell_error(struct parquet_writer *writer, struct fault *fault)
{
    session_tell_path(&writer->fault, writer->fd, writer->name);
    return fault_set(fault, writer->error, "%s: cannot write: %s", writer->name, writer->fault.text);
}

/* What was handed over before is in the file now, since the group it was in is spare, but for what DuckDB may
 * hold back where long texts make row groups of its own measure. */
static void note_size(struct parquet_writer *writer)
{
    struct stat status;
    if (fstat(writer->fd, &status) == 0)
        writer->bytes_packed = (uint64_t)status.st_size;
    writer->rows_packed = writer->rows_handed_over;
    writer->rows_handed_over += row_group_rows(writer->filling);
}

uint64_t parquet_writer_bytes(const struct parquet_writer *writer)
{
    uint64_t rows = writer->rows_handed_over + row_group_rows(writer->filling);
    return writer->rows_packed > 0
               ? (uint64_t)((double)writer->bytes_packed / (double)writer->rows_packed * (double)rows)
               : 0;
}

/* The caller's side: hands the filled group over and takes an empty one. */
static int hand_over(struct parquet_writer *writer, struct fault *fault)
{
    int r = 0;
    (void)pthread_mutex_lock(&writer->mutex);
    while (!writer->spare && !writer->ended)
        (void)pthread_cond_wait(&writer->changed, &writer->mutex);
    if (writer->ended) {
        r = tell_error(writer, fault);
    } else {
        note_size(writer);
        writer->ready = writer->filling;
        writer->filling = TAKE(writer->spare);
        (void)pthread_cond_signal(&writer->changed);
    }
    (void)pthread_mutex_unlock(&writer->mutex);
    if (r == 0)
        row_group_clear(writer->filling);
    return r;
}

bool parquet_writer_is_full(const struct row_group *group, uint32_t rows_max)
{
    uint32_t rows = row_group_rows(group);
    return rows == rows_max || (rows % ROWS_UNIT == 0 && row_group_text_bytes(group) >= GROUP_BYTES);
}

static bool is_full(const struct parquet_writer *writer)
{
    return parquet_writer_is_full(writer->filling, writer->rows_max);
}

int parquet_writer_add(struct parquet_writer *writer, const struct record *record, struct fault *fault)
{
    if (row_group_add(writer->filling, record) < 0)
        return fault_set(fault, -ENOMEM, "%s: out of memory", writer->name);
    return is_full(writer) ? hand_over(writer, fault) : 0;
}

/* In pieces that end where a row group may, so that its bounds are kept. */
int parquet_writer_add_chunk(struct parquet_writer *writer, struct _duckdb_data_chunk *chunk,
                             struct fault *fault)
{
    const struct duckdb_functions *duckdb = writer->session.duckdb;
    uint32_t count = (uint32_t)duckdb->data_chunk_get_size(chunk);
    int r = 0;
    for (uint32_t first = 0; r == 0 && first < count;) {
        uint32_t room = ROWS_UNIT - row_group_rows(writer->filling) % ROWS_UNIT;
        uint32_t piece = count - first < room ? count - first : room;
        if (row_group_add_chunk(writer->filling, duckdb, chunk, first, piece) < 0)
            return fault_set(fault, -ENOMEM, "%s: out of memory", writer->name);
        first += piece;
        if (is_full(writer))
            r = hand_over(writer, fault);
    }
    return r;
}

int parquet_writer_swap_group(struct parquet_writer *writer, struct row_group **group, struct fault *fault)
{
    struct row_group *filling = writer->filling;
    writer->filling = *group;
    int r = hand_over(writer, fault);
    *group = writer->filling;
    writer->filling = filling;
    return r;
}

int parquet_writer_close(struct parquet_writer *writer, struct fault *fault)
{
    CLEANUP(writer_cleanup) struct parquet_writer *owned = writer;
    if (row_group_rows(owned->filling) > 0) {
        int r = hand_over(owned, fault);
        if (r < 0)
            return r;
    }
    (void)pthread_mutex_lock(&owned->mutex);
    owned->complete = true;
    (void)pthread_cond_signal(&owned->changed);
    while (!owned->ended)
        (void)pthread_cond_wait(&owned->changed, &owned->mutex);
    int r = owned->error < 0 ? tell_error(owned, fault) : 0;
    (void)pthread_mutex_unlock(&owned->mutex);
    return r;
}
