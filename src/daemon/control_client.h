/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The other end of daemon/control.h, for the command line. */

#include <jansson.h>
#include <sys/un.h>

#include "base/fault.h"
#include "base/macro.h"

/*
 * Asks the daemon of that state folder. -ECONNREFUSED when there is none (no socket, or nobody listens);
 * -ETIMEDOUT, -EBADMSG when the answer does not come or is none; -EREMOTEIO with the daemon's own error.
 */
int control_ask(const char *state, const char *command, json_t **ret, struct fault *fault) MUST_USE;

/* The same for a request with more members than "command"; takes `request` over, of which NULL is no memory.
 */
int control_request(const char *state, json_t *request, json_t **ret, struct fault *fault) MUST_USE;

/*
 * The address of the state folder's socket. Paths longer than an address has room for are reached through
 * *folder_fd, which must stay open while the address is used; -1 when it is not needed.
 */
int control_address(const char *state, struct sockaddr_un *ret, int *folder_fd, struct fault *fault) MUST_USE;
