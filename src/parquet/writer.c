/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "parquet/chunk.h"
#include "parquet/footer.h"
#include "parquet/format.h"
#include "parquet/row_group.h"

#define ROWS_MAX 122880                  /* of a row group: DuckDB's own measure */
#define GROUP_BYTES (16UL * 1024 * 1024) /* of its rows, and as much again of texts */
#define ROWS_UNIT 2048                   /* how often the texts are looked at */
#define FOOTER_MAX (1UL << 30)

struct parquet_writer {
    char name[256];
    int fd; /* borrowed */
    enum parquet_codec codec;
    const struct schema *schema; /* owned, or borrowed */
    struct schema own_schema;
    struct row_group *group; /* being filled; NULL where the caller fills them */
    struct chunk_encoder *encoder;
    struct buf pages;  /* of one column */
    struct buf groups; /* the row groups' parts of the footer */
    size_t group_count;
    uint32_t rows_max; /* of one */
    uint64_t rows;     /* in all that are written */
    uint64_t offset;   /* in the file */
};

static void writer_free(struct parquet_writer *writer)
{
    row_group_free(writer->group);
    chunk_encoder_free(writer->encoder);
    buf_done(&writer->pages);
    buf_done(&writer->groups);
    free(writer);
}

void parquet_writer_abandon(struct parquet_writer *writer)
{
    if (writer)
        writer_free(writer);
}

static void writer_cleanup(struct parquet_writer **writer)
{
    parquet_writer_abandon(*writer);
}

static int put_bytes(struct parquet_writer *writer, const void *data, size_t len, struct fault *fault)
{
    int r = file_write_all(writer->fd, data, len);
    if (r < 0)
        return fault_set(fault, r, "%s: cannot write: %s", writer->name, strerror(-r));
    writer->offset += len;
    return 0;
}

static int put(struct parquet_writer *writer, const struct buf *bytes, struct fault *fault)
{
    int r = writer->offset == 0 ? put_bytes(writer, PARQUET_MAGIC, strlen(PARQUET_MAGIC), fault) : 0;
    return r < 0 ? r : put_bytes(writer, bytes->data, bytes->len, fault);
}

static int no_memory(const struct parquet_writer *writer, struct fault *fault)
{
    return fault_set(fault, -ENOMEM, "%s: out of memory", writer->name);
}

uint32_t parquet_writer_rows(const struct schema *schema)
{
    size_t rows = GROUP_BYTES / (schema_row_bytes(schema) + ROW_GROUP_SORT_BYTES) / ROWS_UNIT * ROWS_UNIT;
    return rows < ROWS_MAX ? (uint32_t)rows : ROWS_MAX;
}

static struct parquet_writer *make(int fd, const char *name, enum parquet_codec codec)
{
    struct parquet_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return NULL;
    (void)snprintf(writer->name, sizeof writer->name, "%s", name);
    writer->fd = fd;
    writer->codec = codec;
    writer->pages = BUF_INIT(FOOTER_MAX);
    writer->groups = BUF_INIT(FOOTER_MAX);
    if (chunk_encoder_new(&writer->encoder, codec) == 0)
        return writer;
    writer_free(writer);
    return NULL;
}

int parquet_writer_open(struct parquet_writer **ret, int fd, const char *name, const struct format *format,
                        enum parquet_codec codec, struct fault *fault)
{
    CLEANUP(writer_cleanup) struct parquet_writer *writer = make(fd, name, codec);
    if (!writer)
        return fault_set(fault, -ENOMEM, "%s: out of memory", name);
    int r = schema_from_format(&writer->own_schema, format, fault);
    if (r < 0) {
        fault_prefix(fault, "%s", name);
        return r;
    }
    writer->schema = &writer->own_schema;
    writer->rows_max = parquet_writer_rows(writer->schema);
    writer->group = row_group_new(writer->schema, writer->rows_max);
    if (!writer->group)
        return no_memory(writer, fault);
    *ret = TAKE(writer);
    return 0;
}

