/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An append-only file of typed records, each with a checksum, for what must outlive a killed process. What is
 * appended without a sync guards against the death of the process alone, which is enough for the kernel's
 * counts: a machine that loses power loses those as well. A torn or damaged tail ends the reading; what
 * stands before it counts.
 *
 * Layout: "flowlogJ", then records of { u32 type, u32 length, u64 checksum of type, length and payload,
 * payload }.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"

struct journal;

#define JOURNAL_START 8 /* bytes before the first record */
#define JOURNAL_PAYLOAD_MAX (16U * 1024 * 1024)

/* A negative result ends the reading and is returned. `end` is the offset behind the record. */
typedef int journal_visitor(void *context, uint32_t type, const void *payload, uint32_t len, uint64_t end);

/* Reads whole records from the file's start to the first damaged one. 0 also when there is no file. */
int journal_read(const char *path, journal_visitor *visit, void *context, struct fault *fault) MUST_USE;

/* Opens for appending behind the first `keep` bytes, cutting off the rest; 0 begins the file afresh. */
int journal_open(struct journal **ret, const char *path, uint64_t keep, struct fault *fault) MUST_USE;
void journal_close(struct journal *journal);

/* In one write, so that a kill leaves all of it or a torn tail. A failed append is cut off again. */
int journal_append(struct journal *journal, uint32_t type, const void *payload, uint32_t len) MUST_USE;

/* The same, and it lasts through a power cut when it returns 0. */
int journal_append_synced(struct journal *journal, uint32_t type, const void *payload, uint32_t len) MUST_USE;

/* The journal of what `fill` appends takes the old one's place whole, or the old one stays. */
typedef int journal_filler(struct journal *fresh, void *context);
int journal_rewrite(struct journal *journal, journal_filler *fill, void *context,
                    struct fault *fault) MUST_USE;
