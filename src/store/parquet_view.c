/* SPDX-License-Identifier: Apache-2.0 */
#include "store/parquet_view.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/macro.h"
#include "parquet/schema.h"
#include "parquet/vector.h"
#include "record/format.h"
#include "record/value.h"

#define SQL_MAX (256UL * 1024 * 1024)
#define SELECT_MAX (64UL * 1024)
#define BATCH 512 /* files whose columns are read with one query */

enum column_use { COLUMN_MISSING, COLUMN_AS_IT_IS, COLUMN_WIDENED, COLUMN_TRIED };

/* One file while its columns are read. */
struct columns {
    const struct source_file *file;
    uint8_t uses[FIELD_COUNT]; /* enum column_use */
    char names[FIELD_COUNT][COLUMN_NAME_MAX];
    bool root_seen;
    uint64_t nested; /* rows that are still to come of a column with parts */
    struct fault fault;
};

/* Files with the same columns. */
struct branch {
    uint64_t hash;
    char *select;     /* owned; SELECT and the columns */
    struct buf files; /* SQL texts with commas between */
};

struct view {
    const struct parquet_view_options *options;
    struct branch *branches;
    size_t count;
    uint64_t faults;
};

static void view_done(struct view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        free(view->branches[i].select);
        buf_done(&view->branches[i].files);
    }
    free(view->branches);
}

static int no_memory(struct fault *fault)
{
    return fault_set(fault, -ENOMEM, "out of memory");
}

static void tell(struct view *view, const struct source_file *file, struct fault *said)
{
    if (file->fd >= 0)
        session_tell_path(said, file->fd, file->name);
    if (strncmp(said->text, file->name, strlen(file->name)) != 0)
        fault_prefix(said, "%s", file->name);
    view->faults++;
    view->options->left_out[file - sources_at(view->options->sources, 0)] = true;
    view->options->tell(view->options->userdata, said->text);
}

