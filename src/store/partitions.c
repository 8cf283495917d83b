/* SPDX-License-Identifier: Apache-2.0 */
#include "store/partitions.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "parquet/row_group.h"
#include "parquet/writer.h"

#define HOUR_SECONDS 3600
#define PARTITIONS_MAX 1024 /* each touches a page for each column */
#define WRITERS_MAX 4
#define NO_ACCOUNT "000000000000" /* as the daemon has it where nobody says */
#define NO_REGION "local"
#define NO_FLOW_LOG "fl-00000000000000000"
#define SET_WORDS 2
#define COLUMNS_MAX 6 /* sets of fields in use, before they are thrown together */

/* The fields of a file. */
struct columns {
    struct columns *next;
    uint64_t set[SET_WORDS];
    struct schema schema;
    uint32_t rows_max;
    size_t row_bytes;
};

struct partition {
    char account[32];
    char region[32];
    char flow_log_id[32];
    uint64_t hour_s;
    const struct columns *columns;
    struct row_group *rows; /* owned */
    size_t bytes;           /* of them */
    uint64_t first_slot;    /* of the file that is open, and of rows */
    uint64_t used;          /* when last, by the count of additions of new hours and flushes */
    unsigned parts;         /* files begun */
    struct open_file *file; /* NULL: none is open */
};

struct open_file {
    struct partition *partition; /* NULL: free */
    struct parquet_writer *writer;
    int fd;
    char path[PATH_MAX];
    char made[32];
    unsigned part;
    uint64_t first_slot;
    uint64_t used;
};

struct partitions {
    char *folder;
    uint64_t id;
    size_t memory_bytes;
    unsigned writers_max;
    struct columns *columns; /* those in use come first */
    unsigned columns_count;
    struct partition *list[PARTITIONS_MAX];
    size_t count;
    struct partition *last; /* that got a record */
    struct open_file files[WRITERS_MAX];
    size_t bytes; /* of all rows that wait */
    uint64_t clock;
    struct partition_file *done;
    size_t done_count;
    unsigned made; /* files so far */
};

int partitions_new(struct partitions **ret, const struct partitions_options *options, struct fault *fault)
{
    struct partitions *partitions = calloc(1, sizeof *partitions);
    char *folder = strdup(options->folder);
    if (!partitions || !folder) {
        free(partitions);
        free(folder);
        return fault_set(fault, -ENOMEM, "out of memory");
    }
    partitions->folder = folder;
    partitions->id = options->id;
    partitions->memory_bytes = options->memory_bytes;
    partitions->writers_max = options->writers_max < WRITERS_MAX ? options->writers_max : WRITERS_MAX;
    *ret = partitions;
    return 0;
}

static void partition_free(struct partition *partition)
{
    row_group_free(partition->rows);
    free(partition);
}

void partitions_free(struct partitions *partitions)
{
    if (!partitions)
        return;
    for (size_t i = 0; i < WRITERS_MAX; i++) {
        parquet_writer_abandon(partitions->files[i].writer);
        if (partitions->files[i].writer)
            close(partitions->files[i].fd);
    }
    for (size_t i = 0; i < partitions->count; i++)
        partition_free(partitions->list[i]);
    while (partitions->columns) {
        struct columns *columns = TAKE(partitions->columns);
        partitions->columns = columns->next;
        free(columns);
    }
    free(partitions->done);
    free(partitions->folder);
    free(partitions);
}

/* Which columns. */

static void set_of(const struct format *format, uint64_t ret[static SET_WORDS])
{
    memset(ret, 0, SET_WORDS * sizeof *ret);
    for (unsigned i = 0; i < format->count; i++)
        if (format->fields[i] != FIELD_UNKNOWN)
            ret[format->fields[i] / 64] |= 1ULL << format->fields[i] % 64;
}

static bool is_of(const struct columns *columns, const uint64_t set[static SET_WORDS])
{
    return set[0] == columns->set[0] && set[1] == columns->set[1];
}

static bool has_all(const struct columns *columns, const uint64_t set[static SET_WORDS])
{
    return !(set[0] & ~columns->set[0]) && !(set[1] & ~columns->set[1]);
}

static int add_columns(struct partitions *partitions, const uint64_t set[static SET_WORDS],
                       struct fault *fault)
{
    struct columns *columns = calloc(1, sizeof *columns);
    struct format format = {0};
    int r = columns ? 0 : -ENOMEM;
    for (unsigned field = 0; r == 0 && field < FIELD_COUNT; field++)
        if (set[field / 64] >> field % 64 & 1)
            r = format_add(&format, field);
    if (r == 0)
        r = schema_from_format(&columns->schema, &format, fault);
    if (r < 0) {
        free(columns);
        return r == -EINVAL ? r : fault_set(fault, r, "out of memory");
    }
    memcpy(columns->set, set, sizeof columns->set);
    columns->schema.version = 0; /* each record's own */
    columns->rows_max = parquet_writer_rows(&columns->schema);
    columns->row_bytes = schema_row_bytes(&columns->schema);
    columns->next = partitions->columns;
    partitions->columns = columns;
    partitions->columns_count++;
    return 0;
}