int parquet_writer_open_schema(struct parquet_writer **ret, int fd, const char *name,
                               const struct schema *schema, enum parquet_codec codec, struct fault *fault)
{
    struct parquet_writer *writer = make(fd, name, codec);
    if (!writer)
        return fault_set(fault, -ENOMEM, "%s: out of memory", name);
    writer->schema = schema;
    *ret = writer;
    return 0;
}

int parquet_writer_add_group(struct parquet_writer *writer, struct row_group *group, struct fault *fault)
{
    struct chunk chunks[FIELD_COUNT];
    uint64_t offset = writer->offset ? writer->offset : strlen(PARQUET_MAGIC);
    if (row_group_sort(group) < 0)
        return no_memory(writer, fault);
    for (unsigned i = 0; i < writer->schema->count; i++) {
        buf_clear(&writer->pages);
        int r = chunk_encode(writer->encoder, group, &group->columns[i], &writer->pages, &chunks[i]);
        if (r < 0)
            return fault_set(fault, r, "%s: cannot encode: %s", writer->name, strerror(-r));
        r = put(writer, &writer->pages, fault);
        if (r < 0)
            return r;
    }
    footer_print_row_group(&writer->groups, chunks, writer->schema->count, writer->codec, offset);
    if (writer->groups.failed)
        return no_memory(writer, fault);
    writer->group_count++;
    writer->rows += group->rows;
    row_group_clear(group);
    return 0;
}

bool parquet_writer_is_full(const struct row_group *group, uint32_t rows_max)
{
    return group->rows == rows_max ||
           (group->rows % ROWS_UNIT == 0 && row_group_text_bytes(group) >= GROUP_BYTES);
}

int parquet_writer_add(struct parquet_writer *writer, const struct record *record, struct fault *fault)
{
    if (row_group_add(writer->group, record) < 0)
        return no_memory(writer, fault);
    return parquet_writer_is_full(writer->group, writer->rows_max)
               ? parquet_writer_add_group(writer, writer->group, fault)
               : 0;
}

/* In pieces that end where a row group may, so that its bounds are kept. */
int parquet_writer_add_chunk(struct parquet_writer *writer, struct _duckdb_data_chunk *chunk,
                             struct fault *fault)
{
    const struct duckdb_functions *duckdb = library_loaded(); /* which the chunk comes from */
    uint32_t count = (uint32_t)duckdb->data_chunk_get_size(chunk);
    int r = 0;
    for (uint32_t first = 0; r == 0 && first < count;) {
        uint32_t room = ROWS_UNIT - writer->group->rows % ROWS_UNIT;
        uint32_t piece = count - first < room ? count - first : room;
        if (row_group_add_chunk(writer->group, duckdb, chunk, first, piece) < 0)
            return no_memory(writer, fault);
        first += piece;
        if (parquet_writer_is_full(writer->group, writer->rows_max))
            r = parquet_writer_add_group(writer, writer->group, fault);
    }
    return r;
}

uint64_t parquet_writer_bytes(const struct parquet_writer *writer)
{
    uint64_t rows = writer->rows + (writer->group ? writer->group->rows : 0);
    return writer->rows > 0 ? (uint64_t)((double)writer->offset / (double)writer->rows * (double)rows) : 0;
}

int parquet_writer_close(struct parquet_writer *writer, struct fault *fault)
{
    CLEANUP(writer_cleanup) struct parquet_writer *owned = writer;
    int r = owned->group && owned->group->rows > 0 ? parquet_writer_add_group(owned, owned->group, fault) : 0;
    if (r < 0)
        return r;
    buf_clear(&owned->pages);
    footer_print(&owned->pages, owned->schema, &owned->groups, owned->group_count, owned->rows);
    if (owned->pages.failed)
        return no_memory(owned, fault);
    return put(owned, &owned->pages, fault);
}
