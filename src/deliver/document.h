/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON documents with a checksum: a first line "KIND LENGTH CHECKSUM", then LENGTH bytes, the last of which
 * is a newline. KIND names the version as well.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/macro.h"

#define DOCUMENT_BATCH "flowlog-batch 2" /* the head of a batch */
#define DOCUMENT_PACK "flowlog-pack  1"  /* objects that take the place of batches */
#define DOCUMENT_SPOOL "flowlog-spool 1" /* what a spool knows beside its files */

#define DOCUMENT_FIRST_LINE_LEN 44 /* every kind has 15 letters */
#define DOCUMENT_MAX (64UL << 20)

/*
 * Appends the document, padded with spaces to `room` bytes behind its first line; 0: no more than it needs.
 * Takes `json` over; NULL (no memory) is taken, too. -ENOMEM, also when it does not fit into the room.
 */
int document_print(const char *kind, json_t *json, size_t room, struct buf *buf) MUST_USE;

/* What the first line says. -EBADMSG when it is none of this kind. */
int document_parse_first_line(const char *kind, const char line[static DOCUMENT_FIRST_LINE_LEN],
                              size_t *ret_len, uint64_t *ret_checksum) MUST_USE;

/* The bytes behind the first line as JSON; NULL when they are damaged. */
json_t *document_parse(const char *text, size_t len, uint64_t checksum);

/* Whole files. -ENOENT, -EBADMSG. Written by file_replace(). */
int document_read(json_t **ret, const char *path, const char *kind, struct fault *fault) MUST_USE;
int document_write(const char *path, const char *kind, json_t *json, struct fault *fault) MUST_USE;
