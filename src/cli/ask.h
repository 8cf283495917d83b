/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What commands share that ask the daemon. */

#include <jansson.h>

#include "base/buf.h"

#define ASK_STATE_DEFAULT "/var/lib/flowlog"
#define ASK_OUTPUT_MAX (64 * 1024 * 1024)

/* One line of JSON. */
void ask_print_json(struct buf *to, const json_t *answer);

/* The exit status for what control_ask or control_request returned. */
int ask_exit_status(int error);

/* A member's text; "" when there is none. */
const char *ask_text(const json_t *object, const char *member);
