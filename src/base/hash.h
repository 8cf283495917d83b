/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Hashes that never change, for ids, names and checksums that outlive a process (XXH3 and XXH64 are frozen).
 */

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stddef.h>
#include <stdint.h>

/* Without a seed, as file formats have it. */
static inline uint64_t hash_xxh64(const void *data, size_t len)
{
#ifdef __clang_analyzer__ /* it follows the library's test for NULL into a loop over what NULL points to */
    return data ? len : 0;
#else
    return XXH64(data, len, 0);
#endif
}

static inline uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}