/* Those that match come to the front of the list. */
static bool find_columns(struct partitions *partitions, const uint64_t set[static SET_WORDS],
                         bool (*matches)(const struct columns *columns, const uint64_t *set))
{
    for (struct columns **at = &partitions->columns; *at; at = &(*at)->next) {
        struct columns *found = *at;
        if (!matches(found, set))
            continue;
        *at = found->next;
        found->next = partitions->columns;
        partitions->columns = found;
        return true;
    }
    return false;
}

/* Just the fields of the record while there are few such sets; then any that has them all. */
static int choose_columns(struct partitions *partitions, const struct format *format, struct fault *fault)
{
    uint64_t set[SET_WORDS];
    set_of(format, set);
    if (find_columns(partitions, set, is_of))
        return 0;
    if (partitions->columns_count >= COLUMNS_MAX) {
        if (find_columns(partitions, set, has_all))
            return 0;
        for (const struct columns *known = partitions->columns; known; known = known->next)
            for (size_t w = 0; w < SET_WORDS; w++)
                set[w] |= known->set[w];
    }
    return add_columns(partitions, set, fault);
}

/* Files. */

static int open_fault(const struct open_file *file, int error, struct fault *fault)
{
    return fault_set(fault, error, "%s: cannot write: %s", file->path, strerror(-error));
}

static int print_key(const struct partitions *partitions, const struct open_file *file,
                     char ret[static LAYOUT_KEY_MAX])
{
    const struct partition *partition = file->partition;
    const uint64_t parts[] = {partitions->id, partition->hour_s, file->part, partition->columns->set[0],
                              partition->columns->set[1]};
    uint64_t hash = hash_bytes(parts, sizeof parts, 0);
    hash = hash_bytes(partition->account, strlen(partition->account), hash);
    hash = hash_bytes(partition->region, strlen(partition->region), hash);
    hash = hash_bytes(partition->flow_log_id, strlen(partition->flow_log_id), hash);
    const struct layout layout = {.account = partition->account,
                                  .region = partition->region,
                                  .flow_log_id = partition->flow_log_id,
                                  .extension = "log.parquet",
                                  .hive = true,
                                  .hourly = true};
    char name[LAYOUT_KEY_MAX];
    int r = layout_print_hour_name(&layout, file->first_slot, hash, name);
    if (r == 0)
        r = layout_print_key(&layout, partition->hour_s, 0, 0, ret); /* for its folders */
    if (r < 0)
        return r;
    size_t folders = (size_t)(strrchr(ret, '/') + 1 - ret);
    return (size_t)snprintf(ret + folders, LAYOUT_KEY_MAX - folders, "%s", name) < LAYOUT_KEY_MAX - folders
               ? 0
               : -ENAMETOOLONG;
}

static int close_file(struct partitions *partitions, struct open_file *file, struct fault *fault)
{
    struct partition_file *done = reallocarray(partitions->done, partitions->done_count + 1, sizeof *done);
    if (!done)
        return fault_set(fault, -ENOMEM, "out of memory");
    partitions->done = done;
    AUTO_CLOSE int fd = file->fd;
    int r = parquet_writer_close(TAKE(file->writer), fault);
    if (r == 0 && fsync(fd) < 0)
        r = open_fault(file, -errno, fault);
    if (r == 0 && (r = print_key(partitions, file, done[partitions->done_count].key)) < 0)
        r = open_fault(file, r, fault);
    if (r < 0)
        return r;
    memcpy(done[partitions->done_count].made, file->made, sizeof file->made);
    partitions->done_count++;
    file->partition->file = NULL;
    file->partition = NULL;
    return 0;
}

/* One that is free, or made so. */
static int find_file(struct partitions *partitions, struct open_file **ret, struct fault *fault)
{
    struct open_file *oldest = &partitions->files[0];
    for (unsigned i = 0; i < partitions->writers_max && oldest->partition; i++)
        if (!partitions->files[i].partition || partitions->files[i].used < oldest->used)
            oldest = &partitions->files[i];
    *ret = oldest;
    return oldest->partition ? close_file(partitions, oldest, fault) : 0;
}

