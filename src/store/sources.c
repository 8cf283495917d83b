/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "parquet/reader.h"
#include "parquet/session.h"
#include "store/partition.h"
#include "store/source_list.h"

#define COPY_SIZE (256 * 1024)
#define S3 "s3://"
#define CLOUDWATCH "cloudwatch:"

void sources_tell(struct sources *sources, const struct fault *fault)
{
    sources->faults++;
    sources->options->tell(sources->options->userdata, fault->text);
}

int sources_temporary(struct fault *fault)
{
    const char *folder = getenv("TMPDIR");
    int fd = open(folder && folder[0] ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) { /* a file system that has none without a name */
        AUTO_FCLOSE FILE *file = tmpfile();
        fd = file ? fcntl(fileno(file), F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : -1;
    }
    if (fd < 0)
        return fault_set(fault, -errno, "cannot make a temporary file: %s", strerror(errno));
    return fd;
}

static int no_memory(struct fault *fault)
{
    return fault_set(fault, -ENOMEM, "out of memory");
}

/* DuckDB takes some characters of a path for a pattern or a scheme. */
static bool is_plain_path(const char *path)
{
    return !strpbrk(path, "*?[]{}\\") && !strstr(path, "://");
}

/* DuckDB gets a descriptor's name then. */
static int replace_path(struct source_file *file, int fd)
{
    char name[SESSION_FILE_MAX];
    char *path = strdup(session_file_name(name, fd));
    if (!path)
        return -ENOMEM;
    free(file->path);
    file->path = path;
    file->fd = fd;
    return 0;
}

/* Whether it is Parquet, how large it is. */
static int look_into(struct source_file *file, struct fault *fault)
{
    struct stat status;
    AUTO_CLOSE int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        return fault_set(fault, -errno, "%s: cannot open: %s", file->name, strerror(errno));
    file->size = (uint64_t)status.st_size;
    file->form = parquet_is_file(fd) ? SOURCE_PARQUET : SOURCE_RECORDS;
    if (file->form == SOURCE_PARQUET && !is_plain_path(file->path))
        return replace_path(file, TAKE_FD(fd)) < 0 ? no_memory(fault) : 0;
    return 0;
}

static void file_done(struct source_file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    free(file->name);
    free(file->path);
    free(file->called);
}

static int append(struct sources *sources, const struct source_file *file)
{
    if (sources->count == sources->cap) {
        size_t cap = sources->cap ? sources->cap * 2 : 64;
        struct source_file *larger = reallocarray(sources->files, cap, sizeof *larger);
        if (!larger)
            return -ENOMEM;
        sources->files = larger;
        sources->cap = cap;
    }
    sources->files[sources->count++] = *file;
    return 0;
}

int sources_add(struct sources *sources, const char *name, int fd, struct fault *fault)
{
    char fd_name[SESSION_FILE_MAX];
    struct source_file file = {
        .name = strdup(name),
        .path = strdup(fd >= 0 ? session_file_name(fd_name, fd) : name),
        .fd = fd,
    };
    int r = file.name && file.path ? look_into(&file, fault) : no_memory(fault);
    if (r == 0 && append(sources, &file) < 0)
        r = no_memory(fault);
    if (r < 0)
        file_done(&file);
    return r;
}

void sources_call_last(struct sources *sources, struct source_identity *called, size_t count, bool is_events)
{
    struct source_file *file = &sources->files[sources->count - 1];
    file->called = called;
    file->called_count = called ? count : 0;
    file->is_events = is_events;
}

void source_identity_mix(struct source_identity *identity, const void *data, size_t len)
{
    const uint64_t before[] = {identity->high, identity->low, len};
    XXH128_hash_t hash = XXH3_128bits_withSeed(data, len, XXH3_64bits(before, sizeof before));
    *identity = (struct source_identity){.high = hash.high64, .low = hash.low64};
}

/* A pipe, a device or standard input, to its end. */
static int add_stream(struct sources *sources, const char *name, int from, struct fault *fault)
{
    AUTO_FREE char *chunk = malloc(COPY_SIZE);
    AUTO_CLOSE int fd = chunk ? sources_temporary(fault) : no_memory(fault);
    if (fd < 0)
        return fd;
    for (;;) {
        ssize_t got = read(from, chunk, COPY_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            break;
        int r = got < 0 ? -errno : file_write_all(fd, chunk, (size_t)got);
        if (r < 0)
            return fault_set(fault, r, "%s: cannot be kept in a temporary file: %s", name, strerror(-r));
    }
    return sources_add(sources, name, TAKE_FD(fd), fault);
}

static int compare_names(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool is_wanted(const struct sources *sources, const char *path)
{
    return partition_may_hold(path, sources->options->since_s, sources->options->until_s);
}

static int tell_entry(struct sources *sources, const FTSENT *entry)
{
    struct fault said;
    (void)fault_set(&said, 0, "%s: cannot read: %s", entry->fts_path, strerror(entry->fts_errno));
    sources_tell(sources, &said);
    return 0;
}

/* One step of the walk: a file is added, a folder that cannot hold what is asked for is not entered. */
static int take_entry(struct sources *sources, FTS *walk, FTSENT *entry, struct fault *fault)
{
    bool hidden =
        entry->fts_level > FTS_ROOTLEVEL && (entry->fts_name[0] == '.' || entry->fts_name[0] == '_');
    struct fault said;
    int r;
    switch (entry->fts_info) {
    case FTS_D:
        if (hidden || (entry->fts_level > FTS_ROOTLEVEL && !is_wanted(sources, entry->fts_path)))
            (void)fts_set(walk, entry, FTS_SKIP);
        return 0;
    case FTS_F:
        if (hidden || !is_wanted(sources, entry->fts_path))
            return 0;
        r = sources_add(sources, entry->fts_path, -1, &said);
        if (r == -ENOMEM)
            return no_memory(fault);
        if (r < 0 && r != -ENOENT) /* compaction and retention take files away */
            sources_tell(sources, &said);
        return 0;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return tell_entry(sources, entry);
    default:
        return 0;
    }
}

/* The store that the folder is, or lies in; its path is as long as *ret_len says. */
static bool find_store(const char *path, size_t *ret_len)
{
    char root[PATH_MAX];
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && len < sizeof root) {
        memcpy(root, path, len);
        root[len] = '\0';
        if (dataset_is_store(root)) {
            *ret_len = len;
            return true;
        }
        while (len > 0 && path[len - 1] != '/')
            len--;
        while (len > 0 && path[len - 1] == '/')
            len--;
    }
    return false;
}

static int add_dataset_file(struct sources *sources, const struct dataset *dataset,
                            const struct dataset_file *file, const char *below, struct fault *fault)
{
    char path[PATH_MAX];
    struct fault said;
    const char *key = file->change ? file->change->key : file->path;
    size_t len = strlen(below);
    if (strncmp(key, below, len) != 0 || (len && key[len] != '/') || !is_wanted(sources, key))
        return 0;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dataset->folder, file->path) >= sizeof path)
        return fault_set(fault, -ENAMETOOLONG, "%s/%s: path too long", dataset->folder, file->path);
    int r = sources_add(sources, path, -1, &said);
    if (r == -ENOMEM)
        return no_memory(fault);
    if (r < 0)
        sources_tell(sources, &said);
    return 0;
}

