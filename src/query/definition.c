/* SPDX-License-Identifier: Apache-2.0 */
#include "query/definition_parts.h"

#include <errno.h>
#include <fts.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "record/source.h"

#define FIRST_LINE_MAX 8192
#define PLACEHOLDER "s3://amzn-s3-demo-bucket/" /* AWS's own for a bucket to be named */

const char *const definition_endings[DEFINITION_ENDINGS] = {".log.gz", ".log", ".log.zst", ".txt", ".txt.gz"};

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text);
    size_t ending_len = strlen(ending);
    return len >= ending_len && strcmp(text + len - ending_len, ending) == 0;
}

/* ---- what lies there ---- */

struct found {
    bool parquet;
    bool text;
    bool header, no_header; /* of text files */
};

/* Whether the text begins with a line of field names. */
static int look_for_header(const char *path, struct found *found, struct fault *fault)
{
    struct source *source;
    int r = source_open(&source, path, fault);
    if (r < 0)
        return r;
    char text[FIRST_LINE_MAX] = {0};
    size_t len = 0;
    ssize_t got = 1;
    while (got > 0 && len < sizeof text && !memchr(text, '\n', len)) {
        got = source_read(source, text + len, sizeof text - len, fault);
        len += got > 0 ? (size_t)got : 0;
    }
    source_free(source);
    if (got < 0) {
        fault_prefix(fault, "%s", path);
        return (int)got;
    }
    const char *newline = memchr(text, '\n', len);
    struct format format;
    if (len == 0) /* an empty file is as good as any */
        return 0;
    bool header = format_parse_header(&format, text, newline ? (size_t)(newline - text) : len, NULL) >= 0;
    *(header ? &found->header : &found->no_header) = true;
    return 0;
}

/* `path` is opened, where it is not NULL. */
static int look_at(struct definition *definition, const char *path, const char *name, struct found *found,
                   struct fault *fault)
{
    bool is_text = false;
    found->parquet |= ends_with(name, ".parquet");
    for (size_t i = 0; i < ARRAY_SIZE(definition_endings); i++)
        if (ends_with(name, definition_endings[i]))
            is_text = definition->endings[i] = true;
    found->text |= is_text;
    return is_text && path ? look_for_header(path, found, fault) : 0;
}

static int look_below(struct definition *definition, struct found *found, struct fault *fault)
{
    char *folders[] = {definition->location, NULL};
    FTS *tree = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!tree)
        return fault_set(fault, -errno, "%s: %s", definition->location, strerror(errno));
    int r = 0;
    FTSENT *entry;
    while (r == 0 && (entry = fts_read(tree))) {
        bool hidden = entry->fts_level > 0 && (entry->fts_name[0] == '.' || entry->fts_name[0] == '_');
        if (hidden && entry->fts_info == FTS_D)
            (void)fts_set(tree, entry, FTS_SKIP);
        else if (!hidden && entry->fts_info == FTS_F)
            r = look_at(definition, entry->fts_path, entry->fts_name, found, fault);
        else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
            r = fault_set(fault, -entry->fts_errno, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
    }
    (void)fts_close(tree);
    return r;
}

static int look(struct definition *definition, struct found *found, struct fault *fault)
{
    struct stat status;
    const char *location = definition->location;
    bool exists = !definition->is_s3 && stat(location, &status) == 0;
    definition->is_folder = definition->is_folder && (!exists || S_ISDIR(status.st_mode));
    if (definition->is_folder)
        return exists ? look_below(definition, found, fault) : 0;
    glob_t files = {0};
    int r = look_at(definition, NULL, location, found, fault);
    if (!definition->is_s3 && glob(location, 0, NULL, &files) == 0) /* of patterns with ** only one folder */
        for (size_t i = 0; i < files.gl_pathc && r == 0; i++)
            r = look_at(definition, files.gl_pathv[i], files.gl_pathv[i], found, fault);
    globfree(&files);
    return r;
}

static int settle_files(struct definition *definition, struct fault *fault)
{
    const struct definition_options *options = definition->options;
    struct found found = {0};
    int r = look(definition, &found, fault);
    if (r < 0)
        return r;
    if (options->files == DEFINITION_BY_LOCATION && found.parquet && found.text)
        return fault_set(
            fault, -EINVAL,
            "%s holds Parquet and text files: say which with --file-format parquet or plain-text",
            definition->location);
    definition->is_text =
        options->files == DEFINITION_TEXT || (options->files == DEFINITION_BY_LOCATION && found.text);
    if (definition->is_text && found.header && found.no_header)
        return fault_set(fault, -EINVAL,
                         "%s holds text files with and without a header line: take them apart",
                         definition->location);
    definition->has_header = !found.no_header;
    if (!found.text)
        definition->endings[0] = true;
    return 0;
}

static int settle_location(struct definition *definition, struct fault *fault)
{
    const char *given = definition->options->location ? definition->options->location : PLACEHOLDER;
    size_t len = strlen(given);
    while (len > 1 && given[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof definition->location)
        return fault_set(fault, -EINVAL, "--location: %s", len ? "too long" : "it is empty");
    if (strpbrk(given, "'\\\n"))
        return fault_set(fault, -EINVAL, "--location: '%s': quotes and backslashes cannot stand in it",
                         given);
    (void)snprintf(definition->location, sizeof definition->location, "%.*s", (int)len, given);
    definition->is_s3 = strncmp(given, "s3://", 5) == 0;
    if (!definition->is_s3 && strstr(given, "://"))
        return fault_set(fault, -EINVAL, "--location: '%s': a folder, a glob or s3://BUCKET/PREFIX is due",
                         given);
    if (definition->options->engine == SQL_ATHENA && !definition->is_s3)
        return fault_set(fault, -EINVAL, "--location: '%s': Athena reads s3://BUCKET/PREFIX only", given);
    definition->is_folder = !strpbrk(given, "*?[{");
    bool is_tables = definition->options->engine == SQL_ATHENA || definition->options->engine == SQL_TRINO;
    if (is_tables && !definition->is_folder)
        return fault_set(fault, -EINVAL, "--location: '%s': %s takes a folder, no pattern", given,
                         definition->dialect->name);
    return 0;
}

int definition_print(const struct definition_options *options, struct buf *sql, struct fault *fault)
{
    static void (*const printers[])(const struct definition *) = {
        [SQL_DUCKDB] = definition_print_duckdb,         [SQL_ATHENA] = definition_print_athena,
        [SQL_TRINO] = definition_print_trino,           [SQL_SPARK] = definition_print_spark,
        [SQL_CLICKHOUSE] = definition_print_clickhouse,
    };
    struct definition definition = {.options = options, .sql = sql};
    definition.dialect = dialect_of(options->engine);
    definition.quote = options->engine == SQL_ATHENA ? '`' : definition.dialect->quote;
    int r = settle_location(&definition, fault);
    if (r == 0)
        r = settle_files(&definition, fault);
    if (r < 0)
        return r;
    printers[options->engine](&definition);
    return sql->failed ? fault_set(fault, -ENOMEM, "out of memory") : 0;
}
