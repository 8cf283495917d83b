/* SPDX-License-Identifier: Apache-2.0 */
#include "store/import_unit.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/num.h"
#include "store/dataset.h"

#define UNITS "import"
#define PART ".part"
#define COMMIT ".commit"
#define LIST "unit.json"
#define LIST_MAX (256UL << 20)

static int too_long(const char *store, struct fault *fault)
{
    return fault_set(fault, -ENAMETOOLONG, "%s: path too long", store);
}

static int join(char ret[static PATH_MAX], const char *folder, const char *name, struct fault *fault)
{
    return (size_t)snprintf(ret, PATH_MAX, "%s/%s", folder, name) < PATH_MAX ? 0 : too_long(folder, fault);
}

/* With all files in it, and no folders. */
static void remove_folder(const char *path)
{
    AUTO_CLOSEDIR DIR *entries = opendir(path);
    const struct dirent *entry;
    while (entries && (entry = readdir(entries)))
        (void)unlinkat(dirfd(entries), entry->d_name, 0);
    (void)rmdir(path);
}

int import_unit_begin(struct import_unit *ret, const char *store, const struct source_identity *inputs,
                      size_t count, struct fault *fault)
{
    char name[64];
    struct import_unit unit = {.id = hash_bytes(inputs, count * sizeof *inputs, 0)};
    (void)snprintf(name, sizeof name, UNITS "/%016" PRIx64 PART, unit.id);
    if (dataset_print_own(unit.folder, store, name) < 0)
        return too_long(store, fault);
    remove_folder(unit.folder);
    int r = file_make_folders(unit.folder, 0755, fault);
    if (r == 0)
        *ret = unit;
    return r;
}

void import_unit_abandon(const struct import_unit *unit)
{
    remove_folder(unit->folder);
}

#define HEX_MAX 40
#define HEX_DIGITS 16 /* of each half */

static void print_identity(char to[static HEX_MAX], const struct source_identity *identity)
{
    (void)snprintf(to, HEX_MAX, "%016" PRIx64 "%016" PRIx64, identity->high, identity->low);
}

static json_t *print_also(const struct import_entry *entry)
{
    json_t *list = json_array();
    for (size_t i = 0; i < entry->also_count; i++) {
        char id[HEX_MAX];
        print_identity(id, &entry->also[i]);
        json_array_append_new(list, json_string(id));
    }
    return list;
}

static json_t *print_inputs(const struct import_entry *entries, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char id[HEX_MAX];
        print_identity(id, &entries[i].identity);
        json_t *name = json_string(entries[i].name);
        json_array_append_new(
            list, json_pack("{s:s, s:o, s:I, s:I, s:o}", "id", id, "also", print_also(&entries[i]), "records",
                            (json_int_t)entries[i].records, "bad-lines", (json_int_t)entries[i].bad_lines,
                            "name", name ? name : json_string("?")));
    }
    return list;
}

static json_t *print_files(const struct partition_file *files, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "made", files[i].made, "key", files[i].key));
    return list;
}

static int write_list(const char *folder, const struct import_entry *entries, size_t entry_count,
                      const struct partition_file *files, size_t file_count, struct fault *fault)
{
    char path[PATH_MAX];
    json_t *document = json_pack("{s:i, s:o, s:o}", "flowlog-import", 1, "inputs",
                                 print_inputs(entries, entry_count), "files", print_files(files, file_count));
    AUTO_FREE char *text = document ? json_dumps(document, JSON_INDENT(1)) : NULL;
    json_decref(document);
    if (!text)
        return fault_set(fault, -ENOMEM, "out of memory");
    int r = join(path, folder, LIST, fault);
    return r < 0 ? r : file_replace(path, text, strlen(text), fault);
}

/* Names what was made; it may have its name already. A file that is not there any more had it before. */
static int place_file(const char *folder, const char *store, const json_t *file, struct fault *fault)
{
    char made[PATH_MAX];
    char path[PATH_MAX];
    char parent[PATH_MAX];
    const char *name = json_string_value(json_object_get(file, "made"));
    const char *key = json_string_value(json_object_get(file, "key"));
    if (!name || !key || strchr(name, '/') || strstr(key, "..") || !strchr(key, '/'))
        return fault_set(fault, -EBADMSG, "%s/" LIST ": damaged", folder);
    int r = join(made, folder, name, fault);
    if (r == 0)
        r = join(path, store, key, fault);
    if (r < 0)
        return r;
    memcpy(parent, path, sizeof parent);
    *strrchr(parent, '/') = '\0';
    /* The store's upkeep may remove the folder, as long as it is empty. */
    do {
        r = file_make_folders(parent, 0755, fault);
        if (r < 0)
            return r;
    } while (link(made, path) < 0 && errno == ENOENT && access(made, F_OK) == 0);
    if (access(path, F_OK) < 0 && access(made, F_OK) == 0)
        return fault_set(fault, -EIO, "%s: cannot create: %s", path, strerror(errno));
    file_sync_folder_of(path);
    return 0;
}

