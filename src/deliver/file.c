/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/gzip.h"
#include "base/hash.h"
#include "deliver/driver.h"
#include "record/json.h"
#include "record/text.h"

#define SLOT_SECONDS 300         /* delivery.md 2.3 */
#define OBJECT_FULL 74000000UL   /* AWS closes at 75 MB (delivery.md 2.4); the compressor still holds some */
#define OBJECT_MAX (80UL << 20)  /* never reached: what follows OBJECT_FULL is one piece */
#define OBJECTS_MAX 16           /* of one batch, hence 1.2 GB at most in memory */
#define PIECE_LEN (256UL * 1024) /* equal pieces make equal bytes */
#define PIECE_MAX (64UL << 20)   /* one record of the longest values is far below */
#define SALTS_MAX 10000

/* What becomes one file. Its bytes are in memory until commit. */
struct object {
    uint64_t slot; /* seconds since the epoch */
    struct buf plain;
    struct buf packed;
    struct gzip_writer *gzip; /* NULL once the member has its end */
    char aside[PATH_MAX];     /* temporary file; "" when there is none */
};

struct file_state {
    struct format format;
    bool json;
    bool hive;
    bool hourly;
    uint64_t origin;
    char *prefix; /* of folders, up to the region */
    char *name;   /* of objects, up to the time */
    char *id;
    uint64_t window;
    uint64_t sequence;
    unsigned count;
    struct object *objects[OBJECTS_MAX];
    char last_object[PATH_MAX];
};

static void file_abandon(void *opaque)
{
    struct file_state *state = opaque;
    for (unsigned i = 0; i < state->count; i++) {
        struct object *object = state->objects[i];
        if (object->aside[0])
            (void)unlink(object->aside);
        gzip_writer_free(object->gzip);
        buf_done(&object->plain);
        buf_done(&object->packed);
        free(object);
    }
    state->count = 0;
}

static void file_close(void *opaque)
{
    struct file_state *state = opaque;
    file_abandon(state);
    free(state->prefix);
    free(state->name);
    free(state->id);
    free(state);
}

/* delivery.md 2.2 */
static int print_prefix(char **ret, const struct destination_settings *settings)
{
    int len = (int)strlen(settings->folder);
    while (len > 0 && settings->folder[len - 1] == '/')
        len--;
    if (settings->hive)
        return asprintf(ret, "%.*s/AWSLogs/aws-account-id=%s/aws-service=vpcflowlogs/aws-region=%s", len,
                        settings->folder, settings->account, settings->region);
    return asprintf(ret, "%.*s/AWSLogs/%s/vpcflowlogs/%s", len, settings->folder, settings->account,
                    settings->region);
}

static bool copy_names(struct file_state *state, const struct destination_settings *settings)
{
    if (print_prefix(&state->prefix, settings) < 0)
        state->prefix = NULL;
    if (asprintf(&state->name, "%s_vpcflowlogs_%s_%s", settings->account, settings->region,
                 settings->flow_log_id) < 0)
        state->name = NULL;
    state->id = strdup(settings->flow_log_id);
    return state->prefix && state->name && state->id;
}

static int file_open(void **ret, const struct destination_settings *settings, struct fault *fault)
{
    struct file_state *state = calloc(1, sizeof *state);
    if (!state)
        return fault_set(fault, -ENOMEM, "out of memory");
    state->format = *settings->format;
    state->json = settings->file_format == FILE_FORMAT_JSON;
    state->hive = settings->hive;
    state->hourly = settings->hourly;
    state->origin = settings->origin;
    if (!copy_names(state, settings)) {
        file_close(state);
        return fault_set(fault, -ENOMEM, "out of memory");
    }
    *ret = state;
    return 0;
}

static int file_begin(void *opaque, uint64_t window, uint64_t sequence, struct fault *fault)
{
    struct file_state *state = opaque;
    state->window = window;
    state->sequence = sequence;
    return 0;
}

/* The newest object of the slot, unless it is full. */
static struct object *find_object(const struct file_state *state, uint64_t slot)
{
    for (unsigned i = state->count; i-- > 0;)
        if (state->objects[i]->slot == slot)
            return state->objects[i]->gzip ? state->objects[i] : NULL;
    return NULL;
}

