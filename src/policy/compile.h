/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Compiled rules of the groups that an interface carries; see policy_prepare for the whole. */

#include "policy/model.h"

/* The place of an address on its family's axis. */
rule_key address_key(const uint8_t bytes[static 16], uint8_t family);

void group_set_free(struct group_set *set);
