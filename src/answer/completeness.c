/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/completeness.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void capture_ledger_done(struct capture_ledger *ledger)
{
    for (size_t i = 0; i < ledger->interfaces.count; i++) {
        free(ledger->interfaces.items[i].own.items);
        free(ledger->interfaces.items[i].windows.items);
    }
    free(ledger->interfaces.items);
}

static bool has_any(const struct question *question, const struct address *own, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (party_has(&question->source, &own[i]) || party_has(&question->destination, &own[i]))
            return true;
    return false;
}

/* Whether the interface is one that should have seen the traffic. */
static bool is_concerned(const struct question *question, const struct witness *witness)
{
    if (witness->is_source || witness->is_destination ||
        has_any(question, witness->own.items, witness->own.count))
        return true;
    /* Where nobody knows whose records were lost, they may be those. */
    return witness->skipdata > 0 && (witness->own.count == 0 || witness->own.count >= WITNESS_OWN_MAX);
}

static void miss(struct diagnosis *found, const char *why)
{
    found->complete = false;
    found->incomplete = why;
}

/* By the records themselves; `ret_concerned` is how many interfaces should have seen it. */
static int weigh_records(struct diagnosis *found, const struct question *question, size_t *ret_concerned)
{
    uint64_t rejected = 0;
    uint64_t accepted = 0;
    *ret_concerned = 0;
    for (size_t i = 0; i < found->witnesses.count; i++) {
        const struct witness *witness = &found->witnesses.items[i];
        if (!is_concerned(question, witness) || witness->records == 0)
            continue;
        ++*ret_concerned;
        accepted += witness->accepted;
        rejected += witness->records - witness->accepted - witness->nodata - witness->skipdata;
        if (witness->skipdata == 0)
            continue;
        miss(found, "records of an interface that should have seen the traffic were lost (SKIPDATA)");
        if (diagnosis_tell(found, 0, 0,
                           "%s lost records in %" PRIu64
                           " interval%s (SKIPDATA); packets known to be lost: %" PRIu64 ".",
                           witness->interface_id, witness->skipdata, witness->skipdata > 1 ? "s" : "",
                           witness->lost_packets) < 0)
            return -ENOMEM;
    }
    if (found->conversations == 0 && accepted == 0 && rejected > 0)
        miss(found,
             "whatever the interfaces that should have seen the traffic recorded is REJECT: a flow log of "
             "rejected traffic alone does not hold what was accepted");
    return 0;
}

static const struct witness *witness_of(const struct diagnosis *found, const char *interface_id)
{
    for (size_t i = 0; i < found->witnesses.count; i++)
        if (strcmp(found->witnesses.items[i].interface_id, interface_id) == 0)
            return &found->witnesses.items[i];
    return NULL;
}

/* Addresses alone make it the one asked about only where the records are the daemon's: another network may
 * use the same ones. */
static bool is_meant(const struct question *question, const struct capture_ledger *ledger,
                     const struct ledger_interface *interface, const struct witness *witness)
{
    if (witness && witness->records && is_concerned(question, witness))
        return true;
    return strcmp(question->source.text, interface->interface_id) == 0 ||
           strcmp(question->destination.text, interface->interface_id) == 0 ||
           (ledger->of_records && has_any(question, interface->own.items, interface->own.count));
}

/* Of records from elsewhere nobody knows what time they are to cover: that in which there are some. */
static bool is_covered(const struct question *question, const struct capture_ledger *ledger,
                       const struct witness *witness, const struct ledger_window *window)
{
    if (window->start_s > question->until_s || window->end_s < question->since_s)
        return false;
    return ledger->of_records ||
           (witness && window->start_s <= witness->last_s && window->end_s >= witness->first_s);
}

static struct ledger_gap sum_up(const struct question *question, const struct capture_ledger *ledger,
                                const struct ledger_interface *interface, const struct witness *witness)
{
    struct ledger_gap gap = {.attached = interface->attached};
    memcpy(gap.interface_id, interface->interface_id, sizeof gap.interface_id);
    for (size_t i = 0; i < interface->windows.count; i++) {
        const struct ledger_window *window = &interface->windows.items[i];
        if (!is_covered(question, ledger, witness, window))
            continue;
        gap.windows++;
        gap.lost_packets += window->lost;
        gap.lost_windows += window->lost > 0;
        if (window->packets > 0 && window->start_s > (witness ? witness->last_s : 0)) {
            gap.awaited_s = gap.awaited_packets ? gap.awaited_s : window->start_s;
            gap.awaited_packets += window->packets;
        }
    }
    return gap;
}

static int tell_gap(struct diagnosis *found, const struct ledger_gap *gap, uint64_t known_lost, bool is_now)
{
    char since[CLOCK_TEXT_MAX];
    int r = 0;
    if (gap->lost_packets > known_lost) {
        miss(found, "packets of an interface that should have seen the traffic were lost before they were "
                    "recorded (the daemon's ledger)");
        r = diagnosis_tell(found, 0, 0,
                           "%s lost %" PRIu64 " packets in %" PRIu64
                           " interval%s, by the ledger of the daemon that captures it.",
                           gap->interface_id, gap->lost_packets, gap->lost_windows,
                           gap->lost_windows > 1 ? "s" : "");
    }
    if (r == 0 && gap->awaited_packets) {
        miss(found, "what an interface that should have seen the traffic has seen last is not in the records "
                    "yet");
        r = diagnosis_tell(found, 0, 0,
                           "%s has seen %" PRIu64
                           " packet%s since %s that are not in the records yet, by the "
                           "ledger of the daemon that captures it: ask again in a minute.",
                           gap->interface_id, gap->awaited_packets, gap->awaited_packets > 1 ? "s" : "",
                           clock_format_utc(since, gap->awaited_s));
    }
    if (r == 0 && !gap->attached && is_now) {
        miss(found, "an interface that should have seen the traffic is not captured now");
        r = diagnosis_tell(found, 0, 0, "%s is not captured now: flowlog status says why.",
                           gap->interface_id);
    }
    return r;
}

static int weigh_ledger(struct diagnosis *found, const struct question *question,
                        const struct capture_ledger *ledger)
{
    bool is_now = ledger->of_records && question->until_s >= ledger->now_s;
    for (size_t i = 0; i < ledger->interfaces.count; i++) {
        const struct ledger_interface *interface = &ledger->interfaces.items[i];
        const struct witness *witness = witness_of(found, interface->interface_id);
        if (!is_meant(question, ledger, interface, witness))
            continue;
        struct ledger_gap *gap = LIST_ADD(&found->ledger);
        if (!gap)
            return -ENOMEM;
        *gap = sum_up(question, ledger, interface, witness);
        if (tell_gap(found, gap, witness ? witness->lost_packets : 0, is_now) < 0)
            return -ENOMEM;
    }
    return 0;
}

int completeness_weigh(struct diagnosis *found, const struct question *question,
                       const struct capture_ledger *ledger)
{
    size_t concerned;
    found->complete = true;
    if (weigh_records(found, question, &concerned) < 0 ||
        (ledger && weigh_ledger(found, question, ledger) < 0))
        return -ENOMEM;
    if (concerned == 0)
        miss(found, "no record in the time asked for is of an interface at either end");
    else if (found->not_held)
        miss(found, "there are more records of this traffic than were looked at");
    return 0;
}
