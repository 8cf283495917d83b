/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Packets that were recorded and will never be delivered, until a later batch has told so. Each gap has a
 * number; numbers rise, and a batch says up to which one it tells.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "deliver/batch.h"

struct gap {
    struct interface_identity identity;
    uint64_t start; /* seconds since the epoch */
    uint64_t end;   /* exclusive */
    uint64_t packets;
    uint64_t number;
};

struct gaps {
    struct gap *list; /* owned; in order of numbers */
    size_t count;
    size_t capacity;
    uint64_t last_number;
    uint64_t being_told; /* gaps up to this number are being written and change no more */
};

void gaps_done(struct gaps *gaps);

/* Every interface of the account that has packets; joins gaps of one interface that meet. -ENOMEM: none is
 * added. */
int gaps_add(struct gaps *gaps, const struct batch_interface *interfaces, uint32_t count, uint64_t start,
             uint64_t end) MUST_USE;

/* Of all. */
uint64_t gaps_packets(const struct gaps *gaps);

/* Forgets those up to `number`. */
void gaps_forget(struct gaps *gaps, uint64_t number);

/* Those behind `number`. -ENOMEM. */
int gaps_copy_after(struct gaps *ret, const struct gaps *from, uint64_t number) MUST_USE;

json_t *gaps_print(const struct gaps *gaps);

/* -EBADMSG, -ENOMEM; *ret is empty then. */
int gaps_parse(struct gaps *ret, const json_t *list, uint64_t last_number) MUST_USE;
