/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The running kernel's names for why it discards packets, from its own type information. Loaded once per
 * process. */

#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"

int drop_reasons_load(struct fault *fault) MUST_USE;

/* "NETFILTER_DROP"; NULL for a number without a name, or before drop_reasons_load. */
const char *drop_reason_name(uint16_t reason);
