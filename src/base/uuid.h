/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#define UUID_MAX 37

/* A random one (RFC 9562, version 4), as services give their requests and queries. */
void uuid_make(char ret[static UUID_MAX]);
