/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * AWS's published address ranges (ip-ranges.json): which service an address belongs to. Ranges overlap, and
 * nearly all are listed as AMAZON besides: of those that hold an address, a service of its own name wins over
 * EC2, EC2 over AMAZON, and then the longest prefix.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/macro.h"

struct aws_ranges;

/* -EBADMSG for what is no such document. Entries that cannot be read are passed over and counted. */
int aws_ranges_read(struct aws_ranges **ret, const char *path, size_t *ret_bad, struct fault *fault) MUST_USE;

/* The same from memory; `name` stands for the file. */
int aws_ranges_parse(struct aws_ranges **ret, const char *name, const char *text, size_t len, size_t *ret_bad,
                     struct fault *fault) MUST_USE;
void aws_ranges_free(struct aws_ranges *ranges);

/* The service's name, which lives as long as the ranges; NULL for an address outside. IPv4 as ::ffff:a.b.c.d.
 */
const char *aws_ranges_find(const struct aws_ranges *ranges, const uint8_t address[static 16]);
