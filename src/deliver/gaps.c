/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/gaps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/account.h"

void gaps_done(struct gaps *gaps)
{
    free(gaps->list);
    *gaps = (struct gaps){0};
}

static int reserve(struct gaps *gaps, size_t more)
{
    if (gaps->count + more <= gaps->capacity)
        return 0;
    size_t capacity = (gaps->count + more) * 2;
    struct gap *list = reallocarray(gaps->list, capacity, sizeof *list);
    if (!list)
        return -ENOMEM;
    gaps->list = list;
    gaps->capacity = capacity;
    return 0;
}

static struct gap *find_neighbour(const struct gaps *gaps, const struct interface_identity *identity,
                                  uint64_t start, uint64_t end)
{
    for (size_t i = gaps->count; i-- > 0 && gaps->list[i].number > gaps->being_told;) {
        struct gap *gap = &gaps->list[i];
        if (start <= gap->end && end >= gap->start && memcmp(&gap->identity, identity, sizeof *identity) == 0)
            return gap;
    }
    return NULL;
}

static void add(struct gaps *gaps, const struct gap *more)
{
    struct gap *gap = find_neighbour(gaps, &more->identity, more->start, more->end);
    if (!gap) {
        gaps->list[gaps->count] = *more;
        gaps->list[gaps->count++].number = ++gaps->last_number;
        return;
    }
    gap->start = gap->start < more->start ? gap->start : more->start;
    gap->end = gap->end > more->end ? gap->end : more->end;
    gap->packets += more->packets;
}

int gaps_add(struct gaps *gaps, const struct batch_interface *interfaces, uint32_t count, uint64_t start,
             uint64_t end)
{
    int r = reserve(gaps, count);
    for (uint32_t i = 0; r == 0 && i < count; i++) {
        const struct batch_sum *sum = &interfaces[i].sum;
        const struct gap gap = {.identity = interfaces[i].identity,
                                .start = start,
                                .end = end,
                                .packets = sum->packets + sum->lost};
        if (gap.packets)
            add(gaps, &gap);
    }
    return r;
}

uint64_t gaps_packets(const struct gaps *gaps)
{
    uint64_t packets = 0;
    for (size_t i = 0; i < gaps->count; i++)
        packets += gaps->list[i].packets;
    return packets;
}

void gaps_forget(struct gaps *gaps, uint64_t number)
{
    size_t kept = 0;
    for (size_t i = 0; i < gaps->count; i++)
        if (gaps->list[i].number > number)
            gaps->list[kept++] = gaps->list[i];
    gaps->count = kept;
}

int gaps_copy_after(struct gaps *ret, const struct gaps *from, uint64_t number)
{
    struct gaps gaps = {.last_number = from->last_number, .being_told = from->being_told};
    if (reserve(&gaps, from->count) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < from->count; i++)
        gaps.list[gaps.count++] = from->list[i];
    gaps_forget(&gaps, number);
    *ret = gaps;
    return 0;
}

json_t *gaps_print(const struct gaps *gaps)
{
    json_t *list = json_array();
    for (size_t i = 0; i < gaps->count; i++) {
        const struct gap *gap = &gaps->list[i];
        json_t *object = account_print_identity(&gap->identity);
        account_print_number(object, "start", gap->start);
        account_print_number(object, "end", gap->end);
        account_print_number(object, "packets", gap->packets);
        account_print_number(object, "number", gap->number);
        json_array_append_new(list, object);
    }
    return list;
}

static bool parse_gap(const json_t *object, struct gap *ret)
{
    return account_parse_identity(object, &ret->identity) &&
           account_parse_number(object, "start", &ret->start) &&
           account_parse_number(object, "end", &ret->end) && ret->end > ret->start &&
           account_parse_number(object, "packets", &ret->packets) &&
           account_parse_number(object, "number", &ret->number);
}

int gaps_parse(struct gaps *ret, const json_t *list, uint64_t last_number)
{
    struct gaps gaps = {.last_number = last_number};
    size_t count = json_array_size(list);
    if (!json_is_array(list))
        return -EBADMSG;
    if (reserve(&gaps, count) < 0)
        return -ENOMEM;
    for (; gaps.count < count; gaps.count++) {
        struct gap *gap = &gaps.list[gaps.count];
        uint64_t before = gaps.count ? gap[-1].number : 0;
        if (!parse_gap(json_array_get(list, gaps.count), gap) || gap->number <= before ||
            gap->number > last_number) {
            gaps_done(&gaps);
            return -EBADMSG;
        }
    }
    *ret = gaps;
    return 0;
}
