/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The named queries of AWS's Athena integration (api.md 8.1), in Athena's SQL; "?" is an execution parameter.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "record/format.h"

struct ec2_named_query {
    const char *name; /* NULL ends the table */
    const char *purpose;
    const char *fields; /* that it reads, names of the catalogue with spaces between */
    const char *sql;    /* "%s" stands for the table */
};

extern const struct ec2_named_query ec2_named_queries[];

/* Whether the format has every field that the query reads. */
bool ec2_query_fits(const struct ec2_named_query *query, const struct format *format);

void ec2_query_print(const struct ec2_named_query *query, const char *table, struct buf *buf);
