/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A question of diagnose as SQL over the view flow_logs, so that of many records only those are read that can
 * bear on it. Conditions are such that files' statistics and Bloom filters leave out row groups by them.
 */

#include "answer/diagnose.h"
#include "base/buf.h"

/* Fields that decide whether the queries give the same as all records, and by which columns. */
extern const uint8_t narrow_fields[];
extern const size_t narrow_field_count;

/* A query that has a row where some record says of one of them that it is "-". */
extern const char narrow_lack[];

/* Whether each record has all of narrow_fields; otherwise each address may stand in either of two columns. */
enum narrow_records { NARROW_ALL_WHOLE, NARROW_SOME_LACK };

/* False for ids, whose addresses only records tell. */
bool narrow_can(const struct question *question);

/*
 * The query: the records between the two ends, whatever their ports; those that say that there was nothing or
 * that something was lost; for each interface that either end is the own address of, one that says so and
 * nothing else (without an action; with log-status OK if it accepted anything).
 */
void narrow_print(struct buf *sql, const struct question *question, enum narrow_records records);

/* A query that has a row where narrow_print()'s does not do: where some lack a field, and records do not tell
 * their direction. */
extern const char narrow_objection[];