static int open_file(struct partitions *partitions, struct partition *partition, struct fault *fault)
{
    struct open_file *file;
    int r = find_file(partitions, &file, fault);
    if (r < 0)
        return r;
    *file = (struct open_file){.part = partition->parts++, .first_slot = partition->first_slot};
    (void)snprintf(file->made, sizeof file->made, "%u.data", partitions->made++);
    (void)snprintf(file->path, sizeof file->path, "%s/%s", partitions->folder, file->made);
    file->fd = open(file->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file->fd < 0)
        return open_fault(file, -errno, fault);
    r = parquet_writer_open_schema(&file->writer, file->fd, file->path, &partition->columns->schema,
                                   PARQUET_ZSTD, fault);
    if (r < 0) {
        close(file->fd);
        return r;
    }
    file->partition = partition;
    partition->file = file;
    return 0;
}

/* Its rows go into its file. */
static int flush(struct partitions *partitions, struct partition *partition, struct fault *fault)
{
    if (row_group_rows(partition->rows) == 0)
        return 0;
    int r = partition->file ? 0 : open_file(partitions, partition, fault);
    if (r < 0)
        return r;
    struct open_file *file = partition->file;
    assert(file);
    file->used = ++partitions->clock;
    if (partition->first_slot < file->first_slot)
        file->first_slot = partition->first_slot;
    r = parquet_writer_add_group(file->writer, partition->rows, fault);
    if (r < 0)
        return r;
    partitions->bytes -= partition->bytes;
    partition->bytes = 0;
    partition->first_slot = UINT64_MAX;
    return 0;
}

/* Partitions. */

static int drop_partition(struct partitions *partitions, size_t index, struct fault *fault)
{
    struct partition *partition = partitions->list[index];
    int r = flush(partitions, partition, fault);
    if (r == 0 && partition->file)
        r = close_file(partitions, partition->file, fault);
    if (r < 0)
        return r;
    if (partitions->last == partition)
        partitions->last = NULL;
    partition_free(partition);
    partitions->list[index] = partitions->list[--partitions->count];
    return 0;
}

static int drop_oldest(struct partitions *partitions, struct fault *fault)
{
    size_t oldest = 0;
    for (size_t i = 1; i < partitions->count; i++)
        if (partitions->list[i]->used < partitions->list[oldest]->used)
            oldest = i;
    return drop_partition(partitions, oldest, fault);
}

/* A new file begins for each time that a partition comes again. */
static int add_partition(struct partitions *partitions, const struct partition *key, struct partition **ret,
                         struct fault *fault)
{
    int r = partitions->count == PARTITIONS_MAX ? drop_oldest(partitions, fault) : 0;
    if (r < 0)
        return r;
    struct partition *partition = malloc(sizeof *partition);
    if (!partition)
        return fault_set(fault, -ENOMEM, "out of memory");
    *partition = *key;
    partition->first_slot = UINT64_MAX;
    partition->parts = partitions->made; /* above that of any file that it had before */
    partition->rows = row_group_new(&partition->columns->schema, partition->columns->rows_max);
    if (!partition->rows) {
        free(partition);
        return fault_set(fault, -ENOMEM, "out of memory");
    }
    partitions->list[partitions->count++] = partition;
    *ret = partition;
    return 0;
}

/* The text if it can be part of a path and fits, else what stands for none. */
static void set_place(char to[static 32], const struct value *value, const char *none)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    bool usable = value->kind == VALUE_TEXT && value->len > 0 && value->len < 32;
    for (uint32_t i = 0; usable && i < value->len; i++)
        usable = strchr(allowed, value->text[i]) && value->text[i];
    (void)snprintf(to, 32, "%.*s", usable ? (int)value->len : 31, usable ? value->text : none);
}

/* Zero where neither record nor name has a time. */
static uint64_t end_of(const struct partition_origin *origin, const struct format *format,
                       const struct record *record)
{
    if (format_has(format, FIELD_END))
        return record->values[FIELD_END].number;
    if (format_has(format, FIELD_START))
        return record->values[FIELD_START].number;
    return origin->named ? origin->name.slot : 0;
}

static void set_key(struct partition *key, const struct partition_origin *origin, const struct record *record)
{
    if (origin->named) {
        memcpy(key->account, origin->name.account, sizeof key->account);
        memcpy(key->region, origin->name.region, sizeof key->region);
        memcpy(key->flow_log_id, origin->name.flow_log_id, sizeof key->flow_log_id);
        return;
    }
    set_place(key->account, &record->values[FIELD_ACCOUNT_ID], NO_ACCOUNT);
    set_place(key->region, &record->values[FIELD_REGION], NO_REGION);
    (void)snprintf(key->flow_log_id, sizeof key->flow_log_id, "%s", NO_FLOW_LOG);
}

/* Whether set_place() would give this; false also where only it can tell. */
static bool is_place(const char held[static 32], const struct value *value, const char *none)
{
    if (value->kind != VALUE_TEXT)
        return strcmp(held, none) == 0;
    return value->len < 32 && memcmp(held, value->text, value->len) == 0 && held[value->len] == '\0';
}

