/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What one flow log has of one closed window, as a file that outlives the process. It is written once, synced
 * and renamed into place, and never changed.
 *
 * Layout: a line "flowlog-batch 2 LENGTH CHECKSUM", the head (JSON, LENGTH bytes), then blocks, each { u32
 * kind, u32 length, u64 checksum, payload }. A block of lines holds whole lines "INTERFACE START END PACKETS
 * LOST<TAB>RECORD", times from the window's start on (modulo 2^64); the last block holds the totals. The
 * account of every interface stands in the head, so that a file that has lost its end, or a block, still
 * tells exactly what is missing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"
#include "flow/interface.h"
#include "record/format.h"
#include "record/record.h"

struct batch_sum {
    uint64_t records;
    uint64_t packets; /* in records */
    uint64_t lost;    /* packets that no record holds, told by SKIPDATA records */
};

struct batch_interface {
    struct interface_identity identity;
    struct batch_sum sum;
};

struct batch_head {
    char *flow_log_id;
    uint64_t window; /* start, seconds since the epoch */
    uint32_t interval;
    uint64_t sequence; /* rises from batch to batch of a flow log */
    uint64_t tells;    /* gaps up to this number are told by the batch's SKIPDATA records (spool.h) */
    char *format_text;
    struct format format;
    struct batch_interface *interfaces;
    uint32_t interface_count;
};

struct batch_line {
    const char *text; /* the record as an AWS text line, without its newline and not NUL-terminated */
    uint32_t len;
    uint32_t interface; /* index into the head's interfaces */
    uint64_t start;     /* seconds since the epoch, also where the format does not list them */
    uint64_t end;
    uint64_t packets;
    uint64_t lost;
};

void batch_sum_add(struct batch_sum *sum, const struct batch_sum *more);
struct batch_sum batch_head_sum(const struct batch_head *head);
void batch_head_done(struct batch_head *head);

struct batch_writer;

/*
 * Writes beside `path` until batch_writer_commit(). `head` is copied; the sums of its interfaces are counted
 * anew, its format is parsed from format_text.
 */
int batch_writer_open(struct batch_writer **ret, const char *path, const struct batch_head *head,
                      struct fault *fault) MUST_USE;

/* `lost`: packets that the record, a SKIPDATA one, tells as lost. */
int batch_writer_add(struct batch_writer *writer, uint32_t interface, const struct record *record,
                     uint64_t packets, uint64_t lost, struct fault *fault) MUST_USE;

/* A line of another batch of the same format and interfaces. */
int batch_writer_copy(struct batch_writer *writer, const struct batch_line *line,
                      struct fault *fault) MUST_USE;

/* The head as it will be: for its interfaces' identities and sums so far. */
const struct batch_head *batch_writer_head(const struct batch_writer *writer);

/* Synced and in its place. Frees in every case; after an error nothing is left behind. */
int batch_writer_commit(struct batch_writer *writer, struct batch_sum *ret, uint64_t *ret_bytes,
                        struct fault *fault) MUST_USE;
void batch_writer_abandon(struct batch_writer *writer);

/* The file's head alone; -EBADMSG when it is damaged, or of a version that this program does not know. */
int batch_head_read(struct batch_head *ret, const char *path, struct fault *fault) MUST_USE;

struct batch_reader;

/* Goes through a batch block by block, in little memory. Errors as batch_head_read(). */
int batch_reader_open(struct batch_reader **ret, const char *path, struct fault *fault) MUST_USE;
const struct batch_head *batch_reader_head(const struct batch_reader *reader);

/*
 * 1 with a line, valid until the next call; 0 at the end. -EBADMSG at a damaged block or a missing end: the
 * call may be repeated and goes on behind the damage.
 */
int batch_reader_next(struct batch_reader *reader, struct batch_line *ret, struct fault *fault) MUST_USE;

/* To the first line again. */
void batch_reader_rewind(struct batch_reader *reader);
void batch_reader_close(struct batch_reader *reader);

/* A whole, undamaged batch, mapped, its lines indexed in file order. */
struct batch {
    struct batch_head head;
    struct batch_line *lines;
    size_t line_count;
    void *map;
    size_t map_len;
};

int batch_load(struct batch *ret, const char *path, struct fault *fault) MUST_USE;
void batch_done(struct batch *batch);