static int place_files(const char *folder, const char *store, const json_t *document, struct fault *fault)
{
    size_t i;
    const json_t *file;
    json_array_foreach(json_object_get(document, "files"), i, file)
    {
        int r = place_file(folder, store, file, fault);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool parse_identity(const char *text, struct source_identity *ret)
{
    return text && strlen(text) == 2 * HEX_DIGITS && num_parse_hex(text, HEX_DIGITS, &ret->high) &&
           num_parse_hex(text + HEX_DIGITS, HEX_DIGITS, &ret->low);
}

/* Owned. A list that is not there is an empty one. */
static int parse_also(const json_t *list, struct source_identity **ret, size_t *ret_count)
{
    struct source_identity *also = calloc(json_array_size(list) + 1, sizeof *also);
    size_t i;
    const json_t *text;
    bool right = true;
    if (!also)
        return -ENOMEM;
    json_array_foreach(list, i, text)
    {
        right = right && parse_identity(json_string_value(text), &also[i]);
    }
    if (!right) {
        free(also);
        return -EBADMSG;
    }
    *ret = also;
    *ret_count = json_array_size(list);
    return 0;
}

/* `also` of the entry is owned. */
static int parse_input(const json_t *input, struct import_entry *ret)
{
    struct source_identity *also = NULL;
    struct import_entry entry = {
        .records = (uint64_t)json_integer_value(json_object_get(input, "records")),
        .bad_lines = (uint64_t)json_integer_value(json_object_get(input, "bad-lines")),
        .name = json_string_value(json_object_get(input, "name")),
    };
    if (!parse_identity(json_string_value(json_object_get(input, "id")), &entry.identity) || !entry.name)
        return -EBADMSG;
    int r = parse_also(json_object_get(input, "also"), &also, &entry.also_count);
    entry.also = also;
    if (r == 0)
        *ret = entry;
    return r;
}

/* What is on the disk already, as the end came behind it, is not noted twice. */
static int note_inputs(const char *folder, const json_t *document, struct import_journal *journal,
                       struct fault *fault)
{
    const json_t *inputs = json_object_get(document, "inputs");
    AUTO_FREE struct import_entry *entries = calloc(json_array_size(inputs) + 1, sizeof *entries);
    size_t count = 0;
    size_t i;
    const json_t *input;
    int r = entries ? 0 : -ENOMEM;
    json_array_foreach(inputs, i, input)
    {
        if (r == 0)
            r = parse_input(input, &entries[count]);
        if (r == 0 && import_journal_is_written(journal, &entries[count].identity))
            free((void *)entries[count].also);
        else
            count += r == 0;
    }
    if (r < 0)
        r = fault_set(fault, r, "%s/" LIST ": %s", folder, r == -ENOMEM ? "out of memory" : "damaged");
    else if (count)
        r = import_journal_append(journal, entries, count, fault);
    for (i = 0; i < count; i++)
        free((void *)entries[i].also);
    return r;
}

/* From the rename on; may be done again. */
static int finish(const char *folder, const char *store, struct import_journal *journal, struct fault *fault)
{
    char path[PATH_MAX];
    AUTO_BUF struct buf text = BUF_INIT(LIST_MAX);
    int r = join(path, folder, LIST, fault);
    if (r == 0)
        r = file_read(path, &text, fault);
    if (r == -ENOENT) { /* the last of the folder was being removed */
        remove_folder(folder);
        return 0;
    }
    if (r < 0)
        return r;
    json_t *document = json_loadb(text.data ? text.data : "", text.len, JSON_REJECT_DUPLICATES, NULL);
    r = document ? 0 : fault_set(fault, -EBADMSG, "%s: damaged", path);
    if (r == 0)
        r = place_files(folder, store, document, fault);
    if (r == 0)
        r = note_inputs(folder, document, journal, fault);
    json_decref(document);
    if (r < 0)
        return r;
    (void)unlink(path); /* first: without it the folder is done with */
    file_sync_folder_of(path);
    remove_folder(folder);
    return 0;
}

int import_unit_commit(const struct import_unit *unit, const char *store, struct import_journal *journal,
                       const struct import_entry *entries, size_t entry_count,
                       const struct partition_file *files, size_t file_count, struct fault *fault)
{
    char committed[PATH_MAX];
    size_t stem = strlen(unit->folder) - strlen(PART);
    if ((size_t)snprintf(committed, sizeof committed, "%.*s" COMMIT, (int)stem, unit->folder) >=
        sizeof committed)
        return too_long(store, fault);
    int r = write_list(unit->folder, entries, entry_count, files, file_count, fault);
    if (r < 0)
        return r;
    if (rename(unit->folder, committed) < 0)
        return fault_set(fault, -errno, "%s: cannot rename: %s", unit->folder, strerror(errno));
    file_sync_folder_of(committed);
    return finish(committed, store, journal, fault);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);
    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

int import_unit_recover(const char *store, struct import_journal *journal, struct fault *fault)
{
    char folder[PATH_MAX];
    char path[PATH_MAX];
    if (dataset_print_own(folder, store, UNITS) < 0)
        return too_long(store, fault);
    AUTO_CLOSEDIR DIR *entries = opendir(folder);
    const struct dirent *entry;
    int r = 0;
    while (r == 0 && entries && (entry = readdir(entries))) {
        r = join(path, folder, entry->d_name, fault);
        if (r == 0 && ends_with(entry->d_name, PART))
            remove_folder(path);
        if (r == 0 && ends_with(entry->d_name, COMMIT))
            r = finish(path, store, journal, fault);
    }
    return r;
}
