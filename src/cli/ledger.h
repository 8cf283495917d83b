/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the daemon of a state folder says of its interfaces, for answers from records. */

#include <jansson.h>

#include "answer/completeness.h"
#include "base/macro.h"

/* False when no daemon answers there. `state` NULL: the default. `ret` is to be released either way. */
bool ledger_ask(const char *state, struct capture_ledger *ret) MUST_USE;

/* How many packets a row of `ledger` in the daemon's status lost in one direction ("ingress", "egress"). */
uint64_t ledger_lost_packets(const json_t *row, const char *direction);
