/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "parquet/session.h"
#include "parquet/vector.h"
#include "record/value.h"

#define MAGIC "PAR1"
#define MEMORY_BYTES (1024ULL * 1024 * 1024) /* foreign row groups are as large as they like */
#define SQL_MAX (64 * 1024)

/* How the numbers of an integer column lie in memory. */
struct number_type {
    const char *name; /* DuckDB's */
    uint8_t size;
    bool is_signed;
};

static const struct number_type number_types[] = {
    {"TINYINT", 1, true}, {"UTINYINT", 1, false}, {"SMALLINT", 2, true}, {"USMALLINT", 2, false},
    {"INTEGER", 4, true}, {"UINTEGER", 4, false}, {"BIGINT", 8, true},   {"UBIGINT", 8, false},
};

struct column {
    enum field_id field;
    const struct number_type *number; /* NULL: text */
    struct vector_reader values;      /* of the chunk */
};

struct reader {
    const char *path; /* borrowed */
    struct input_options options;
    int fd;
    struct session session;
    duckdb_result result;
    bool has_result;
    duckdb_data_chunk chunk;
    uint32_t chunk_rows;
    uint32_t next_row; /* of the chunk */
    struct format format;
    struct column columns[FIELD_COUNT];
    struct record record;
    struct input_counts counts;
    uint64_t row; /* of the file, from 1, handed out last */
    uint64_t rows;
};

bool parquet_is_file(int fd)
{
    char begin[sizeof MAGIC - 1];
    return pread(fd, begin, sizeof begin, 0) == sizeof begin && memcmp(begin, MAGIC, sizeof begin) == 0;
}

static void reader_free(void *state)
{
    struct reader *reader = state;
    if (reader->chunk)
        reader->session.duckdb->destroy_data_chunk(&reader->chunk);
    if (reader->has_result)
        reader->session.duckdb->destroy_result(&reader->result);
    session_close(&reader->session);
    if (reader->fd > STDIN_FILENO)
        (void)close(reader->fd);
    free(reader);
}

static void reader_cleanup(struct reader **reader)
{
    if (*reader)
        reader_free(*reader);
}

static int refuse_file(const struct reader *reader, int error, struct fault *fault)
{
    session_tell_path(fault, reader->fd, reader->path);
    session_drop_statement(fault);
    fault_prefix(fault, "%s", reader->path);
    return error;
}

static const struct number_type *find_number_type(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(number_types); i++)
        if (strlen(number_types[i].name) == len && memcmp(number_types[i].name, name, len) == 0)
            return &number_types[i];
    return NULL;
}

/* Reported as line 0, as an unknown name in a header line is as line 1. */
static void leave_out(struct reader *reader, struct text name)
{
    char shown[VALUE_EXCERPT_MAX];
    struct fault reason;
    (void)fault_set(&reason, 0, "left out: column '%s' is no field", value_excerpt(shown, name.at, name.len));
    reader->counts.bad_lines++;
    reader->options.bad_line(reader->options.userdata, reader->path, 0, reason.text);
}

static int add_column(struct reader *reader, struct text name, struct text type, struct buf *sql,
                      struct fault *fault)
{
    int field = format_find_column(name.at, name.len);
    if (field < 0 || format_has(&reader->format, (enum field_id)field)) {
        leave_out(reader, name);
        return 0;
    }
    const struct number_type *number = find_number_type(type.at, type.len);
    bool is_text = type.len == strlen("VARCHAR") && memcmp(type.at, "VARCHAR", type.len) == 0;
    if (!is_text && (!number || !field_is_number((enum field_id)field))) {
        char shown[VALUE_EXCERPT_MAX];
        return fault_set(fault, -EINVAL, "column %.*s is of type %s, where %s is due", (int)name.len, name.at,
                         value_excerpt(shown, type.at, type.len),
                         field_is_number((enum field_id)field) ? "INT_32 or INT_64" : "STRING");
    }
    reader->columns[reader->format.count] = (struct column){.field = (enum field_id)field, .number = number};
    buf_text(sql, reader->format.count > 0 ? ", " : "SELECT ");
    char *quoted = strndup(name.at, name.len);
    session_quote(sql, quoted ? quoted : "", '"');
    free(quoted);
    return format_add(&reader->format, (unsigned)field);
}

