/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The text of a rule as nft lists it. The program is run for it: its library is under the GPL alone, and
 * rules of iptables are only readable with iptables' own extensions, which it knows how to load.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "base/fault.h"
#include "nftrace/event.h"

/* Into `ret`, on one line; -ENOENT when the rule is not there any more. */
int listing_find_rule(uint8_t family, const char *table, const char *chain, uint64_t handle, struct buf *ret,
                      struct fault *fault) MUST_USE;

/* The same out of a listing; false when it is not in it. */
bool listing_pick_rule(const char *listing, uint64_t handle, struct buf *ret);

/* Whether a rule of that text answers what it drops. */
bool listing_rejects(const char *rule);
