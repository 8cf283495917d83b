/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What survives a killed daemon: everything taken from the kernel and not yet in the spools. The journal
 * holds the events in the order they happened; a new daemon goes through them again and comes to the same
 * windows, the same sequence numbers and so the same object names and bytes. Windows that were published are
 * not published again.
 */

#include "base/fault.h"
#include "bpf/wire.h"

/* What a journal begins with. Raise when any payload of recover.c changes: a journal of another version is
 * begun afresh. */
#define JOURNAL_VERSION ((uint64_t)2 << 32 | WIRE_VERSION)
#include "daemon/registry.h"

struct daemon;

/* Goes through the journal of the state folder, then opens it for what follows. */
int recover_open(struct daemon *daemon, struct fault *fault) MUST_USE;

/* Each is noted before the event can no longer be undone in the kernel. A failure is logged once and counted.
 */
void recover_note_interface(struct daemon *daemon, const struct registered *entry);
void recover_note_flows(struct daemon *daemon, const struct flow_delta *deltas, uint32_t count);
void recover_note_drained(struct daemon *daemon);
void recover_note_cleared(struct daemon *daemon);
void recover_note_account(struct daemon *daemon, const struct account_key *key,
                          const struct account *account);
void recover_note_discard(struct daemon *daemon, const struct discard_key *key, uint64_t packets);
void recover_note_close(struct daemon *daemon, uint32_t before);
void recover_note_published(void *context, uint64_t sequence);

/* When nothing waits for the disk: the journal is written anew with the open windows alone, and the ledger of
 * theirs and of those that the open ten minutes are made of. */
void recover_compact(struct daemon *daemon);