static bool is_word(struct text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

/* How a column of that type gives the field; -EINVAL when it cannot. */
static int choose_use(enum field_id field, struct text type)
{
    static const char *const narrow[] = {"TINYINT", "UTINYINT", "SMALLINT", "USMALLINT"};
    const struct field *row = &field_catalogue[field];
    if (row->type == FIELD_STRING)
        return is_word(type, "VARCHAR") || is_word(type, "BLOB") ? COLUMN_AS_IT_IS : -EINVAL;
    if (is_word(type, row->type == FIELD_INT32 ? "INTEGER" : "BIGINT"))
        return COLUMN_AS_IT_IS;
    if (is_word(type, "INTEGER") && row->type == FIELD_INT64)
        return COLUMN_WIDENED;
    for (size_t i = 0; i < ARRAY_SIZE(narrow); i++)
        if (is_word(type, narrow[i]))
            return COLUMN_WIDENED;
    return is_word(type, "UINTEGER") || is_word(type, "BIGINT") || is_word(type, "UBIGINT") ||
                   is_word(type, "VARCHAR") || is_word(type, "BLOB")
               ? COLUMN_TRIED
               : -EINVAL;
}

static void take_column(struct columns *columns, struct text name, struct text type)
{
    char shown[VALUE_EXCERPT_MAX];
    int field = format_find_column(name.at, name.len);
    if (field < 0 || columns->uses[field] != COLUMN_MISSING || columns->fault.text[0])
        return;
    int use = choose_use((enum field_id)field, type);
    if (use < 0) {
        (void)fault_set(&columns->fault, 0, "column %s is of type %s, where %s is due",
                        field_catalogue[field].name, value_excerpt(shown, type.at, type.len),
                        field_is_number((enum field_id)field) ? "INT_32 or INT_64" : "STRING");
        return;
    }
    columns->uses[field] = (uint8_t)use;
    (void)snprintf(columns->names[field], COLUMN_NAME_MAX, "%.*s", (int)name.len, name.at);
}

/* The SELECT without its FROM. */
static void write_select(const struct columns *columns, struct buf *sql)
{
    static const char *const types[] = {
        [FIELD_INT32] = "INTEGER", [FIELD_INT64] = "BIGINT", [FIELD_STRING] = "VARCHAR"};
    char name[COLUMN_NAME_MAX];
    for (int id = 0; id < FIELD_COUNT; id++) {
        const char *type = types[field_catalogue[id].type];
        buf_text(sql, id ? ", " : "SELECT ");
        switch ((enum column_use)columns->uses[id]) {
        case COLUMN_MISSING:
            buf_printf(sql, "NULL::%s", type);
            break;
        case COLUMN_AS_IT_IS:
            session_quote(sql, columns->names[id], '"');
            break;
        case COLUMN_WIDENED:
            buf_printf(sql, "CAST(\"%s\" AS %s)", columns->names[id], type);
            break;
        case COLUMN_TRIED:
            buf_printf(sql, "TRY_CAST(\"%s\" AS %s)", columns->names[id], type);
            break;
        }
        buf_printf(sql, " AS \"%s\"", schema_column_name(name, (enum field_id)id));
    }
}

static struct branch *find_branch(struct view *view, const char *select)
{
    uint64_t hash = hash_bytes(select, strlen(select), 0);
    for (size_t i = 0; i < view->count; i++)
        if (view->branches[i].hash == hash && strcmp(view->branches[i].select, select) == 0)
            return &view->branches[i];
    struct branch *larger = reallocarray(view->branches, view->count + 1, sizeof *larger);
    if (!larger)
        return NULL;
    view->branches = larger;
    struct branch *branch = &larger[view->count];
    *branch = (struct branch){.hash = hash, .select = strdup(select), .files = BUF_INIT(SQL_MAX)};
    if (!branch->select)
        return NULL;
    view->count++;
    return branch;
}

/* All columns of the file are known. */
static int finish_file(struct view *view, struct columns *columns, struct fault *fault)
{
    AUTO_BUF struct buf select = BUF_INIT(SELECT_MAX);
    bool any = false;
    for (int id = 0; id < FIELD_COUNT; id++)
        any |= columns->uses[id] != COLUMN_MISSING;
    if (!any && !columns->fault.text[0])
        (void)fault_set(&columns->fault, 0, "no column is a field of flow log records");
    if (columns->fault.text[0]) {
        tell(view, columns->file, &columns->fault);
        return 0;
    }
    write_select(columns, &select);
    struct branch *branch = select.failed ? NULL : find_branch(view, buf_string(&select));
    if (!branch)
        return no_memory(fault);
    if (branch->files.len > 0)
        buf_char(&branch->files, ',');
    session_quote(&branch->files, columns->file->path, '\'');
    return 0;
}

static void take_row(struct columns *columns, struct text name, struct text type, uint64_t children)
{
    if (!columns->root_seen) {
        columns->root_seen = true;
    } else if (columns->nested > 0) {
        columns->nested += children - 1;
    } else {
        columns->nested = children;
        if (children == 0)
            take_column(columns, name, type);
    }
}

/* The rows of one chunk; *columns is of the file that they go on with. */
static int take_rows(struct view *view, duckdb_data_chunk chunk, const struct source_file *const *files,
                     size_t *index, struct columns *columns, struct fault *fault)
{
    const struct duckdb_functions *duckdb = view->options->session->duckdb;
    struct vector_reader vectors[4];
    for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++)
        vectors[i] = vector_read(duckdb, duckdb->data_chunk_get_vector(chunk, i));
    uint32_t rows = (uint32_t)duckdb->data_chunk_get_size(chunk);
    int r = 0;
    for (uint32_t row = 0; row < rows && r == 0; row++) {
        if (!is_word(vector_text(&vectors[0], row), files[*index]->path)) {
            r = finish_file(view, columns, fault);
            *columns = (struct columns){.file = files[++*index]};
        }
        if (r == 0)
            take_row(columns, vector_text(&vectors[1], row), vector_text(&vectors[2], row),
                     (uint64_t)((const int64_t *)vectors[3].data)[row]);
    }
    return r;
}

static int read_batch(struct view *view, const struct source_file *const *files, duckdb_result *result,
                      struct fault *fault)
{
    const struct session *session = view->options->session;
    struct columns columns = {.file = files[0]};
    size_t index = 0;
    duckdb_data_chunk chunk = NULL;
    int r;
    while ((r = session_fetch(session, result, &chunk, fault)) == 0 && chunk) {
        r = take_rows(view, chunk, files, &index, &columns, fault);
        session->duckdb->destroy_data_chunk(&chunk);
        if (r < 0)
            break;
    }
    return r == 0 ? finish_file(view, &columns, fault) : r;
}

static int query_batch(struct view *view, const struct source_file *const *files, size_t count,
                       duckdb_result *ret, struct fault *fault)
{
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    buf_text(&sql, "SELECT file_name, name, coalesce(duckdb_type, ''), coalesce(num_children, 0)::BIGINT "
                   "FROM parquet_schema([");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_char(&sql, ',');
        session_quote(&sql, files[i]->path, '\'');
    }
    buf_text(&sql, "])");
    return sql.failed ? no_memory(fault)
                      : session_query(view->options->session, buf_string(&sql), ret, fault);
}

/* One damaged file spoils the query for all of a batch: then they are read one by one. */
static int take_batch(struct view *view, const struct source_file *const *files, size_t count,
                      struct fault *fault)
{
    duckdb_result result;
    struct fault said;
    int r = query_batch(view, files, count, &result, &said);
    if (r == 0) {
        r = read_batch(view, files, &result, fault);
        view->options->session->duckdb->destroy_result(&result);
        return r;
    }
    if (count == 1) {
        tell(view, files[0], &said);
        return 0;
    }
    r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        r = take_batch(view, files + i, 1, fault);
    return r;
}

