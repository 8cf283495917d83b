/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The ledger: per interface, window and direction, what became of every packet the kernel counted. It closes
 * when seen = recorded + excluded + not IP + malformed + lost. Units are wire packets throughout; a frame
 * that is no IP packet counts as one. Directions are the interface's own (tc's), whatever its role.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "bpf/wire.h"

#define LEDGER_WINDOWS 32 /* how many past windows are kept for status */
#define LEDGER_REASONS 8  /* discard reasons told apart per row; the rest is in `discarded` alone */

/* Why there is no record of packets that were seen. */
enum lost_cause {
    LOST_MAP_FULL,    /* no place in the kernel's map */
    LOST_MAP_BUSY,    /* the kernel's map did not take the update */
    LOST_NO_MEMORY,   /* drained, and no memory here to keep them */
    LOST_UNDELIVERED, /* recorded; the spool gave the records up, or the destination refused them */
    LOST_DAMAGED,     /* recorded, and the spool's file was damaged */
    LOST_CAUSES,
};

struct ledger_side {
    uint64_t seen;     /* at the hook, or added by the drop program before it */
    uint64_t recorded; /* in flows: ACCEPT and REJECT */
    uint64_t excluded; /* by configuration */
    uint64_t not_ip;
    uint64_t malformed;
    uint64_t added;       /* part of seen: rejected before the hook could count them */
    uint64_t lost_full;   /* LOST_MAP_FULL */
    uint64_t lost_busy;   /* LOST_MAP_BUSY */
    uint64_t lost_memory; /* LOST_NO_MEMORY */
    uint64_t unmatched;   /* rejects whose accepted twin was not found: left ACCEPT, no part of the balance */
    uint64_t discarded;   /* accepted, later discarded for no security reason; part of recorded */
};

struct ledger_row {
    uint32_t window; /* WINDOW_SECONDS since the epoch */
    uint16_t interface;
    bool balanced;      /* the kernel's account has arrived */
    uint64_t lost_long; /* recorded in this window, and no memory to keep them for the ten minutes as well */
    struct ledger_side side[FLOW_DIRECTIONS];
    struct ledger_reason {
        uint32_t reason; /* the kernel's number */
        uint32_t direction;
        uint64_t packets;
    } reasons[LEDGER_REASONS];
};

struct ledger {
    struct ledger_row *rows; /* owned; in order of windows */
    size_t count;
    size_t capacity;
};

void ledger_done(struct ledger *ledger);

/* The row, made if need be; NULL when memory ran out. Valid until the next call. */
struct ledger_row *ledger_row(struct ledger *ledger, uint32_t window, uint16_t interface);

/* The row, or NULL. */
struct ledger_row *ledger_find(const struct ledger *ledger, uint32_t window, uint16_t interface);

/* Forgets windows before `window`. */
void ledger_forget(struct ledger *ledger, uint32_t window);

void ledger_add_account(struct ledger_row *row, const struct account *account);
void ledger_add_discards(struct ledger_row *row, const struct discard_key *key, uint64_t packets);

void ledger_add_side(struct ledger_side *to, const struct ledger_side *from);

/* seen less everything accounted for; 0 when the side closes. */
int64_t ledger_difference(const struct ledger_side *side);

/* IP packets seen, whatever became of them. */
uint64_t ledger_ip_packets(const struct ledger_row *row);

/* Adds the packets of the row that no record of an interval of that many seconds holds, by cause. */
void ledger_add_lost(const struct ledger_row *row, uint32_t interval, uint64_t to[static LOST_CAUSES]);

/* The same, of all causes. */
uint64_t ledger_lost(const struct ledger_row *row, uint32_t interval);