/* NULL without memory. */
static struct object *add_object(struct file_state *state, uint64_t slot)
{
    AUTO_FREE struct object *object = calloc(1, sizeof *object);
    if (!object || gzip_writer_new(&object->gzip) < 0)
        return NULL;
    object->slot = slot;
    object->plain = BUF_INIT(PIECE_MAX);
    object->packed = BUF_INIT(OBJECT_MAX);
    if (!state->json) {
        format_print_header(&state->format, &object->plain);
        buf_char(&object->plain, '\n');
    }
    state->objects[state->count++] = object;
    return TAKE(object);
}

static int pack_plain(struct object *object, bool last, struct fault *fault)
{
    int r = object->plain.failed ? -ENOMEM : 0;
    if (r == 0)
        r = gzip_writer_add(object->gzip, object->plain.data, object->plain.len, last, &object->packed);
    if (r < 0)
        return fault_set(fault, r, "no memory for an object of %zu compressed bytes", object->packed.len);
    buf_clear(&object->plain);
    if (last) {
        gzip_writer_free(TAKE(object->gzip));
        buf_done(&object->plain);
    }
    return 0;
}

static int file_add(void *opaque, const struct record *record, struct fault *fault)
{
    struct file_state *state = opaque;
    const struct value *end = &record->values[FIELD_END];
    uint64_t second = end->kind == VALUE_NUMBER ? end->number : state->window;
    uint64_t slot = second - second % SLOT_SECONDS;
    struct object *object = find_object(state, slot);
    if (!object && state->count == OBJECTS_MAX)
        return fault_set(fault, -EFBIG, "flow log %s: one window fills more than %d objects", state->id,
                         OBJECTS_MAX);
    if (!object)
        object = add_object(state, slot);
    if (!object)
        return fault_set(fault, -ENOMEM, "out of memory");
    if (state->json)
        record_write_json(&object->plain, &state->format, record);
    else
        record_write_text(&object->plain, &state->format, record);
    if (object->plain.len < PIECE_LEN && !object->plain.failed)
        return 0;
    return pack_plain(object, object->packed.len >= OBJECT_FULL, fault);
}

/* The folder with a slash behind it (delivery.md 2.2). -ERANGE for a time no calendar has. */
static int print_folder(const struct file_state *state, uint64_t slot, char path[PATH_MAX])
{
    time_t seconds = (time_t)slot;
    struct tm utc;
    char day[64];
    if (!gmtime_r(&seconds, &utc))
        return -ERANGE;
    const size_t room = sizeof day;
    size_t len = state->hive ? strftime(day, room, "year=%Y/month=%m/day=%d/", &utc)
                             : strftime(day, room, "%Y/%m/%d/", &utc);
    if (state->hourly)
        (void)strftime(day + len, room - len, state->hive ? "hour=%H/" : "%H/", &utc);
    int total = snprintf(path, PATH_MAX, "%s/%s", state->prefix, day);
    return total < PATH_MAX ? total : -ENAMETOOLONG;
}

/* delivery.md 2.3. `salt` gives a name taken by other bytes a successor. */
static int print_path(const struct file_state *state, uint64_t slot, uint64_t salt, char path[PATH_MAX])
{
    const uint64_t parts[] = {state->origin, state->window, slot, state->sequence, salt};
    uint64_t hash = hash_bytes(parts, sizeof parts, hash_bytes(state->id, strlen(state->id), 0));
    time_t seconds = (time_t)slot;
    struct tm utc;
    char minute[32];
    int len = print_folder(state, slot, path);
    if (len < 0)
        return len;
    if (!gmtime_r(&seconds, &utc) || !strftime(minute, sizeof minute, "%Y%m%dT%H%MZ", &utc))
        return -ERANGE;
    size_t room = PATH_MAX - (size_t)len;
    int more = snprintf(path + len, room, "%s_%s_%08x.%s", state->name, minute, (uint32_t)hash,
                        state->json ? "json.gz" : "log.gz");
    return (size_t)more < room ? 0 : -ENAMETOOLONG;
}

static int write_synced(const char *path, const struct buf *data)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int r = file_write_all(fd, data->data, data->len);
    return r == 0 && fsync(fd) < 0 ? -errno : r;
}

