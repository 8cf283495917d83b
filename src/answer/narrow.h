/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A question of diagnose as SQL, so that of many records only those are read that can bear on it. */

#include "answer/diagnose.h"
#include "base/buf.h"

/*
 * A query over the view flow_logs: the records between the two ends, those that say that there was nothing or
 * that something was lost, and, for each interface that either end is the own address of, one that says so
 * and nothing else (without an action; with log-status OK if it accepted anything). False where that would
 * not be the same as all records: for ids, whose addresses only records tell.
 */
bool narrow_print(struct buf *sql, const struct question *question);

/* A query that has a row where narrow_print()'s does not do: where records do not tell their direction. */
extern const char narrow_objection[];
