/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What follows from the settings of a flow log. */

#include "base/fault.h"
#include "base/macro.h"

struct flow_log;
struct topology;

/* Fills id, format, kind and folder. */
int flow_log_resolve(struct flow_log *log, const struct topology *topology, struct fault *fault) MUST_USE;