/* Runs a query over the file: `before`, the file as a table function's argument, `after`. */
static int query_file(const struct reader *reader, const char *before, const char *after, duckdb_result *ret,
                      struct fault *fault)
{
    char name[SESSION_FILE_MAX];
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    buf_printf(&sql, "%s('%s'%s)", before, session_file_name(name, reader->fd), after);
    return sql.failed ? fault_set(fault, -ENOMEM, "out of memory")
                      : session_stream(&reader->session, buf_string(&sql), ret, fault);
}

#define AS_TEXT ", binary_as_string = true" /* old writers do not mark text as such */

/* Which columns the file has; *sql becomes the query for those that are fields. */
static int read_columns(struct reader *reader, struct buf *sql, struct fault *fault)
{
    const struct duckdb_functions *duckdb = reader->session.duckdb;
    duckdb_result described;
    duckdb_data_chunk chunk;
    int r = query_file(reader, "DESCRIBE FROM read_parquet", AS_TEXT, &described, fault);
    if (r < 0)
        return r;
    while ((r = session_fetch(&reader->session, &described, &chunk, fault)) == 0 && chunk) {
        struct vector_reader names = vector_read(duckdb, duckdb->data_chunk_get_vector(chunk, 0));
        struct vector_reader types = vector_read(duckdb, duckdb->data_chunk_get_vector(chunk, 1));
        uint32_t rows = (uint32_t)duckdb->data_chunk_get_size(chunk);
        for (uint32_t row = 0; row < rows && r == 0; row++)
            r = add_column(reader, vector_text(&names, row), vector_text(&types, row), sql, fault);
        duckdb->destroy_data_chunk(&chunk);
        if (r < 0)
            break;
    }
    duckdb->destroy_result(&described);
    if (r == 0 && reader->format.count == 0)
        r = fault_set(fault, -EINVAL, "no column is a field of flow log records");
    return r;
}

/* For the progress only: where it cannot be told there is none. */
static void read_row_count(struct reader *reader)
{
    const struct duckdb_functions *duckdb = reader->session.duckdb;
    duckdb_result result;
    duckdb_data_chunk chunk = NULL;
    if (query_file(reader, "SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata", "", &result, NULL) < 0)
        return;
    if (session_fetch(&reader->session, &result, &chunk, NULL) == 0 && chunk) {
        int64_t rows = *(const int64_t *)duckdb->vector_get_data(duckdb->data_chunk_get_vector(chunk, 0));
        reader->rows = rows > 0 ? (uint64_t)rows : 0;
        duckdb->destroy_data_chunk(&chunk);
    }
    duckdb->destroy_result(&result);
}

static int open_file(struct reader *reader, struct fault *fault)
{
    const struct session_options options = {.threads = 1, .memory_bytes = MEMORY_BYTES};
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    struct stat status;
    if (fstat(reader->fd, &status) == 0)
        reader->counts.bytes_total = (uint64_t)status.st_size;
    int r = session_open(&reader->session, &options, fault);
    if (r == 0)
        r = read_columns(reader, &sql, fault);
    if (r < 0)
        return r;
    read_row_count(reader);
    buf_text(&sql, " FROM read_parquet");
    r = query_file(reader, buf_string(&sql), AS_TEXT, &reader->result, fault);
    reader->has_result = r == 0;
    return r;
}

static int fetch_rows(struct reader *reader, struct fault *fault)
{
    const struct duckdb_functions *duckdb = reader->session.duckdb;
    if (reader->chunk)
        duckdb->destroy_data_chunk(&reader->chunk);
    reader->chunk_rows = 0;
    reader->next_row = 0;
    int r = session_fetch(&reader->session, &reader->result, &reader->chunk, fault);
    if (r < 0)
        return refuse_file(reader, r, fault);
    if (!reader->chunk)
        return 0;
    reader->chunk_rows = (uint32_t)duckdb->data_chunk_get_size(reader->chunk);
    for (unsigned i = 0; i < reader->format.count; i++) {
        duckdb_vector vector = duckdb->data_chunk_get_vector(reader->chunk, i);
        reader->columns[i].values = vector_read(duckdb, vector);
    }
    return 0;
}

