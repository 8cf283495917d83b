/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Interfaces and what of them is in a file, as members of a JSON document. */

#include <jansson.h>

#include "base/fault.h"
#include "base/macro.h"
#include "deliver/batch.h"

/* {"interface-id": …, "account-id": …, …}: an identity's texts by their field names; NULL without memory. */
json_t *account_print_identity(const struct interface_identity *identity);

/* False when a text is missing or too long. */
bool account_parse_identity(const json_t *object, struct interface_identity *ret) MUST_USE;

json_t *account_print_sum(json_t *object, const struct batch_sum *sum);
bool account_parse_sum(const json_t *object, struct batch_sum *ret) MUST_USE;

/* A list of interfaces, each with identity and sum. */
json_t *account_print(const struct batch_interface *interfaces, uint32_t count);

/* Owned by the caller. -EBADMSG, -ENOMEM. */
int account_parse(const json_t *list, struct batch_interface **ret, uint32_t *ret_count) MUST_USE;

/* A member that is a whole number from 0 on; what JSON cannot hold is printed as the most it can. */
void account_print_number(json_t *object, const char *name, uint64_t number);
bool account_parse_number(const json_t *object, const char *name, uint64_t *ret) MUST_USE;
