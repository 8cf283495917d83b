/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/ledger.h"

#include <stdlib.h>
#include <string.h>

void ledger_done(struct ledger *ledger)
{
    free(ledger->rows);
    *ledger = (struct ledger){0};
}

struct ledger_row *ledger_find(const struct ledger *ledger, uint32_t window, uint16_t interface)
{
    for (size_t i = ledger->count; i-- > 0;)
        if (ledger->rows[i].window == window && ledger->rows[i].interface == interface)
            return &ledger->rows[i];
    return NULL;
}

struct ledger_row *ledger_row(struct ledger *ledger, uint32_t window, uint16_t interface)
{
    struct ledger_row *found = ledger_find(ledger, window, interface);
    if (found)
        return found;
    if (ledger->count == ledger->capacity) {
        size_t capacity = ledger->capacity ? ledger->capacity * 2 : 64;
        struct ledger_row *rows = reallocarray(ledger->rows, capacity, sizeof *rows);
        if (!rows)
            return NULL;
        ledger->rows = rows;
        ledger->capacity = capacity;
    }
    struct ledger_row *row = &ledger->rows[ledger->count++];
    *row = (struct ledger_row){.window = window, .interface = interface};
    return row;
}

void ledger_forget(struct ledger *ledger, uint32_t window)
{
    size_t kept = 0;
    for (size_t i = 0; i < ledger->count; i++)
        if (ledger->rows[i].window >= window)
            ledger->rows[kept++] = ledger->rows[i];
    ledger->count = kept;
}

void ledger_add_account(struct ledger_row *row, const struct account *account)
{
    for (unsigned i = 0; i < FLOW_DIRECTIONS; i++) {
        const struct account_side *from = &account->side[i];
        struct ledger_side *to = &row->side[i];
        to->seen += from->packets;
        to->not_ip += from->not_ip;
        to->malformed += from->malformed;
        to->added += from->added;
        to->lost_full += from->lost_full;
        to->lost_busy += from->lost_busy;
        to->discarded += from->discarded;
    }
    row->balanced = true;
}

void ledger_add_side(struct ledger_side *to, const struct ledger_side *from)
{
    to->seen += from->seen;
    to->recorded += from->recorded;
    to->excluded += from->excluded;
    to->not_ip += from->not_ip;
    to->malformed += from->malformed;
    to->added += from->added;
    to->lost_full += from->lost_full;
    to->lost_busy += from->lost_busy;
    to->lost_memory += from->lost_memory;
    to->unmatched += from->unmatched;
    to->discarded += from->discarded;
}

static bool is_reason(const struct ledger_reason *reason, const struct discard_key *key)
{
    return reason->reason == key->reason && reason->direction == key->direction;
}

void ledger_add_discards(struct ledger_row *row, const struct discard_key *key, uint64_t packets)
{
    for (unsigned i = 0; i < LEDGER_REASONS; i++) {
        struct ledger_reason *reason = &row->reasons[i];
        if (reason->packets && !is_reason(reason, key))
            continue;
        reason->reason = key->reason;
        reason->direction = key->direction;
        reason->packets += packets;
        return;
    }
}

int64_t ledger_difference(const struct ledger_side *side)
{
    return (int64_t)(side->seen - side->recorded - side->excluded - side->not_ip - side->malformed -
                     side->lost_full - side->lost_busy - side->lost_memory);
}

void ledger_add_lost(const struct ledger_row *row, uint32_t interval, uint64_t to[static LOST_CAUSES])
{
    for (unsigned i = 0; i < FLOW_DIRECTIONS; i++) {
        to[LOST_MAP_FULL] += row->side[i].lost_full;
        to[LOST_MAP_BUSY] += row->side[i].lost_busy;
        to[LOST_NO_MEMORY] += row->side[i].lost_memory;
    }
    if (interval > WINDOW_SECONDS)
        to[LOST_NO_MEMORY] += row->lost_long;
}

uint64_t ledger_lost(const struct ledger_row *row, uint32_t interval)
{
    uint64_t by_cause[LOST_CAUSES] = {0};
    uint64_t lost = 0;
    ledger_add_lost(row, interval, by_cause);
    for (unsigned i = 0; i < LOST_CAUSES; i++)
        lost += by_cause[i];
    return lost;
}

uint64_t ledger_ip_packets(const struct ledger_row *row)
{
    uint64_t packets = 0;
    for (unsigned i = 0; i < FLOW_DIRECTIONS; i++)
        packets += row->side[i].seen - row->side[i].not_ip - row->side[i].malformed;
    return packets;
}
