/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From the kernel's drains to the flows of exact windows. A drain holds signed deltas: a packet counted as
 * accepted in one drain may be taken back in the next, even in the next window, when it was discarded just
 * after the minute. windows_settle() pairs those before a window is handed over.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "bpf/wire.h"
#include "flow/ledger.h"
#include "flow/table.h"

#define WINDOWS_OPEN_MAX 64 /* open base windows; more after a long absence are folded into the oldest */

struct windows {
    struct flow_table open[WINDOWS_OPEN_MAX]; /* of WINDOW_SECONDS each, oldest first */
    size_t count;
    size_t max_flows; /* of one table */
    struct ledger ledger;
};

void windows_init(struct windows *windows, size_t max_flows);
void windows_done(struct windows *windows);

/*
 * Adds one delta to its window. `egress` is the direction as it is to be recorded. -ENOSPC when the window's
 * table is full: hand it over early and add again. What finds no memory is lost, and the ledger says so;
 * -ENOMEM when there was none for the ledger either.
 */
int windows_add(struct windows *windows, uint16_t interface, bool egress, const struct flow_key *key,
                const struct flow_counts *counts) MUST_USE;

/* What `upper` receives has come in by `lower` before and was counted there too: a bridge and one of its
 * ports. */
struct stacked {
    uint16_t upper;
    uint16_t lower;
};

/* What windows must know of interfaces. */
struct windows_interfaces {
    /* Whether its directions are turned round (a port), so that the ledger's directions are the interface's
     * own. */
    bool (*turned)(void *context, uint16_t interface);
    void *context;
    const struct stacked *stacks; /* grouped by `upper`; an interface as `upper` after it is `lower` */
    size_t stack_count;
};

/*
 * The oldest open window, if it starts before `before` (WINDOW_SECONDS since the epoch): settled, removed,
 * and the caller's to flow_table_done. False when there is none.
 */
bool windows_take(struct windows *windows, uint32_t before, const struct windows_interfaces *interfaces,
                  struct flow_table *ret) MUST_USE;

/* A flow as it stood in the open window that starts at `start`, from a journal. What finds no place is lost,
 * and the ledger says so. */
void windows_restore(struct windows *windows, uint64_t start, const struct flow *flow,
                     const struct windows_interfaces *interfaces);

/* The table of that window, or NULL. */
struct flow_table *windows_find(struct windows *windows, uint32_t window);
