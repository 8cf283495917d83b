/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an import that ended at any moment, or a failing disk, may have left in a store: the journal of
 * inputs, then after a byte of zero the list of a unit that was committed. What the journal says is kept,
 * what is added to it is read again, going through the unit twice is the same as once, and nothing is made
 * outside the store.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "store/import_unit.h"

#include "harness.h"

#define PATH_ROOM 256
#define OWN "/store/.flowlog"
#define UNIT OWN "/import/00000000000000aa.commit"

static const struct source_identity added = {.high = 0x1234, .low = 0x5678};
static const struct source_identity also = {.high = 0x1234, .low = 0x9abc};

static void put(const char *folder, const char *name, const void *data, size_t size)
{
    char path[PATH_ROOM];
    (void)snprintf(path, sizeof path, "%s%s", folder, name);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && file_write_all(fd, data, size) == 0);
}

static bool is_there(const char *folder, const char *name)
{
    char path[PATH_ROOM];
    (void)snprintf(path, sizeof path, "%s%s", folder, name);
    return access(path, F_OK) == 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status;
    (void)type;
    (void)at;
    return remove(path);
}

/* The folder around the store holds that alone. */
static void check_surroundings(const char *folder)
{
    AUTO_CLOSEDIR DIR *entries = opendir(folder);
    const struct dirent *entry;
    require(entries != NULL);
    while ((entry = readdir(entries)))
        require(entry->d_name[0] == '.' || strcmp(entry->d_name, "store") == 0);
}

static struct import_journal *open_journal(const char *store)
{
    struct fault fault = {0};
    struct import_journal *journal;
    int r = import_journal_open(&journal, store, NULL, NULL, &fault);
    if (r == 0)
        return journal;
    require(r == -EBADMSG && strstr(fault.text, "imports:"));
    return NULL;
}

/* What the journal's whole lines begin with is known. */
static void check_known(const struct import_journal *journal, const char *text, size_t len)
{
    const char *end;
    for (; (end = memchr(text, '\n', len)); len -= (size_t)(end + 1 - text), text = end + 1) {
        struct source_identity identity;
        require(sscanf(text, "%16lx%16lx ", &identity.high, &identity.low) == 2);
        require(import_journal_has(journal, &identity) && import_journal_is_written(journal, &identity));
    }
}

static void add(const char *store, const char *name)
{
    struct fault fault = {0};
    const struct import_entry entry = {
        .identity = added, .records = 7, .name = name, .also = &also, .also_count = 1};
    struct import_journal *journal = open_journal(store);
    require(journal != NULL);
    require(import_journal_append(journal, &entry, 1, &fault) == 0);
    import_journal_close(journal);
    journal = open_journal(store);
    require(journal && import_journal_is_written(journal, &added) &&
            import_journal_is_written(journal, &also));
    import_journal_close(journal);
}

static void recover(const char *folder, const char *store)
{
    struct fault fault = {0};
    struct import_journal *journal = open_journal(store);
    require(journal != NULL);
    int r = import_unit_recover(store, journal, &fault);
    require(r <= 0 && (r == 0) == !is_there(folder, UNIT) && (r == 0 || fault.text[0]));
    require((import_unit_recover(store, journal, &fault) == 0) == (r == 0));
    import_journal_close(journal);
    check_surroundings(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[FOLDER_MAX];
    char path[PATH_ROOM];
    struct fault fault = {0};
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t len = zero ? (size_t)(zero - data) : size;
    make_folder(folder, "/dev/shm");
    (void)snprintf(path, sizeof path, "%s" UNIT, folder);
    require(file_make_folders(path, 0700, &fault) == 0);
    put(folder, OWN "/imports", data, len);
    put(folder, UNIT "/0.parquet", "PAR1", 4);
    put(folder, UNIT "/unit.json", zero ? zero + 1 : data, zero ? size - len - 1 : 0);
    (void)snprintf(path, sizeof path, "%s/store", folder);
    struct import_journal *journal = open_journal(path);
    if (journal) {
        check_known(journal, (const char *)data, len);
        import_journal_close(journal);
        AUTO_FREE char *name = strndup((const char *)data, size);
        add(path, name);
        recover(folder, path);
    }
    require(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
    return 0;
}
