/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The kernel's accounts, put together from where its CPUs keep them. */

#include <stddef.h>

#include "capture/live.h"

/*
 * Visits the accounts of `slots` and of the hash map `fd`, summed over CPUs, each once, in the order of
 * windows; with visit->take they are removed after their visit. -ENOMEM, then before any visit.
 */
int accounts_visit(struct account_slot *slots, size_t slot_count, int fd,
                   const struct live_accounts *visit) MUST_USE;

/* Removes the account of that key, or what is left of it. */
void accounts_forget(struct account_slot *slots, size_t slot_count, int fd, const struct account_key *key);
