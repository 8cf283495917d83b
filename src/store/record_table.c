/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "parquet/schema.h"
#include "parquet/vector.h"
#include "record/input.h"
#include "store/line_feed.h"

struct record_table {
    struct record_table_options options;
    const struct source_file **files; /* those that are no Parquet */
    struct record_report **reports;   /* one for each that has something to report */
    size_t count;
    uint64_t bytes_total;
    pthread_mutex_t mutex; /* of the reports */
    atomic_uint_fast64_t bytes;
    atomic_uint_fast64_t rows;
};

/* One scan of all files: a query may have several. */
struct scan {
    struct record_table *table;
    struct line_feed *feed;
    struct record_report **reports; /* of this scan alone; under the table's mutex */
    unsigned count;
    uint8_t fields[FIELD_COUNT + 1]; /* that are asked for; FIELD_UNKNOWN: rows are to be counted only */
};

/* A thread of a scan. */
struct worker {
    struct scan *scan;
    struct line_reader *reader;
    struct line_scanner scanner;
    struct line_block block;
    struct line_columns columns;
    size_t file;         /* that the lines are of */
    struct input *input; /* of a file that is no text; NULL: none */
    uint64_t bytes;      /* of it that are counted */
};

static int no_memory(struct fault *fault)
{
    return fault_set(fault, -ENOMEM, "out of memory");
}

static void free_reports(struct record_report **reports, size_t count)
{
    for (size_t i = 0; reports && i < count; i++)
        free(reports[i]);
    free(reports);
}

void record_table_free(struct record_table *table)
{
    if (!table)
        return;
    (void)pthread_mutex_destroy(&table->mutex);
    free_reports(table->reports, table->count);
    free(table->files);
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
    return table->reports[index];
}

