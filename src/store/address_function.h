/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The SQL function in_cidr(address, block). */

#include "parquet/session.h"

#define ADDRESS_FUNCTION_NAME "in_cidr"

/*
 * Adds it to the session: whether the address lies in the block; false for one of another family, null where
 * one of them is null or "-", or the address is none. A block that is none is an error.
 */
int address_function_add(const struct session *session, struct fault *fault) MUST_USE;
