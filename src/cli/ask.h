/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What commands share that ask the daemon. */

#include <jansson.h>

#include "base/buf.h"
#include "cli/options.h"
#include "daemon/config.h"

/* The row of --state, which finds the daemon; `member` of the settings gets its text. */
#define ASK_OPTION_STATE(settings, member)                                                                   \
    {                                                                                                        \
        .name = "state", .metavar = "DIR", .kind = OPTION_TEXT, .offset = offsetof(settings, member),        \
        .help = "the daemon's state folder; " CONFIG_STATE_DEFAULT " when not given"                         \
    }

#define ASK_OUTPUT_MAX (64 * 1024 * 1024)

/* One line of JSON. */
void ask_print_json(struct buf *to, const json_t *answer);

/* The exit status for what control_ask or control_request returned. */
int ask_exit_status(int error);

/* A member's text; "" when there is none. */
const char *ask_text(const json_t *object, const char *member);
