/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon's control socket, STATE/control.sock: a client sends one line of JSON, {"command":"status"}, and
 * gets one line of JSON back. It never blocks: clients that are slow, silent or send rubbish are answered
 * with
 * {"error":"…"} or dropped after CONTROL_PATIENCE_S, and at most CONTROL_CLIENTS_MAX are served at a time.
 *
 * The status document, made by the callback (names with hyphens; numbers are numbers; unknown is null or
 * absent):
 *
 *   version, pid, started (epoch s), now (epoch s), state-folder
 *   capturing        true once every interface known at the start is attached; `flowlog status` exits 3
 * before capture {        attach "tcx"|"clsact", netns (inode), map-entries, flows (in the kernel now),
 * drains, unaccounted, moves-lost, pin-path, netlink-overflows } interfaces [ {   ifindex, device,
 * interface-id, role "nic"|"port", subnet-id, vpc-id, addresses ["…"], attached (bool), error ("" or why not
 * attached), last-packet (epoch s) } ] windows [ {      start (epoch s), interval (s), closes-in (s), flows,
 * packets, bytes } ]      open ones ledger [ {       window (epoch s), interval (s), device, interface-id,
 *                    ingress { seen, recorded, excluded, not-ip, malformed, added, lost-full, lost-busy,
 * discarded }, egress { the same }, closes (bool: seen + added = recorded + excluded + not-ip + malformed +
 * lost…), difference (seen less the kernel's interface counters; null when not comparable), log-status
 * "OK"|"NODATA"|"SKIPDATA" } ]                                       newest last flow-logs [ {    id, name,
 * resource, traffic-type, interval, destination, file-format, records, objects, waiting (batches not
 * delivered yet), last-object, last-delivery (epoch s), deliver-logs-status "SUCCESS"|"FAILED", error } ]
 */

#include <jansson.h>

#include "base/fault.h"
#include "base/macro.h"

#define CONTROL_SOCKET "control.sock"
#define CONTROL_REQUEST_MAX 4096
#define CONTROL_CLIENTS_MAX 32
#define CONTROL_PATIENCE_S 5

/* Answers a request. A new reference, or NULL with a fault that becomes the answer's error. */
typedef json_t *control_handler(void *context, const char *command, const json_t *request,
                                struct fault *fault);

struct control;

/* Listens in the state folder, mode 0660. -EADDRINUSE when another daemon answers there; a stale socket goes.
 */
int control_open(struct control **ret, const char *state, control_handler *handler, void *context,
                 struct fault *fault) MUST_USE;
void control_close(struct control *control); /* removes the socket */

/* One descriptor for everything (an epoll of its own): readable when control_process has work. */
int control_fd(const struct control *control);
void control_process(struct control *control);
