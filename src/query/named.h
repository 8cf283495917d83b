/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Named queries: the questions that people ask of flow logs, one row each, as one SQL text that is rendered
 * for every engine. Values of parameters are checked by their type and never get into the SQL as they were
 * written. `flowlog query --list`, --explain-query and flowlog-queries(7) come from the rows.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/fault.h"
#include "query/dialect.h"
#include "record/field.h"

enum named_type {
    NAMED_COUNT,     /* a whole number */
    NAMED_DURATION,  /* "90" or "90s", "10m", "2h", "7d", "1w": at least a second */
    NAMED_PERCENT,   /* 0 to 100 */
    NAMED_PORTS,     /* "22,3389" */
    NAMED_PROTOCOL,  /* a number, or tcp, udp, icmp, icmpv6, sctp, gre, esp */
    NAMED_BLOCKS,    /* "10.0.0.0/8,fc00::/7", or private among them */
    NAMED_ADDRESS,   /* "10.0.0.5" */
    NAMED_INTERFACE, /* letters, digits, and -_.:/ */
    NAMED_TIME,      /* seconds since the epoch; programs translate what people write */
};

struct named_parameter {
    const char *name;    /* NULL ends a list */
    const char *initial; /* the default; NULL: has to be given; "": none */
    const char *help;
    enum named_type type;
};

/* Stands for the private blocks (RFC 1918, 6598, 3927, 4193, loopback, link-local) in a list. */
#define NAMED_PRIVATE "private"

#define NAMED_PARAMETERS_MAX 6
#define NAMED_FIELDS_MAX 4

struct named_query {
    const char *name;
    const char *aws; /* which of AWS's predefined Athena queries it is; NULL: none */
    const char *purpose;
    struct named_parameter parameters[NAMED_PARAMETERS_MAX + 1]; /* its own; named_common[] comes behind */
    enum field_id fields[NAMED_FIELDS_MAX]; /* beyond version 2: without these it finds nothing; 0: none */
    const char *limit;                      /* default number of rows */
    const char *sql;                        /* see named.c for what stands in { } */
    const char *conclude;                   /* an example of what to conclude */
};

/* In the order in which they are listed; ends with a NULL name. */
extern const struct named_query named_queries[];

/* since, until, limit: of every query. */
extern const struct named_parameter named_common[];

/* By its name or AWS's; NULL when there is none. */
const struct named_query *named_find(const char *name);

/* The query whose name is nearest, for "did you mean"; never NULL. */
const char *named_nearest(const char *name);

/* The default, which for `limit` is the query's; as in struct named_parameter. */
const char *named_initial(const struct named_query *query, const struct named_parameter *parameter);

/* The parameter of that name, the query's own or a common one; NULL. */
const struct named_parameter *named_parameter_find(const struct named_query *query, const char *name,
                                                   size_t len);

/* "port", "blocks" … for a person. */
const char *named_type_word(enum named_type type);

/* A value as given: "min-ports=30". The text is borrowed for the call. */
struct named_options {
    enum sql_engine engine;
    const char *const *values;
    size_t value_count;
    const char *where; /* an SQL condition that the records meet; NULL: all */
    uint64_t now_s;    /* the value of `now` where none is given */
};

/* Appends one statement without a semicolon, lines of it indented by hand. -EINVAL for a value that is
 * unknown, missing, given twice, or not of its type. */
int named_render(const struct named_query *query, const struct named_options *options, struct buf *sql,
                 struct fault *fault) MUST_USE;
