/* SPDX-License-Identifier: Apache-2.0 */
#include "store/import_journal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/num.h"
#include "store/dataset.h"

#define JOURNAL "imports"
#define LOCK "import.lock"
#define JOURNAL_MAX (4UL << 30)
#define NAME_MAX_SHOWN 1024
#define HEX_LEN 16

/* Open addressing; a slot of zeros is free. */
struct slot {
    struct source_identity identity;
    bool written;
};

struct import_journal {
    int fd;
    int lock;
    char path[PATH_MAX];
    struct slot *slots;
    size_t slot_count; /* a power of two */
    size_t used;
};

static struct slot *find(const struct import_journal *journal, const struct source_identity *identity)
{
    size_t mask = journal->slot_count - 1;
    size_t at = identity->low & mask;
    while ((journal->slots[at].identity.high || journal->slots[at].identity.low) &&
           (journal->slots[at].identity.high != identity->high ||
            journal->slots[at].identity.low != identity->low))
        at = (at + 1) & mask;
    return &journal->slots[at];
}

static bool is_free(const struct slot *slot)
{
    return !slot->identity.high && !slot->identity.low;
}

static int grow(struct import_journal *journal)
{
    struct import_journal larger = {.slot_count = journal->slot_count ? 2 * journal->slot_count : 1024};
    larger.slots = calloc(larger.slot_count, sizeof *larger.slots);
    if (!larger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < journal->slot_count; i++)
        if (!is_free(&journal->slots[i]))
            *find(&larger, &journal->slots[i].identity) = journal->slots[i];
    free(journal->slots);
    journal->slots = larger.slots;
    journal->slot_count = larger.slot_count;
    return 0;
}

static int note(struct import_journal *journal, const struct source_identity *identity, bool written,
                bool *ret_new)
{
    if (2 * journal->used >= journal->slot_count && grow(journal) < 0)
        return -ENOMEM;
    struct slot *slot = find(journal, identity);
    *ret_new = is_free(slot);
    journal->used += *ret_new;
    slot->identity = *identity;
    slot->written |= written;
    return 0;
}

bool import_journal_has(const struct import_journal *journal, const struct source_identity *identity)
{
    return journal->slot_count && !is_free(find(journal, identity));
}

bool import_journal_is_written(const struct import_journal *journal, const struct source_identity *identity)
{
    return journal->slot_count && find(journal, identity)->written;
}

int import_journal_claim(struct import_journal *journal, const struct source_identity *identity,
                         bool *ret_new)
{
    return note(journal, identity, false, ret_new);
}

/* "HEX32 RECORDS BAD NAME"; the rest of a line is for people. */
static bool parse_line(const char *line, size_t len, struct source_identity *ret)
{
    return len > 2 * HEX_LEN && line[2 * HEX_LEN] == ' ' && num_parse_hex(line, HEX_LEN, &ret->high) &&
           num_parse_hex(line + HEX_LEN, HEX_LEN, &ret->low) && (ret->high || ret->low);
}

/* A line without an end was never finished: what it stands for was not committed to by it. */
static int load(struct import_journal *journal, struct fault *fault)
{
    AUTO_BUF struct buf text = BUF_INIT(JOURNAL_MAX);
    int r = file_read(journal->path, &text, fault);
    size_t begin = 0;
    for (size_t line = 1; r == 0 && begin < text.len; line++) {
        const char *end = memchr(text.data + begin, '\n', text.len - begin);
        struct source_identity identity;
        bool is_new;
        if (!end)
            break;
        if (!parse_line(text.data + begin, (size_t)(end - text.data) - begin, &identity))
            return fault_set(fault, -EBADMSG, "%s:%zu: damaged; without it nobody knows what was imported",
                             journal->path, line);
        if (note(journal, &identity, true, &is_new) < 0)
            return fault_set(fault, -ENOMEM, "out of memory");
        begin = (size_t)(end + 1 - text.data);
    }
    if (r == 0 && begin < text.len && ftruncate(journal->fd, (off_t)begin) < 0)
        r = fault_set(fault, -errno, "%s: cannot write: %s", journal->path, strerror(errno));
    return r;
}

