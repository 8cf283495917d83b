/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Live capture: the kernel programs of src/bpf, attached to interfaces and drained. Maps and links are
 * pinned, so that the kernel goes on counting when this process dies; the next live_open with the same pin
 * folder goes on where it was. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"
#include "bpf/wire.h"

enum live_attach { LIVE_ATTACH_AUTO, LIVE_ATTACH_TCX, LIVE_ATTACH_CLSACT };

struct live_options {
    uint32_t map_entries;
    enum live_attach attach;
    /* On a bpf file system, in a folder of its own kind: daemons share that one, the first makes and the last
     * removes it. NULL: nothing is pinned, and nothing outlives the process. */
    const char *pin_folder;
};

struct live;

int live_open(struct live **ret, const struct live_options *options, struct fault *fault) MUST_USE;

/*
 * Takes down what a killed daemon of another version left pinned for the same origin: folders beside
 * `pin_folder` whose names end as its name does, from the last '-' on. How many there were. Filters of clsact
 * stay: live_attach takes their place.
 */
unsigned live_remove_other_versions(const char *pin_folder);

/*
 * Ends the capture: detaches what this daemon attached. The maps stay pinned, as what they hold would die
 * with a process that is killed now.
 */
void live_stop(struct live *live);

/* Removes the pins of the maps, once what they held is safe. They can be read until live_close. */
void live_unpin(struct live *live);

/* Frees; without live_stop, what is pinned goes on counting. */
void live_close(struct live *live);

/* Attaches both directions, or neither. `ethernet`: packets begin with a link header. -EEXIST is success: it
 * was attached. */
int live_attach(struct live *live, uint32_t ifindex, bool ethernet, bool bridge,
                struct fault *fault) MUST_USE;
void live_detach(struct live *live, uint32_t ifindex);

/* Whether it is attached to that interface, by this process or by one that was killed. */
bool live_captures(const struct live *live, uint32_t ifindex);

/* "tcx" or "clsact", once something is attached; "" before. */
const char *live_attach_kind(const struct live *live);

/* True when live_open found a capture that an earlier process left running. */
bool live_adopted(const struct live *live);

/* Readable when the kernel wants an early drain. */
int live_wake_fd(const struct live *live);
void live_wake_clear(struct live *live);

/* Tells the kernel the wall clock; to be called at start and whenever the clock was set. */
void live_set_clock(struct live *live);

/*
 * Tells the kernel programs what a tracked connection looks like, without which they cannot find what NAT has
 * rewritten. Connection tracking may be loaded at any time; to be called now and then, it costs nothing when
 * that is known, or when nothing was loaded since the last call.
 */
void live_find_conntrack(struct live *live);

/* Makes the other flow map the active one. On return no program writes to the quiescent one any more. */
int live_flip(struct live *live, struct fault *fault) MUST_USE;

/* Visits what the quiescent map holds, several flows per call. After an error the next call visits the rest.
 */
typedef void live_flow_visitor(void *context, const struct flow_delta *deltas, uint32_t count);
int live_read(struct live *live, live_flow_visitor *visit, void *context, struct fault *fault) MUST_USE;

/* Empties the quiescent map. */
int live_clear(struct live *live, struct fault *fault) MUST_USE;

/* Accounts, summed over CPUs, and discards of windows before `window`; with `take`, each is removed from the
 * kernel after its visit. */
typedef void live_account_visitor(void *context, const struct account_key *key,
                                  const struct account *account);
typedef void live_discard_visitor(void *context, const struct discard_key *key, uint64_t packets);
struct live_accounts {
    uint32_t before;
    bool take;
    live_account_visitor *account;
    live_discard_visitor *discard; /* NULL: accounts alone */
    void *context;
};
int live_visit_accounts(struct live *live, const struct live_accounts *visit, struct fault *fault) MUST_USE;

/* Removes one account, or the discards of one key, if the kernel has them. */
void live_forget_account(struct live *live, const struct account_key *key);
void live_forget_discard(struct live *live, const struct discard_key *key);

/* The kernel's global state, as it is now. */
void live_state(const struct live *live, struct capture_state *ret);