/*
 * Writes the object under its temporary name. That is the same for every batch, so that a crash leaves no
 * more than a few behind, which the folder's next batch writes over.
 */
static int stage_object(struct file_state *state, unsigned index, struct fault *fault)
{
    struct object *object = state->objects[index];
    char path[PATH_MAX];
    int len = print_folder(state, object->slot, path);
    if (len < 0)
        return fault_set(fault, len, "%s: no folder for time %llu: %s", state->prefix,
                         (unsigned long long)object->slot, strerror(-len));
    int r = file_make_folders(path, 0755, fault);
    if (r < 0)
        return r;
    size_t room = sizeof path - (size_t)len;
    int more =
        snprintf(path + len, room, ".%s_%016llx_%u.tmp", state->id, (unsigned long long)state->origin, index);
    if ((size_t)more >= room)
        return fault_set(fault, -ENAMETOOLONG, "%s: path too long", path);
    memcpy(object->aside, path, sizeof path);
    r = write_synced(path, &object->packed);
    if (r < 0)
        return fault_set(fault, r, "%s: cannot write: %s", path, strerror(-r));
    return 0;
}

/* 1 when the file holds just these bytes, 0 when others. */
static int compare_file(const char *path, const struct buf *data, struct fault *fault)
{
    struct stat found;
    if (stat(path, &found) < 0)
        return fault_set(fault, -errno, "%s: cannot read: %s", path, strerror(errno));
    if (!S_ISREG(found.st_mode) || (uint64_t)found.st_size != data->len)
        return 0;
    AUTO_BUF struct buf there = BUF_INIT(data->len);
    int r = file_read(path, &there, fault);
    if (r < 0)
        return r == -EFBIG ? 0 : r;
    return there.len == data->len && memcmp(there.data, data->data, data->len) == 0;
}

/* Renames, but never over another file. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    /* A file system without that flag, such as NFS. */
    if (link(from, to) < 0)
        return -errno;
    (void)unlink(from);
    return 0;
}

/*
 * Gives the object its name: the first of its names that is free, or that has these bytes already because the
 * batch comes again. Returns 1 when the object is new.
 */
static int publish_object(struct file_state *state, struct object *object, struct fault *fault)
{
    char path[PATH_MAX];
    for (unsigned salt = 0; salt < SALTS_MAX; salt++) {
        int r = print_path(state, object->slot, salt, path);
        if (r == 0)
            r = rename_new(object->aside, path);
        if (r < 0 && r != -EEXIST)
            return fault_set(fault, r, "%s: cannot create: %s", path, strerror(-r));
        bool is_new = r == 0;
        int same = is_new ? 1 : compare_file(path, &object->packed, fault);
        if (same < 0)
            return same;
        if (!same)
            continue;
        if (is_new)
            object->aside[0] = '\0';
        file_sync_folder_of(path);
        memcpy(state->last_object, path, sizeof path);
        return is_new;
    }
    return fault_set(fault, -EEXIST, "%s: this and %d other names are taken by other objects", path,
                     SALTS_MAX - 1);
}

/* Every object is on the disk before the first gets its name: a full disk leaves nothing of the batch. */
static int publish_batch(struct file_state *state, uint64_t *objects, struct fault *fault)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < state->count; i++) {
        if (state->objects[i]->gzip)
            r = pack_plain(state->objects[i], true, fault);
        if (r == 0)
            r = stage_object(state, i, fault);
    }
    for (unsigned i = 0; r >= 0 && i < state->count; i++) {
        r = publish_object(state, state->objects[i], fault);
        if (r > 0)
            (*objects)++;
    }
    return r < 0 ? r : 0;
}

static int file_commit(void *opaque, uint64_t *objects, struct fault *fault)
{
    struct file_state *state = opaque;
    *objects = 0;
    int r = publish_batch(state, objects, fault);
    file_abandon(state);
    return r;
}

static const char *file_last_object(const void *opaque)
{
    const struct file_state *state = opaque;
    return state->last_object;
}

const struct destination_driver deliver_file_driver = {
    .open = file_open,
    .close = file_close,
    .begin = file_begin,
    .add = file_add,
    .commit = file_commit,
    .abandon = file_abandon,
    .last_object = file_last_object,
};
