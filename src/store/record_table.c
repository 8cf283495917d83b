/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "parquet/row_group.h"
#include "parquet/vector.h"
#include "record/input.h"

#define THREADS_MAX 64

struct record_table {
    struct record_table_options options;
    const struct source_file **files; /* those that are no Parquet */
    struct record_report *reports;    /* one for each */
    size_t count;
    uint64_t bytes_total;
    pthread_mutex_t mutex; /* of the reports */
    atomic_uint_fast64_t bytes;
    atomic_uint_fast64_t rows;
};

/* One scan of all files: a query may have several. */
struct scan {
    struct record_table *table;
    atomic_size_t next_file;
    unsigned count;
    uint8_t fields[FIELD_COUNT + 1]; /* that are asked for; FIELD_UNKNOWN: rows are to be counted only */
};

/* What a thread of a scan has open. */
struct worker {
    struct record_table *table;
    size_t file;
    struct input *input;
    struct record_report report; /* of the file */
    uint64_t bytes;
};

static int no_memory(struct fault *fault)
{
    return fault_set(fault, -ENOMEM, "out of memory");
}

void record_table_free(struct record_table *table)
{
    if (!table)
        return;
    (void)pthread_mutex_destroy(&table->mutex);
    free(table->files);
    free(table->reports);
    free(table);
}

int record_table_new(struct record_table **ret, const struct record_table_options *options,
                     struct fault *fault)
{
    size_t count = sources_count(options->sources);
    struct record_table *table = calloc(1, sizeof *table);
    if (!table)
        return no_memory(fault);
    (void)pthread_mutex_init(&table->mutex, NULL);
    table->options = *options;
    table->files = calloc(count + 1, sizeof *table->files);
    table->reports = calloc(count + 1, sizeof *table->reports);
    if (!table->files || !table->reports) {
        record_table_free(table);
        return no_memory(fault);
    }
    for (size_t i = 0; i < count; i++) {
        const struct source_file *file = sources_at(options->sources, i);
        if (file->form == SOURCE_PARQUET)
            continue;
        table->reports[table->count].name = file->name;
        table->files[table->count++] = file;
        table->bytes_total += file->size;
    }
    *ret = table;
    return 0;
}

size_t record_table_files(const struct record_table *table)
{
    return table->count;
}

uint64_t record_table_bytes(const struct record_table *table)
{
    return atomic_load_explicit(&table->bytes, memory_order_relaxed);
}

uint64_t record_table_bytes_total(const struct record_table *table)
{
    return table->bytes_total;
}

uint64_t record_table_rows(const struct record_table *table)
{
    return atomic_load_explicit(&table->rows, memory_order_relaxed);
}

const struct record_report *record_table_report(const struct record_table *table, size_t index)
{
    return &table->reports[index];
}

static void bind_table(duckdb_bind_info info)
{
    static const duckdb_type types[] = {[FIELD_INT32] = DUCKDB_TYPE_INTEGER,
                                        [FIELD_INT64] = DUCKDB_TYPE_BIGINT,
                                        [FIELD_STRING] = DUCKDB_TYPE_VARCHAR};
    const struct duckdb_functions *duckdb = library_loaded();
    char name[COLUMN_NAME_MAX];
    for (int id = 0; id < FIELD_COUNT; id++) {
        duckdb_logical_type type = duckdb->create_logical_type(types[field_catalogue[id].type]);
        duckdb->bind_add_result_column(info, schema_column_name(name, (enum field_id)id), type);
        duckdb->destroy_logical_type(&type);
    }
}

static void init_scan(duckdb_init_info info)
{
    const struct duckdb_functions *duckdb = library_loaded();
    struct scan *scan = calloc(1, sizeof *scan);
    if (!scan) {
        duckdb->init_set_error(info, "out of memory");
        return;
    }
    scan->table = duckdb->init_get_extra_info(info);
    scan->count = (unsigned)duckdb->init_get_column_count(info);
    for (unsigned i = 0; i < scan->count; i++) {
        idx_t column = duckdb->init_get_column_index(info, i);
        scan->fields[i] = column < FIELD_COUNT ? (uint8_t)column : FIELD_UNKNOWN;
    }
    duckdb->init_set_max_threads(info, scan->table->count < THREADS_MAX ? scan->table->count : THREADS_MAX);
    duckdb->init_set_init_data(info, scan, free);
}

/* A query may read a file more than once: what its scans find is the same. */
static void hand_in_report(struct worker *worker)
{
    struct record_table *table = worker->table;
    struct record_report *all = &table->reports[worker->file];
    const struct record_report *mine = &worker->report;
    (void)pthread_mutex_lock(&table->mutex);
    if (mine->bad_lines > all->bad_lines) {
        all->bad_lines = mine->bad_lines;
        all->line = mine->line;
        all->reason = mine->reason;
    }
    if (mine->failure.text[0])
        all->failure = mine->failure;
    (void)pthread_mutex_unlock(&table->mutex);
}

static void close_input(struct worker *worker)
{
    if (!worker->input)
        return;
    input_free(TAKE(worker->input));
    hand_in_report(worker);
}

