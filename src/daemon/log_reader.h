/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Requests of the CloudWatch Logs API. Reading the store takes time, so a thread answers them, one after the
 * other, while the loop goes on.
 */

#include "api/http.h"
#include "api/logs.h"

struct log_reader;

/* Nothing runs before the first request. */
int log_reader_open(struct log_reader **ret, struct fault *fault) MUST_USE;

/* Ends what runs, and answers what waits; before the listener is closed. */
void log_reader_close(struct log_reader *reader);

/* Readable when log_reader_reap() has something to answer. */
int log_reader_fd(const struct log_reader *reader);
void log_reader_reap(struct log_reader *reader);

/* `host` but for its queries; all is copied. *ret becomes the answer where it cannot begin. */
void log_reader_begin(struct log_reader *reader, const struct logs_host *host, const char *target,
                      const struct http_request *request, struct http_answer *ret);
