/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/link_table.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

static void link_free(struct link *link)
{
    if (!link)
        return;
    free(link->addresses);
    free(link);
}

void link_cleanup(struct link **link)
{
    link_free(*link);
}

void link_table_done(struct link_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        link_free(table->links[i]);
    free(table->links);
    *table = (struct link_table){0};
}

/* Where the link is, or would have to be inserted. */
static size_t table_position(const struct link_table *table, uint32_t ifindex)
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->links[middle]->ifindex < ifindex)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct link *link_table_find(const struct link_table *table, uint32_t ifindex)
{
    size_t at = table_position(table, ifindex);
    return at < table->count && table->links[at]->ifindex == ifindex ? table->links[at] : NULL;
}

struct link *link_table_add(struct link_table *table, const struct link *link)
{
    size_t at = table_position(table, link->ifindex);
    if (at < table->count && table->links[at]->ifindex == link->ifindex)
        return table->links[at];
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : 16;
        struct link **links = reallocarray(table->links, capacity, sizeof(struct link *));
        if (!links)
            return NULL;
        table->links = links;
        table->capacity = capacity;
    }
    struct link *copy = malloc(sizeof *copy);
    if (!copy)
        return NULL;
    *copy = *link;
    memmove(table->links + at + 1, table->links + at, (table->count - at) * sizeof(struct link *));
    table->links[at] = copy;
    table->count++;
    return copy;
}

struct link *link_table_remove(struct link_table *table, uint32_t ifindex)
{
    size_t at = table_position(table, ifindex);
    if (at >= table->count || table->links[at]->ifindex != ifindex)
        return NULL;
    struct link *link = table->links[at];
    table->count--;
    memmove(table->links + at, table->links + at + 1, (table->count - at) * sizeof(struct link *));
    return link;
}

static int address_order(const void *left, const void *right)
{
    const struct link_address *a = left;
    const struct link_address *b = right;
    int rank_a = (a->scope != RT_SCOPE_UNIVERSE) * 2 + a->secondary;
    int rank_b = (b->scope != RT_SCOPE_UNIVERSE) * 2 + b->secondary;
    if (rank_a != rank_b)
        return rank_a - rank_b;
    if (a->created != b->created)
        return a->created < b->created ? -1 : 1;
    return memcmp(a->address.bytes, b->address.bytes, sizeof a->address.bytes);
}

static struct link_address *link_address_find(const struct link *link, const struct address *address)
{
    for (unsigned i = 0; i < link->address_count; i++)
        if (address_equal(&link->addresses[i].address, address))
            return &link->addresses[i];
    return NULL;
}

static bool link_address_equal(const struct link_address *a, const struct link_address *b)
{
    return address_equal(&a->address, &b->address) && a->prefix == b->prefix && a->scope == b->scope &&
           a->secondary == b->secondary && a->created == b->created;
}

int link_put_address(struct link *link, const struct link_address *address)
{
    struct link_address *known = link_address_find(link, &address->address);
    if (known && link_address_equal(known, address))
        return 0;
    if (!known) {
        struct link_address *more =
            reallocarray(link->addresses, link->address_count + 1, sizeof *link->addresses);
        if (!more)
            return -ENOMEM;
        link->addresses = more;
        known = &more[link->address_count++];
    }
    *known = *address;
    qsort(link->addresses, link->address_count, sizeof *link->addresses, address_order);
    return 1;
}

int link_drop_address(struct link *link, const struct address *address)
{
    struct link_address *known = link_address_find(link, address);
    if (!known)
        return 0;
    size_t after = (size_t)(link->addresses + link->address_count - (known + 1));
    memmove(known, known + 1, after * sizeof *known);
    link->address_count--;
    return 1;
}

bool link_same(const struct link *a, const struct link *b)
{
    return strcmp(a->name, b->name) == 0 && a->type == b->type && a->mac_len == b->mac_len &&
           memcmp(a->mac, b->mac, a->mac_len) == 0 && a->flags == b->flags && strcmp(a->kind, b->kind) == 0 &&
           a->lower == b->lower && a->master == b->master;
}

bool link_same_addresses(const struct link *a, const struct link *b)
{
    if (a->address_count != b->address_count)
        return false;
    for (unsigned i = 0; i < a->address_count; i++)
        if (!link_address_equal(&a->addresses[i], &b->addresses[i]))
            return false;
    return true;
}
