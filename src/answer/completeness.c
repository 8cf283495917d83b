/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/completeness.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "bpf/parse.h"

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
        const struct witness *witness = diagnosis_witness(found, interface->interface_id);
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

/* Amazon's services next to each interface: metadata, DNS, time, Windows licences (record.md 8). */
static bool is_beside(const struct party *party)
{
    static const uint8_t hosts[] = {123, 250, 251, 253, 254};
    if (party->is_id || party->blocks.count != 1)
        return false;
    const struct address_block *block = &party->blocks.items[0];
    const uint8_t *bytes = block->base.bytes;
    if (block->base.family == 6)
        return block->prefix >= 32 && memcmp(bytes, (const uint8_t[]){0xfd, 0, 0x0e, 0xc2}, 4) == 0;
    return block->prefix == 32 && memcmp(bytes + 12, (const uint8_t[]){169, 254, 169}, 3) == 0 &&
           memchr(hosts, bytes[15], sizeof hosts);
}

/* The VPC's own resolver is the third address of its first block. */
static bool is_resolver(const struct policy *policy, const struct party *party)
{
    if (!policy || party->is_id || party->blocks.count != 1 || party->blocks.items[0].prefix != 32)
        return false;
    for (size_t i = 0; i < policy->vpcs.count; i++) {
        const struct policy_vpc *vpc = &policy->vpcs.items[i];
        if (vpc->blocks.count == 0 || vpc->blocks.items[0].base.family != 4)
            continue;
        struct address third = vpc->blocks.items[0].base;
        third.bytes[15] = (uint8_t)(third.bytes[15] + 2);
        if (address_equal(&third, &party->blocks.items[0].base))
            return true;
    }
    return false;
}

/* What AWS leaves out of every flow log, so that there is none of it proves nothing. */
static bool is_never_recorded(const struct question *question, const struct policy *policy)
{
    static const int dhcp[] = {67, 68, 546, 547};
    bool is_udp = question->protocol == PROTOCOL_UDP;
    bool is_dhcp = false;
    for (size_t i = 0; i < ARRAY_SIZE(dhcp); i++)
        is_dhcp |= is_udp && question->port == dhcp[i];
    return is_dhcp || is_beside(&question->source) || is_beside(&question->destination) ||
           (question->port == 53 && is_resolver(policy, &question->destination));
}

int completeness_weigh(struct diagnosis *found, const struct question *question,
                       const struct diagnose_options *options)
{
    const struct capture_ledger *ledger = options->ledger;
    size_t concerned;
    found->complete = true;
    if (found->conversations == 0 && is_never_recorded(question, options->policy))
        miss(found, "AWS records no traffic with its own metadata, DNS, time and licence services, nor DHCP");
    if (weigh_records(found, question, &concerned) < 0 ||
        (ledger && weigh_ledger(found, question, ledger) < 0))
        return -ENOMEM;
    if (concerned == 0)
        miss(found, "no record in the time asked for is of an interface at either end");
    else if (found->not_held)
        miss(found, "there are more records of this traffic than were looked at");
    return 0;
}