/* A store as a whole, or what lies below one of its folders: each record once, whatever is being merged. */
static int add_store(struct sources *sources, const char *path, size_t root_len, struct fault *fault)
{
    AUTO_FREE char *root = strndup(path, root_len);
    AUTO_FREE char *below = strdup(path + root_len + strspn(path + root_len, "/"));
    struct dataset *longer =
        reallocarray(sources->datasets, sources->dataset_count + 1, sizeof *sources->datasets);
    if (longer)
        sources->datasets = longer;
    if (!longer || !root || !below)
        return no_memory(fault);
    for (size_t len = strlen(below); len > 0 && below[len - 1] == '/'; len--)
        below[len - 1] = '\0';
    struct fault said;
    struct dataset *dataset = &sources->datasets[sources->dataset_count];
    int r = dataset_open(dataset, root, &said);
    if (r == -ENOMEM)
        return no_memory(fault);
    if (r < 0) {
        sources_tell(sources, &said);
        return 0;
    }
    sources->dataset_count++;
    for (size_t i = 0; r == 0 && i < dataset->count; i++)
        r = add_dataset_file(sources, dataset, &dataset->files[i], below, fault);
    return r;
}

static int add_folder(struct sources *sources, const char *path, struct fault *fault)
{
    size_t store_len;
    if (find_store(path, &store_len))
        return add_store(sources, path, store_len, fault);
    char *paths[] = {(char *)path, NULL};
    FTS *walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, compare_names);
    if (!walk)
        return no_memory(fault);
    int r = 0;
    FTSENT *entry;
    while (r == 0 && (entry = fts_read(walk)))
        r = take_entry(sources, walk, entry, fault);
    (void)fts_close(walk);
    return r;
}

