/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Flows of a host or a pair in the order of time, beside the timed lines of other files of the same minutes.
 */

#include "answer/diagnose.h"
#include "answer/stamp.h"

#define TIMELINE_MAX 5000000 /* flows and lines */
#define TIMELINE_TEXT_MAX (1024UL * 1024)

/* Lines are shown from so long before the first flow to so long after the last, where no time was asked for.
 */
#define TIMELINE_AROUND_S 60

struct timeline_flow {
    struct address source;
    struct address destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t protocol;
    uint8_t tcp_flags;
    bool has_flags;
    bool rejected;
    bool egress;
    bool has_direction;
    bool is_lost; /* SKIPDATA: records of the interface in this time were lost */
    char interface_id[32];
    uint64_t end_s;
    uint64_t packets;
    uint64_t bytes;
};

struct timeline_entry {
    uint64_t ns;
    bool is_line;
    uint32_t file;   /* of a line: its number */
    uint64_t number; /* of the line in the file */
    char *text;      /* owned; the line and those without a time that follow it; NULL of a flow */
    size_t len;
    struct timeline_flow flow;
};

/* What became of the lines of a file. */
struct timeline_file {
    const char *name; /* borrowed */
    uint64_t lines;
    uint64_t undated;      /* before any line with a time: not shown */
    uint64_t undated_last; /* the last of them; they are the first lines of the file */
    uint64_t continued;    /* belong to the line before them */
    uint64_t outside;      /* not in the time looked at */
    uint64_t too_long;     /* cut */
};

struct timeline {
    POLICY_LIST(struct timeline_entry) entries; /* in the order of time */
    POLICY_LIST(struct timeline_file) files;
    uint64_t records;
    uint64_t flows;
    uint64_t skipdata; /* SKIPDATA records of interfaces in the time looked at */
    uint64_t not_held; /* beyond TIMELINE_MAX */
};

struct timeline_options {
    const struct party *host;
    const struct party *peer; /* NULL: anybody */
    const struct readings *readings;
    const char *const *files; /* of lines */
    size_t file_count;
    uint64_t since_s; /* 0 and UINT64_MAX: not asked for */
    uint64_t until_s;
    bool local_time;
};

/* -errno when a file cannot be read at all; a fault in its middle is an error as well, after what came
 * before. */
int timeline_run(const struct timeline_options *options, struct timeline *ret, struct fault *fault) MUST_USE;
void timeline_done(struct timeline *timeline);
