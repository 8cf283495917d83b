/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/leaving.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "deliver/spool.h"

#define LEAVING_MAX 64 /* beyond it the oldest are not waited for */
#define MARK "deleted"
#define AT_ONCE_NS (20 * NS_PER_MS) /* for a delivery that has nothing to do */

struct leaving {
    struct leaving *next;
    struct delivery *delivery;
    char flow_log_id[32];
    char folder[PATH_MAX];
    bool deleted;
    bool cancelled;
    uint64_t deadline_ns;
};

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    return remove(path);
}

static void remove_folder(const char *folder)
{
    if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
        log_error("deliver", "%s: cannot remove: %s", folder, strerror(errno));
}

/* So that the next start knows, when this process does not come to it. */
static void mark_deleted(const char *folder)
{
    char path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/" MARK, folder);
    int fd AUTO_CLOSE = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        log_error("deliver", "%s: %s", path, strerror(errno));
}

static void count_given_up(struct leavings *leavings, const char *flow_log_id, const struct batch_sum *sum)
{
    if (!sum->records)
        return;
    batch_sum_add(&leavings->given_up, sum);
    log_error("deliver", "flow log %s was deleted: given up: %" PRIu64 " records, %" PRIu64 " packets",
              flow_log_id, sum->records, sum->packets);
}

static void cancel(struct leaving *leaving)
{
    if (!leaving->cancelled)
        delivery_cancel(leaving->delivery);
    leaving->cancelled = true;
}

/* Whether it has let go by then. */
static bool end(struct leavings *leavings, struct leaving *leaving, uint64_t deadline_ns)
{
    struct delivery_counts counts;
    delivery_counts(leaving->delivery,
                    &counts); /* a batch that is on its way may still arrive: told as lost */
    cancel(leaving);
    if (delivery_close(leaving->delivery, deadline_ns) < 0)
        return false;
    leaving->delivery = NULL;
    if (!leaving->deleted)
        return true;
    count_given_up(leavings, leaving->flow_log_id, &counts.waiting);
    remove_folder(leaving->folder);
    return true;
}

void leavings_add(struct leavings *leavings, struct delivery *delivery, const char *flow_log_id,
                  const char *folder, bool deleted)
{
    struct leaving *leaving = calloc(1, sizeof *leaving);
    uint64_t now_ns = clock_monotonic_ns();
    if (!leaving) { /* then it is waited for after all */
        (void)delivery_close(delivery, now_ns + 5 * NS_PER_S);
        return;
    }
    *leaving = (struct leaving){.delivery = delivery,
                                .deleted = deleted,
                                .deadline_ns = now_ns + (deleted ? LEAVING_PATIENCE_S * NS_PER_S : 0)};
    (void)snprintf(leaving->flow_log_id, sizeof leaving->flow_log_id, "%s", flow_log_id);
    (void)snprintf(leaving->folder, sizeof leaving->folder, "%s", folder);
    if (deleted)
        mark_deleted(folder);
    if (deleted && !delivery_is_done(delivery))
        delivery_flush(delivery);
    else if (end(leavings, leaving, now_ns + AT_ONCE_NS)) {
        free(leaving);
        return;
    }
    leaving->next = leavings->list;
    leavings->list = leaving;
}

void leavings_process(struct leavings *leavings)
{
    uint64_t now_ns = clock_monotonic_ns();
    size_t count = 0; /* the newest come first */
    struct leaving **at = &leavings->list;
    while (*at) {
        struct leaving *leaving = *at;
        bool due = now_ns >= leaving->deadline_ns || leaving->cancelled || ++count > LEAVING_MAX;
        if ((due || delivery_is_done(leaving->delivery)) && end(leavings, leaving, 0)) {
            *at = leaving->next;
            free(leaving);
        } else {
            at = &leaving->next;
        }
    }
}

int leavings_wait(struct leavings *leavings, const char *flow_log_id, uint64_t deadline_ns)
{
    for (struct leaving **at = &leavings->list; *at; at = &(*at)->next) {
        struct leaving *leaving = *at;
        if (strcmp(leaving->flow_log_id, flow_log_id) != 0)
            continue;
        if (!end(leavings, leaving, deadline_ns))
            return -ETIMEDOUT;
        *at = leaving->next;
        free(leaving);
        return 0;
    }
    return 0;
}

void leavings_close(struct leavings *leavings, uint64_t deadline_ns)
{
    for (struct leaving *leaving = leavings->list; leaving; leaving = leaving->next)
        cancel(leaving);
    while (leavings->list) {
        struct leaving *leaving = leavings->list;
        leavings->list = leaving->next;
        if (!end(leavings, leaving, deadline_ns))
            log_warning("deliver", "flow log %s: its destination does not answer; not waited for",
                        leaving->flow_log_id);
        free(leaving);
    }
}

static void say(void *context, enum log_level level, const char *text)
{
    log_line(level, "deliver", "%s", text);
}

static void sweep_one(struct leavings *leavings, const char *flow_log_id, const char *folder)
{
    const struct report report = {.say = say};
    struct spool *spool;
    if (spool_open(&spool, folder, &report, NULL) == 0) {
        const struct batch_sum sum = spool_sum(spool);
        spool_close(spool);
        count_given_up(leavings, flow_log_id, &sum);
    }
    remove_folder(folder);
}

void leavings_sweep(struct leavings *leavings, const char *spools)
{
    DIR *dir AUTO_CLOSEDIR = opendir(spools);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char folder[PATH_MAX];
        char mark[PATH_MAX + 16];
        if (snprintf(folder, sizeof folder, "%s/%s", spools, entry->d_name) >= (int)sizeof folder)
            continue;
        (void)snprintf(mark, sizeof mark, "%s/" MARK, folder);
        if (strncmp(entry->d_name, "fl-", 3) == 0 && access(mark, F_OK) == 0)
            sweep_one(leavings, entry->d_name, folder);
    }
}
