/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A record of the view flow_logs as an event of CloudWatch Logs, in SQL. */

#include "base/buf.h"

/* One stream per interface, called as AWS calls it (delivery.md 1.1). */
#define EVENT_STREAM "(coalesce(interface_id, 'unknown') || '-all')"

/* The record as a line of the default format. */
void event_put_message(struct buf *to);

/* Where to find it again: base64 of its start, its interface, and a hash of its message. */
void event_put_pointer(struct buf *to);