static int take_files(struct view *view, struct fault *fault)
{
    const struct sources *sources = view->options->sources;
    const struct source_file *batch[BATCH];
    size_t waiting = 0;
    int r = 0;
    for (size_t i = 0; i < sources_count(sources) && r == 0; i++) {
        const struct source_file *file = sources_at(sources, i);
        if (file->form == SOURCE_PARQUET && !view->options->left_out[i])
            batch[waiting++] = file;
        if (waiting < BATCH)
            continue;
        r = take_batch(view, batch, waiting, fault);
        waiting = 0;
    }
    return r == 0 && waiting > 0 ? take_batch(view, batch, waiting, fault) : r;
}

/* A file that has one of the times only is judged by that. */
static void write_times(const struct parquet_view_options *options, const char *select, struct buf *sql)
{
    bool has_start = !strstr(select, "NULL::BIGINT AS \"start\"");
    bool has_end = !strstr(select, "NULL::BIGINT AS \"end\"");
    const char *word = " WHERE ";
    if (options->since_s > 0) {
        buf_printf(sql, "%s%s >= %" PRIu64, word, has_end ? "\"end\"" : "\"start\"", options->since_s);
        word = " AND ";
    }
    if (options->until_s < INT64_MAX)
        buf_printf(sql, "%s%s <= %" PRIu64, word, has_start ? "\"start\"" : "\"end\"", options->until_s);
}

int parquet_view_write(const struct parquet_view_options *options, struct buf *sql, size_t *branches,
                       uint64_t *faults, struct fault *fault)
{
    CLEANUP(view_done) struct view view = {.options = options};
    int r = take_files(&view, fault);
    for (size_t i = 0; i < view.count && r == 0; i++) {
        struct branch *branch = &view.branches[i];
        if ((*branches)++ > 0)
            buf_text(sql, " UNION ALL ");
        buf_printf(sql, "%s FROM read_parquet([", branch->select);
        buf_append(sql, branch->files.data, branch->files.len);
        buf_text(sql, "], binary_as_string = true, hive_partitioning = false)");
        write_times(options, branch->select, sql);
        if (branch->files.failed)
            r = no_memory(fault);
    }
    *faults += view.faults;
    return r;
}

static int read_whole(const struct session *session, const struct source_file *file, struct fault *fault)
{
    AUTO_BUF struct buf sql = BUF_INIT(SELECT_MAX);
    duckdb_result result;
    duckdb_data_chunk chunk = NULL;
    buf_text(&sql, "FROM read_parquet(");
    session_quote(&sql, file->path, '\'');
    buf_text(&sql, ", hive_partitioning = false)");
    int r = sql.failed ? no_memory(fault) : session_stream(session, buf_string(&sql), &result, fault);
    if (r < 0)
        return r;
    while ((r = session_fetch(session, &result, &chunk, fault)) == 0 && chunk)
        session->duckdb->destroy_data_chunk(&chunk);
    session->duckdb->destroy_result(&result);
    return r;
}

uint64_t parquet_view_check(const struct parquet_view_options *options)
{
    struct view view = {.options = options};
    struct fault said;
    for (size_t i = 0; i < sources_count(options->sources); i++) {
        const struct source_file *file = sources_at(options->sources, i);
        if (file->form == SOURCE_PARQUET && !options->left_out[i] &&
            read_whole(options->session, file, &said) < 0)
            tell(&view, file, &said);
    }
    return view.faults;
}

static void write_files(const struct parquet_view_options *options, struct buf *sql)
{
    char before = '[';
    for (size_t i = 0; i < sources_count(options->sources); i++) {
        const struct source_file *file = sources_at(options->sources, i);
        if (file->form != SOURCE_PARQUET || options->left_out[i])
            continue;
        buf_char(sql, before);
        session_quote(sql, file->path, '\'');
        before = ',';
    }
    buf_char(sql, ']');
}

int parquet_view_is_whole(const struct parquet_view_options *options, const uint8_t *fields, size_t count,
                          bool *ret, struct fault *fault)
{
    AUTO_BUF struct buf files = BUF_INIT(SQL_MAX);
    AUTO_BUF struct buf sql = BUF_INIT(SQL_MAX);
    char name[COLUMN_NAME_MAX];
    write_files(options, &files);
    buf_text(&sql, "SELECT 1 WHERE (SELECT count(*) FROM parquet_metadata(");
    buf_join(&sql, &files);
    buf_text(&sql, ") WHERE stats_null_count = 0 AND path_in_schema IN (");
    for (size_t i = 0; i < count; i++)
        buf_printf(&sql, "%s'%s'", i ? ", " : "", schema_column_name(name, (enum field_id)fields[i]));
    buf_printf(&sql, ")) = %zu * (SELECT sum(num_row_groups) FROM parquet_file_metadata(", count);
    buf_join(&sql, &files);
    buf_text(&sql, "))");
    return sql.failed ? no_memory(fault) : session_has_row(options->session, buf_string(&sql), ret, fault);
}