const char *record_table_name(const struct record_table *table, size_t index)
{
    return table->files[index]->name;
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

/* Of a file; NULL without memory. Under the table's mutex. */
static struct record_report *report_of(struct record_report **reports, size_t file)
{
    if (!reports[file])
        reports[file] = calloc(1, sizeof *reports[file]);
    return reports[file];
}

static void note_bad_line(void *userdata, uint64_t line, const char *reason)
{
    struct worker *worker = userdata;
    struct record_table *table = worker->scan->table;
    (void)pthread_mutex_lock(&table->mutex);
    struct record_report *report = report_of(worker->scan->reports, worker->file);
    if (report && (report->bad_lines++ == 0 || line < report->line)) {
        report->line = line;
        (void)fault_set(&report->reason, 0, "%s", reason);
    }
    (void)pthread_mutex_unlock(&table->mutex);
}

static void note_bad_record(void *userdata, const char *path, uint64_t line, const char *reason)
{
    note_bad_line(userdata, line, reason);
}

static void note_failure(struct worker *worker, const struct fault *fault)
{
    struct record_table *table = worker->scan->table;
    (void)pthread_mutex_lock(&table->mutex);
    struct record_report *report = report_of(worker->scan->reports, worker->file);
    const struct source_file *file = table->files[worker->file];
    if (report) {
        report->failure = *fault;
        session_tell_path(&report->failure, file->fd, file->name);
    }
    (void)pthread_mutex_unlock(&table->mutex);
}

/* What scans of one file find is the same, but for one that ended early. */
static void hand_in_reports(struct scan *scan)
{
    struct record_table *table = scan->table;
    (void)pthread_mutex_lock(&table->mutex);
    for (size_t i = 0; i < table->count; i++) {
        struct record_report *mine = scan->reports[i];
        struct record_report *all = mine ? report_of(table->reports, i) : NULL;
        if (!all)
            continue;
        if (mine->bad_lines > all->bad_lines) {
            all->bad_lines = mine->bad_lines;
            all->line = mine->line;
            all->reason = mine->reason;
        }
        if (mine->failure.text[0])
            all->failure = mine->failure;
    }
    (void)pthread_mutex_unlock(&table->mutex);
}

static void scan_free(void *state)
{
    struct scan *scan = state;
    if (scan->reports)
        hand_in_reports(scan);
    free_reports(scan->reports, scan->table->count);
    line_feed_free(scan->feed);
    free(scan);
}

static struct scan *scan_new(struct record_table *table)
{
    struct scan *scan = calloc(1, sizeof *scan);
    if (!scan)
        return NULL;
    scan->table = table;
    scan->feed = line_feed_new(table->files, table->count, table->options.input_format);
    scan->reports = calloc(table->count + 1, sizeof *scan->reports);
    if (!scan->feed || !scan->reports) {
        scan_free(scan);
        return NULL;
    }
    return scan;
}

static void init_scan(duckdb_init_info info)
{
    const struct duckdb_functions *duckdb = library_loaded();
    struct scan *scan = scan_new(duckdb->init_get_extra_info(info));
    if (!scan) {
        duckdb->init_set_error(info, "out of memory");
        return;
    }
    scan->count = (unsigned)duckdb->init_get_column_count(info);
    for (unsigned i = 0; i < scan->count; i++) {
        idx_t column = duckdb->init_get_column_index(info, i);
        scan->fields[i] = column < FIELD_COUNT ? (uint8_t)column : FIELD_UNKNOWN;
    }
    duckdb->init_set_max_threads(info, line_feed_threads(scan->feed));
    duckdb->init_set_init_data(info, scan, scan_free);
}

static void worker_free(void *state)
{
    struct worker *worker = state;
    input_free(worker->input);
    line_reader_free(worker->reader);
    line_scanner_done(&worker->scanner);
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
    duckdb->init_set_init_data(info, worker, worker_free);
}

/* Where a chunk's rows go. */
static void set_columns(struct line_columns *columns, const struct scan *scan, duckdb_data_chunk chunk)
{
    const struct duckdb_functions *duckdb = library_loaded();
    columns->count = 0;
    columns->rows = 0;
    columns->max = LINE_ROWS_MAX;
    for (unsigned i = 0; i < scan->count; i++) {
        if (scan->fields[i] == FIELD_UNKNOWN)
            continue;
        struct line_column *column = &columns->columns[columns->count++];
        column->field = scan->fields[i];
        column->type = field_catalogue[column->field].type;
        column->data = duckdb->vector_get_data(duckdb->data_chunk_get_vector(chunk, i));
    }
}

/* DuckDB's own masks are only made where they say something. */
static void finish_columns(const struct line_columns *columns, const struct scan *scan,
                           duckdb_data_chunk chunk)
{
    const struct duckdb_functions *duckdb = library_loaded();
    const struct line_column *column = columns->columns;
    for (unsigned i = 0; i < scan->count; i++) {
        if (scan->fields[i] == FIELD_UNKNOWN)
            continue;
        if (column->has_null) {
            duckdb_vector vector = duckdb->data_chunk_get_vector(chunk, i);
            duckdb->vector_ensure_validity_writable(vector);
            memcpy(duckdb->vector_get_validity(vector), column->valid, sizeof column->valid);
        }
        column++;
    }
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

/* Rows of a file that is no text, up to a chunk of them; closes the file at its end. */
static idx_t fill_from_input(struct worker *worker, duckdb_data_chunk chunk)
{
    struct record_table *table = worker->scan->table;
    struct fault fault;
    idx_t rows = 0;
    const struct record *record;
    int r = 1;
    while (rows < LINE_ROWS_MAX && (r = input_next(worker->input, &record, &fault)) > 0)
        if (is_in_time(table, record))
            put_record(worker->scan, chunk, rows++, record);
    uint64_t bytes = input_counts(worker->input).bytes;
    atomic_fetch_add_explicit(&table->bytes, bytes - worker->bytes, memory_order_relaxed);
    worker->bytes = bytes;
    if (r < 0)
        note_failure(worker, &fault);
    if (r <= 0)
        input_free(TAKE(worker->input));
    return rows;
}

static idx_t fill_from_lines(struct worker *worker, duckdb_data_chunk chunk)
{
    struct line_columns *columns = &worker->columns;
    set_columns(columns, worker->scan, chunk);
    line_scanner_take(&worker->scanner, &worker->block, columns);
    finish_columns(columns, worker->scan, chunk);
    return columns->rows;
}

/* The next lines or file; false when all are taken. */
static bool take_next(struct worker *worker)
{
    struct record_table *table = worker->scan->table;
    struct fault fault;
    int r = line_reader_next(worker->reader, &worker->block, &worker->file, &fault);
    atomic_fetch_add_explicit(&table->bytes, line_reader_bytes(worker->reader), memory_order_relaxed);
    if (r == LINE_FEED_INPUT) {
        const struct input_options options = {
            .format = table->options.input_format, .userdata = worker, .bad_line = note_bad_record};
        worker->bytes = 0;
        r = input_open(&worker->input, table->files[worker->file]->path, &options, &fault);
        r = r < 0 ? r : LINE_FEED_INPUT;
    }
    if (r < 0)
        note_failure(worker, &fault);
    return r != LINE_FEED_END;
}

/* What a thread needs, when it is called for the first time. */
static bool begin_worker(struct worker *worker, struct scan *scan)
{
    if (worker->scan)
        return true;
    worker->scanner = (struct line_scanner){.since_s = scan->table->options.since_s,
                                            .until_s = scan->table->options.until_s,
                                            .userdata = worker,
                                            .bad_line = note_bad_line};
    worker->reader = line_reader_new(scan->feed, &worker->scanner);
    worker->scan = worker->reader ? scan : NULL;
    return worker->reader;
}

static void next_rows(duckdb_function_info info, duckdb_data_chunk chunk)
{
    const struct duckdb_functions *duckdb = library_loaded();
    struct worker *worker = duckdb->function_get_local_init_data(info);
    struct scan *scan = duckdb->function_get_init_data(info);
    idx_t rows = 0;
    if (!begin_worker(worker, scan)) {
        duckdb->function_set_error(info, "out of memory");
        return;
    }
    do {
        if (worker->input)
            rows = fill_from_input(worker, chunk);
        else if (worker->block.at < worker->block.end)
            rows = fill_from_lines(worker, chunk);
    } while (rows == 0 && (worker->input || worker->block.at < worker->block.end || take_next(worker)));
    atomic_fetch_add_explicit(&scan->table->rows, rows, memory_order_relaxed);
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
