/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* `flowlog diagnose --trace`: the rule of nftables that drops the next packets of a kind. */

#include "answer/diagnose.h"
#include "cli/command.h"

struct trace_options {
    uint64_t timeout_s;
    uint64_t packets; /* that may pass before it is given up */
    bool json;
};

/* Of the question only ends, protocol and port are looked at. Returns an exit status. */
int trace_run(const struct command *command, const struct question *question,
              const struct trace_options *options);
