/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * SQL over records, wherever they lie: a DuckDB session with the view flow_logs, a column per field of the
 * catalogue with AWS's Parquet names and types (interface_id, "end", …), and in_cidr(address, block). A field
 * that a file lacks is null; a text that a Parquet file says is "-" stays so.
 */

#include "parquet/session.h"
#include "record/format.h"
#include "store/sources.h"

struct flow_session_options {
    const struct sources *sources;     /* borrowed until it is closed */
    const struct format *input_format; /* likewise; of lines that no header precedes; NULL: the default */
    uint64_t since_s, until_s;         /* records that end before or start after are left out */
    unsigned threads;                  /* 0: as many as there are processors */
    uint64_t memory_bytes;             /* 0: three quarters of the machine's */
    const char *where;                 /* an SQL condition that the view's rows meet; NULL: all */
    void *userdata;
    /* What could not be read, as one line; the rest goes on. */
    void (*tell)(void *userdata, const char *line);
    void (*progress)(void *userdata); /* called again and again while a question is worked on; may be NULL */
    bool local_time;                  /* times in SQL are of this host's time zone, not UTC */
};

struct flow_session;

/* -EINVAL where `where` does not parse or bind. */
int flow_session_open(struct flow_session **ret, const struct flow_session_options *options,
                      struct fault *fault) MUST_USE;
void flow_session_close(struct flow_session *session);

/* What runs in it, or is about to, ends with a fault. From any thread. */
void flow_session_interrupt(struct flow_session *session);

/* To run statements in. */
const struct session *flow_session_sql(const struct flow_session *session);

/* As parquet_view_is_whole(); not so where some of the records are no Parquet. */
int flow_session_is_whole(const struct flow_session *session, const uint8_t *fields, size_t count, bool *ret,
                          struct fault *fault) MUST_USE;

/* A question: prepares and begins it. -EINVAL where the SQL does not parse or bind, or is no question
 * (SELECT, EXPLAIN, COPY). *ret is to be destroyed only on success. */
int flow_session_ask(struct flow_session *session, const char *sql, duckdb_result *ret,
                     struct fault *fault) MUST_USE;

/*
 * Whether a failure of a question (-EIO) comes from Parquet files that are damaged inside: they are told, and
 * left out from now on. Reads all of them.
 */
bool flow_session_leave_out_damaged(struct flow_session *session);

/* How far the reading of text is, for a person. From any thread. */
struct flow_session_progress {
    uint64_t bytes;
    uint64_t bytes_total;
    uint64_t records;
};
struct flow_session_progress flow_session_progress(const struct flow_session *session);

/*
 * After a question: tells what was wrong with the files it read, a line for each. Returns how many files
 * could not be read to their end.
 */
uint64_t flow_session_tell_faults(struct flow_session *session);