static void worker_free(void *state)
{
    struct worker *worker = state;
    close_input(worker);
    free(worker);
}

static void init_worker(duckdb_init_info info)
{
    const struct duckdb_functions *duckdb = library_loaded();
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        duckdb->init_set_error(info, "out of memory");
        return;
    }
    worker->table = duckdb->init_get_extra_info(info);
    duckdb->init_set_init_data(info, worker, worker_free);
}

static void note_bad_line(void *userdata, const char *path, uint64_t line, const char *reason)
{
    struct record_report *report = &((struct worker *)userdata)->report;
    if (report->bad_lines++ > 0)
        return;
    report->line = line;
    (void)fault_set(&report->reason, 0, "%s", reason);
}

/* The next file that nobody has taken; false when there is none. */
static bool open_next(struct worker *worker, struct scan *scan)
{
    struct record_table *table = worker->table;
    while (!worker->input) {
        worker->file = atomic_fetch_add(&scan->next_file, 1);
        if (worker->file >= table->count)
            return false;
        const struct input_options options = {
            .format = table->options.input_format, .userdata = worker, .bad_line = note_bad_line};
        worker->report = (struct record_report){0};
        worker->bytes = 0;
        if (input_open(&worker->input, table->files[worker->file]->path, &options, &worker->report.failure) <
            0)
            hand_in_report(worker);
    }
    return true;
}

static uint64_t number_or(const struct record *record, enum field_id field, uint64_t otherwise)
{
    const struct value *value = &record->values[field];
    return value->kind == VALUE_NUMBER ? value->number : otherwise;
}

static bool is_in_time(const struct record_table *table, const struct record *record)
{
    uint64_t start = number_or(record, FIELD_START, number_or(record, FIELD_END, UINT64_MAX));
    uint64_t end = number_or(record, FIELD_END, start);
    return end >= table->options.since_s && start <= table->options.until_s;
}

static void put_value(const struct duckdb_functions *duckdb, duckdb_vector vector, idx_t row,
                      const struct value *value, uint8_t type)
{
    if (value->kind == VALUE_ABSENT)
        vector_set_null(duckdb, vector, (uint32_t)row);
    else if (type == FIELD_STRING)
        duckdb->vector_assign_string_element_len(vector, row, value->text, value->len);
    else if (type == FIELD_INT32)
        ((int32_t *)duckdb->vector_get_data(vector))[row] = (int32_t)value->number;
    else
        ((int64_t *)duckdb->vector_get_data(vector))[row] = (int64_t)value->number;
}

static void put_record(const struct scan *scan, duckdb_data_chunk chunk, idx_t row,
                       const struct record *record)
{
    const struct duckdb_functions *duckdb = library_loaded();
    for (unsigned i = 0; i < scan->count; i++) {
        uint8_t field = scan->fields[i];
        if (field != FIELD_UNKNOWN)
            put_value(duckdb, duckdb->data_chunk_get_vector(chunk, i), row, &record->values[field],
                      field_catalogue[field].type);
    }
}

/* Rows of the worker's file, up to a chunk of them; closes the file at its end. */
static idx_t fill_from_input(struct worker *worker, const struct scan *scan, duckdb_data_chunk chunk)
{
    struct record_table *table = worker->table;
    idx_t rows = 0;
    idx_t max = library_loaded()->vector_size();
    const struct record *record;
    int r = 1;
    while (rows < max && (r = input_next(worker->input, &record, &worker->report.failure)) > 0)
        if (is_in_time(table, record))
            put_record(scan, chunk, rows++, record);
    uint64_t bytes = input_counts(worker->input).bytes;
    atomic_fetch_add_explicit(&table->bytes, bytes - worker->bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&table->rows, rows, memory_order_relaxed);
    worker->bytes = bytes;
    if (r <= 0)
        close_input(worker);
    return rows;
}

static void next_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
    const struct duckdb_functions *duckdb = library_loaded();
    struct worker *worker = duckdb->function_get_local_init_data(info);
    struct scan *scan = duckdb->function_get_init_data(info);
    idx_t rows = 0;
    while (rows == 0 && open_next(worker, scan))
        rows = fill_from_input(worker, scan, chunk);
    duckdb->data_chunk_set_size(chunk, rows);
}

int record_table_register(struct record_table *table, const struct session *session, struct fault *fault)
{
    const struct duckdb_functions *duckdb = session->duckdb;
    duckdb_table_function function = duckdb->create_table_function();
    duckdb->table_function_set_name(function, "read_records");
    duckdb->table_function_set_extra_info(function, table, NULL);
    duckdb->table_function_set_bind(function, bind_table);
    duckdb->table_function_set_init(function, init_scan);
    duckdb->table_function_set_local_init(function, init_worker);
    duckdb->table_function_set_function(function, next_rows);
    duckdb->table_function_supports_projection_pushdown(function, true);
    duckdb_state state = duckdb->register_table_function(session->connection, function);
    duckdb->destroy_table_function(&function);
    return state == DuckDBSuccess ? 0 : fault_set(fault, -ENOMEM, "DuckDB takes no table function");
}