/* The number, as the bits of an unsigned one; negative where those are of a negative number. */
static uint64_t number_at(const struct column *column, uint32_t row, bool *ret_negative)
{
    const uint8_t *at = (const uint8_t *)column->values.data + (size_t)row * column->number->size;
    uint64_t number = 0;
    memcpy(&number, at, column->number->size); /* the hosts flowlog runs on are little-endian */
    unsigned unused = 64 - 8 * column->number->size;
    *ret_negative = column->number->is_signed && (int64_t)(number << unused) < 0;
    return *ret_negative ? (uint64_t)((int64_t)(number << unused) >> unused) : number;
}

static int read_value(const struct column *column, uint32_t row, struct value *ret, struct fault *fault)
{
    const struct field *field = &field_catalogue[column->field];
    ret->kind = VALUE_ABSENT;
    if (vector_is_null(&column->values, row))
        return field->kind == FIELD_KIND_TIME ? fault_set(fault, -EINVAL, "%s: null", field->name) : 0;
    if (!column->number) {
        struct text text = vector_text(&column->values, row);
        return value_parse_string(ret, column->field, text.at, text.len, fault);
    }
    bool negative;
    uint64_t number = number_at(column, row, &negative);
    if (negative)
        return fault_set(fault, -EINVAL, "%s: %" PRId64 " is negative", field->name, (int64_t)number);
    return value_check_number(ret, column->field, number, fault);
}

/* The row's values as they are, in the order of the columns. */
static void print_row(const struct reader *reader, uint32_t row, struct buf *line)
{
    for (unsigned i = 0; i < reader->format.count; i++) {
        const struct column *column = &reader->columns[i];
        bool negative = false;
        if (i > 0)
            buf_char(line, ' ');
        if (vector_is_null(&column->values, row)) {
            buf_char(line, '-');
        } else if (!column->number) {
            struct text text = vector_text(&column->values, row);
            buf_append(line, text.at, text.len);
        } else {
            uint64_t number = number_at(column, row, &negative);
            buf_printf(line, negative ? "%" PRId64 : "%" PRIu64, number);
        }
    }
    buf_char(line, '\n');
}

static void refuse_row(struct reader *reader, uint32_t row, const char *reason)
{
    reader->counts.bad_lines++;
    reader->options.bad_line(reader->options.userdata, reader->path, reader->row, reason);
    if (!reader->options.bad_text)
        return;
    AUTO_BUF struct buf line = BUF_INIT(64 * 1024 * 1024);
    print_row(reader, row, &line);
    reader->options.bad_text(reader->options.userdata, line.data, line.len);
}

static bool read_row(struct reader *reader, uint32_t row)
{
    struct fault reason = {0};
    for (unsigned i = 0; i < reader->format.count; i++) {
        const struct column *column = &reader->columns[i];
        if (read_value(column, row, &reader->record.values[column->field], &reason) < 0) {
            refuse_row(reader, row, reason.text);
            return false;
        }
    }
    return true;
}

static int reader_next(void *state, const struct record **ret, struct fault *fault)
{
    struct reader *reader = state;
    for (;;) {
        if (reader->next_row == reader->chunk_rows) {
            int r = fetch_rows(reader, fault);
            if (r < 0 || !reader->chunk)
                return r;
            continue;
        }
        reader->row++;
        if (read_row(reader, reader->next_row++))
            break;
    }
    reader->counts.records++;
    *ret = &reader->record;
    return 1;
}

static const struct format *reader_format(const void *state)
{
    const struct reader *reader = state;
    return &reader->format;
}

/* DuckDB does not tell where it is in the file; the part of the rows is near enough. */
static struct input_counts reader_counts(const void *state)
{
    const struct reader *reader = state;
    struct input_counts counts = reader->counts;
    double part = reader->rows > 0 ? (double)reader->row / (double)reader->rows : 0;
    counts.bytes = (uint64_t)(part * (double)counts.bytes_total);
    return counts;
}

int parquet_input_open(struct input **ret, int fd, const char *path, const struct input_options *options,
                       struct fault *fault)
{
    static const struct input_reader functions = {
        .next = reader_next, .format = reader_format, .counts = reader_counts, .free = reader_free};
    CLEANUP(reader_cleanup) struct reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        (void)close(fd);
        return fault_set(fault, -ENOMEM, "%s: out of memory", path);
    }
    reader->path = path;
    reader->options = *options;
    reader->fd = fd;
    int r = open_file(reader, fault);
    if (r < 0)
        return refuse_file(reader, r, fault);
    return input_wrap(ret, &functions, TAKE(reader), fault);
}