static int take_lock(struct import_journal *journal, const char *store, void (*waiting)(void *userdata),
                     void *userdata, struct fault *fault)
{
    char path[PATH_MAX];
    if (dataset_print_own(path, store, LOCK) < 0)
        return fault_set(fault, -ENAMETOOLONG, "%s: path too long", store);
    journal->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (journal->lock < 0)
        return fault_set(fault, -errno, "%s: cannot create: %s", path, strerror(errno));
    if (flock(journal->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (waiting)
        waiting(userdata);
    return flock(journal->lock, LOCK_EX) == 0
               ? 0
               : fault_set(fault, -errno, "%s: cannot lock: %s", path, strerror(errno));
}

static int open_journal(struct import_journal *journal, const char *store, struct fault *fault)
{
    if (dataset_print_own(journal->path, store, JOURNAL) < 0)
        return fault_set(fault, -ENAMETOOLONG, "%s: path too long", store);
    journal->fd = open(journal->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (journal->fd < 0)
        return fault_set(fault, -errno, "%s: cannot create: %s", journal->path, strerror(errno));
    file_sync_folder_of(journal->path);
    return load(journal, fault);
}

int import_journal_open(struct import_journal **ret, const char *store, void (*waiting)(void *userdata),
                        void *userdata, struct fault *fault)
{
    struct import_journal *journal = calloc(1, sizeof *journal);
    if (!journal)
        return fault_set(fault, -ENOMEM, "out of memory");
    journal->fd = journal->lock = -1;
    int r = take_lock(journal, store, waiting, userdata, fault);
    if (r == 0)
        r = open_journal(journal, store, fault);
    if (r < 0) {
        import_journal_close(journal);
        return r;
    }
    *ret = journal;
    return 0;
}

void import_journal_close(struct import_journal *journal)
{
    if (!journal)
        return;
    cleanup_close(&journal->fd);
    cleanup_close(&journal->lock);
    free(journal->slots);
    free(journal);
}

static void print_entry(struct buf *text, const struct import_entry *entry)
{
    for (size_t i = 0; i < entry->also_count; i++)
        buf_printf(text, "%016" PRIx64 "%016" PRIx64 " 0 0 -\n", entry->also[i].high, entry->also[i].low);
    buf_printf(text, "%016" PRIx64 "%016" PRIx64 " %" PRIu64 " %" PRIu64 " ", entry->identity.high,
               entry->identity.low, entry->records, entry->bad_lines);
    for (size_t i = 0; i < NAME_MAX_SHOWN && entry->name[i]; i++)
        buf_char(text, iscntrl((unsigned char)entry->name[i]) ? '?' : entry->name[i]);
    buf_char(text, '\n');
}

static int note_entry(struct import_journal *journal, const struct import_entry *entry)
{
    bool is_new;
    int r = note(journal, &entry->identity, true, &is_new);
    for (size_t i = 0; r == 0 && i < entry->also_count; i++)
        r = note(journal, &entry->also[i], true, &is_new);
    return r;
}

int import_journal_append(struct import_journal *journal, const struct import_entry *entries, size_t count,
                          struct fault *fault)
{
    AUTO_BUF struct buf text = BUF_INIT(1UL << 30);
    off_t begin = lseek(journal->fd, 0, SEEK_END);
    for (size_t i = 0; i < count; i++)
        print_entry(&text, &entries[i]);
    int r = text.failed ? -ENOMEM : file_write_all(journal->fd, text.data, text.len);
    if (r == 0 && fdatasync(journal->fd) < 0)
        r = -errno;
    if (r < 0) {
        (void)!ftruncate(journal->fd, begin); /* else the next line would go on with half of this one */
        return fault_set(fault, r, "%s: cannot write: %s", journal->path, strerror(-r));
    }
    for (size_t i = 0; r == 0 && i < count; i++)
        r = note_entry(journal, &entries[i]);
    return r < 0 ? fault_set(fault, r, "out of memory") : 0;
}
