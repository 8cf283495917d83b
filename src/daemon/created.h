/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Flow logs made through the API. They stand behind the declared ones in the configuration's list. */

#include "api/ec2.h"
#include "base/fault.h"
#include "base/macro.h"

struct config;
struct daemon;

/* Adds those of the store to a configuration just read; what cannot run is logged. -ENOMEM. */
int created_append(struct daemon *daemon, struct config *config) MUST_USE;

/* Ends one, if it is there. `context`: the daemon. */
void created_stop(void *context, const char *id);

struct ec2_host created_host(struct daemon *daemon);
