/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a start takes up from a journal: whole notes with right checksums, of any kind and with any payload.
 * The input is a list of them: type, length (two bytes), payload. Afterwards the daemon closes its windows as
 * usual.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "daemon/daemon.h"

#include "harness.h"

bool __wrap_live_adopted(const struct live *live);

enum { NOTE_START = 1, NOTE_HEAD = 3, FLOWS_MAX = 64 };

static char folder[FOLDER_MAX];
static char path[sizeof folder + sizeof "/journal"];

/* No kernel takes part. */
bool __wrap_live_adopted(const struct live *live)
{
    return live == NULL;
}

static void remove_folder(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
}

static void make_place(void)
{
    if (path[0])
        return;
    make_folder(folder, "/dev/shm"); /* renames wait for a disk */
    (void)snprintf(path, sizeof path, "%s/journal", folder);
    (void)atexit(remove_folder);
}

static void write_journal(const uint8_t *data, size_t size)
{
    struct journal *journal;
    struct fault fault = {0};
    const uint64_t start[3] = {JOURNAL_VERSION, 1, 0};
    require(journal_open(&journal, path, 0, &fault) == 0);
    require(journal_append(journal, NOTE_START, start, sizeof start) == 0);
    while (size >= NOTE_HEAD) {
        size_t len = data[1] | (size_t)data[2] << 8;
        if (len > size - NOTE_HEAD)
            len = size - NOTE_HEAD;
        require(journal_append(journal, data[0], data + NOTE_HEAD, (uint32_t)len) == 0);
        data += NOTE_HEAD + len;
        size -= NOTE_HEAD + len;
    }
    journal_close(journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_place();
    write_journal(data, size);
    static struct daemon daemon;
    const struct daemon_options options = {.state = folder};
    struct fault fault = {0};
    uint32_t now = daemon_window_of(clock_wall_ns());
    daemon = (struct daemon){.options = &options, .closed_before = now};
    daemon.epoll = daemon.signals = daemon.ticks = daemon.clock_changes = -1;
    daemon.config.capture.max_flows = FLOWS_MAX;
    windows_init(&daemon.windows, FLOWS_MAX);
    if (recover_open(&daemon, &fault) == 0) {
        require(daemon.windows.count <= WINDOWS_OPEN_MAX);
        daemon_close_taken(&daemon, now + 2);
        require(daemon.closed_before == now + 2);
    }
    daemon_close(&daemon);
    return 0;
}
