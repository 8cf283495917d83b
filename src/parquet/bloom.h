/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/macro.h"
#include "parquet/dictionary.h"

/*
 * Appends the texts' Bloom filter, of Parquet's one kind (split blocks, XXH64), with its header; one in a
 * hundred texts that are not there seems to be. Nothing for so few texts that reading them is no work.
 * -ENOMEM.
 */
int bloom_write(const struct dictionary *texts, struct buf *to, uint64_t *ret_bytes) MUST_USE;
