/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where to look next, once the records have said what they can: never health, which no ACCEPT tells. */

#include "answer/diagnose.h"

/* What the outcome means, whatever the traffic. */
const char *advice_of_outcome(enum outcome outcome);

/* What it means for this service (SSH, ping, DNS, …) in particular; NULL when there is nothing to add. */
const char *advice_of_service(enum outcome outcome, uint8_t protocol, uint16_t port);