/* Whether the record goes where the one before went, as nearly all do. */
static bool is_of_last(const struct partitions *partitions, const struct partition_origin *origin,
                       const struct record *record, uint64_t hour_s)
{
    const struct partition *last = partitions->last;
    if (!last || last->hour_s != hour_s || last->columns != partitions->columns)
        return false;
    if (origin->named)
        return strcmp(last->account, origin->name.account) == 0 &&
               strcmp(last->region, origin->name.region) == 0 &&
               strcmp(last->flow_log_id, origin->name.flow_log_id) == 0;
    return is_place(last->account, &record->values[FIELD_ACCOUNT_ID], NO_ACCOUNT) &&
           is_place(last->region, &record->values[FIELD_REGION], NO_REGION) &&
           strcmp(last->flow_log_id, NO_FLOW_LOG) == 0;
}

static bool is_same(const struct partition *partition, const struct partition *key)
{
    return partition->hour_s == key->hour_s && partition->columns == key->columns &&
           strcmp(partition->account, key->account) == 0 && strcmp(partition->region, key->region) == 0 &&
           strcmp(partition->flow_log_id, key->flow_log_id) == 0;
}

static int find_partition(struct partitions *partitions, const struct partition *key, struct fault *fault)
{
    char checked[LAYOUT_KEY_MAX];
    partitions->last = NULL;
    for (size_t i = 0; i < partitions->count; i++)
        if (is_same(partitions->list[i], key))
            partitions->last = partitions->list[i];
    if (!partitions->last) {
        const struct layout layout = {.account = "", .region = "", .flow_log_id = "", .extension = ""};
        if (layout_print_hour_name(&layout, key->hour_s, 0, checked) < 0)
            return fault_set(fault, -ERANGE, "end: no time of a calendar");
        int r = add_partition(partitions, key, &partitions->last, fault);
        if (r < 0)
            return r;
    }
    assert(partitions->last);
    partitions->last->used = ++partitions->clock;
    return 0;
}

/* The largest go first until the rest is half of the bound. */
static int keep_bound(struct partitions *partitions, struct fault *fault)
{
    int r = 0;
    while (r == 0 && partitions->bytes > partitions->memory_bytes / 2) {
        struct partition *largest = partitions->list[0];
        for (size_t i = 1; i < partitions->count; i++)
            if (partitions->list[i]->bytes > largest->bytes)
                largest = partitions->list[i];
        r = flush(partitions, largest, fault);
    }
    return r;
}

int partitions_add(struct partitions *partitions, const struct partition_origin *origin,
                   const struct format *format, const struct record *record, struct fault *fault)
{
    struct partition key = {0};
    uint64_t end_s = end_of(origin, format, record);
    int r = choose_columns(partitions, format, fault);
    if (r < 0)
        return r;
    key.columns = partitions->columns;
    key.hour_s = end_s - end_s % HOUR_SECONDS;
    if (!is_of_last(partitions, origin, record, key.hour_s)) {
        set_key(&key, origin, record);
        r = find_partition(partitions, &key, fault);
    }
    if (r < 0)
        return r;
    struct partition *partition = partitions->last;
    assert(partition);
    size_t text_bytes = row_group_text_bytes(partition->rows);
    if (row_group_add(partition->rows, record) < 0)
        return fault_set(fault, -ENOMEM, "out of memory");
    size_t bytes = key.columns->row_bytes + row_group_text_bytes(partition->rows) - text_bytes;
    partition->bytes += bytes;
    partitions->bytes += bytes;
    uint64_t slot = layout_slot_of(end_s);
    partition->first_slot = slot < partition->first_slot ? slot : partition->first_slot;
    if (parquet_writer_is_full(partition->rows, key.columns->rows_max))
        return flush(partitions, partition, fault);
    return partitions->bytes > partitions->memory_bytes ? keep_bound(partitions, fault) : 0;
}

int partitions_finish(struct partitions *partitions, const struct partition_file **ret, size_t *ret_count,
                      struct fault *fault)
{
    int r = 0;
    /* Those whose files are open come first, so that none is closed early. */
    for (size_t i = 0; r == 0 && i < WRITERS_MAX; i++) {
        struct open_file *file = &partitions->files[i];
        if (!file->partition)
            continue;
        r = flush(partitions, file->partition, fault);
        if (r == 0)
            r = close_file(partitions, file, fault);
    }
    while (r == 0 && partitions->count)
        r = drop_partition(partitions, partitions->count - 1, fault);
    if (r < 0)
        return r;
    *ret = partitions->done;
    *ret_count = partitions->done_count;
    return 0;
}
