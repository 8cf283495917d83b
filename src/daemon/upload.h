/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Results of the API that AWS puts into S3 and answers with their URL. Each is put by a thread of its own
 * while its request waits, so the loop never does.
 */

#include <jansson.h>

#include "api/http.h"

struct daemon;
struct upload;

/*
 * `asked` as ec2_answer() tells it. False when it cannot begin: then the answer that is there will do.
 * Otherwise the request is answered by uploads_reap(): with the URL; with the service's refusal; or with the
 * text itself where no service answers.
 */
bool upload_begin(struct daemon *daemon, const struct http_request *request, const json_t *asked);

/* Answers what has ended; to be called at each tick. */
void uploads_reap(struct daemon *daemon);

/* Ends them all; before the listener is closed. */
void uploads_close(struct daemon *daemon);