static int add_path(struct sources *sources, const char *path, struct fault *fault)
{
    struct stat status;
    struct fault said;
    int r = 0;
    if (stat(path, &status) < 0) {
        r = fault_set(&said, -errno, "%s: cannot open: %s", path, strerror(errno));
    } else if (S_ISDIR(status.st_mode)) {
        return add_folder(sources, path, fault);
    } else if (S_ISREG(status.st_mode)) {
        r = is_wanted(sources, path) ? sources_add(sources, path, -1, &said) : 0;
    } else {
        AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        r = fd < 0 ? fault_set(&said, -errno, "%s: cannot open: %s", path, strerror(errno))
                   : add_stream(sources, path, fd, &said);
    }
    if (r < 0)
        sources_tell(sources, &said);
    return 0;
}

static int add_glob(struct sources *sources, const char *pattern, struct fault *fault)
{
    glob_t found = {0};
    struct fault said;
    int r = glob(pattern, GLOB_BRACE, NULL, &found);
    if (r == GLOB_NOSPACE) {
        r = no_memory(fault);
    } else if (r != 0 || found.gl_pathc == 0) {
        (void)fault_set(&said, 0, "%s: no file is named so", pattern);
        sources_tell(sources, &said);
        r = 0;
    }
    for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
        r = add_path(sources, found.gl_pathv[i], fault);
    globfree(&found);
    return r;
}

static int add_standard_input(struct sources *sources)
{
    struct fault said;
    if (add_stream(sources, "-", STDIN_FILENO, &said) < 0)
        sources_tell(sources, &said);
    return 0;
}

static int add(struct sources *sources, const char *from, struct fault *fault)
{
    struct stat status;
    if (strcmp(from, "-") == 0)
        return add_standard_input(sources);
    if (strncmp(from, S3, strlen(S3)) == 0)
        return sources_add_s3(sources, from, fault);
    if (strncmp(from, CLOUDWATCH, strlen(CLOUDWATCH)) == 0)
        return sources_add_log_group(sources, from + strlen(CLOUDWATCH), fault);
    if (strpbrk(from, "*?[{") && lstat(from, &status) < 0)
        return add_glob(sources, from, fault);
    return add_path(sources, from, fault);
}

static void sources_cleanup(struct sources **sources)
{
    sources_close(*sources);
}

int sources_open(struct sources **ret, const struct sources_options *options, struct fault *fault)
{
    CLEANUP(sources_cleanup) struct sources *sources = calloc(1, sizeof *sources);
    if (!sources)
        return no_memory(fault);
    sources->options = options;
    file_raise_limit(); /* a descriptor for each object that is kept */
    int r = 0;
    for (size_t i = 0; r == 0 && i < options->from_count; i++)
        r = add(sources, options->from[i], fault);
    if (options->from_count == 0 && options->store)
        r = add_path(sources, options->store, fault);
    if (r < 0)
        return r;
    sources->options = NULL;
    *ret = TAKE(sources);
    return 0;
}

void sources_close(struct sources *sources)
{
    if (!sources)
        return;
    for (size_t i = 0; i < sources->count; i++)
        file_done(&sources->files[i]);
    free(sources->files);
    for (size_t i = 0; i < sources->dataset_count; i++)
        dataset_close(&sources->datasets[i]);
    free(sources->datasets);
    free(sources);
}

size_t sources_count(const struct sources *sources)
{
    return sources->count;
}

const struct source_file *sources_at(const struct sources *sources, size_t index)
{
    return &sources->files[index];
}

bool sources_unreachable(const struct sources *sources)
{
    return sources->unreachable;
}

uint64_t sources_faults(const struct sources *sources)
{
    return sources->faults;
}
