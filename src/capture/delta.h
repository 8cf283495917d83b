/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From the kernel's entry of a flow, accepted and rejected packets together, to what it says of each verdict.
 */

#include <stdint.h>

#include "bpf/wire.h"

/* Writes what the entry adds to ACCEPT, to REJECT, or to both. Returns how many of `ret` were written: 0
 * to 2. */
uint32_t delta_split(const struct flow_key *key, const struct flow_value *value,
                     struct flow_delta ret[static 2]);

/* Of `count` entries, into room for twice as many. Returns how many were written. */
uint32_t delta_split_all(const struct flow_key *keys, const struct flow_value *values, uint32_t count,
                         struct flow_delta *ret);
