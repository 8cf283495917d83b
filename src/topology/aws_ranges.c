/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/aws_ranges.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/buf.h"
#include "base/file.h"

#define FILE_MAX (64UL << 20)
#define NAME_MAX_LEN 64
#define SERVICES_MAX 254
#define NOBODY UINT8_MAX
#define DEEPEST 129 /* prefixes around one address, of each length one after duplicates are gone */

typedef unsigned __int128 key;

struct range {
    key low;
    key high;
    uint8_t service; /* index of a name */
    uint8_t rank;    /* the higher wins */
    uint8_t prefix;
};

/* Disjoint intervals: each goes on until the next begins. */
struct aws_ranges {
    char services[SERVICES_MAX][NAME_MAX_LEN + 1];
    uint8_t service_count;
    key *begins;     /* ascending; the first is 0 */
    uint8_t *owners; /* service or NOBODY */
    size_t count;
};

static key key_of(const uint8_t address[static 16])
{
    key k = 0;
    for (size_t i = 0; i < 16; i++)
        k = k << 8 | address[i];
    return k;
}

static uint8_t rank_of(const char *service)
{
    if (strcmp(service, "AMAZON") == 0)
        return 0;
    return strcmp(service, "EC2") == 0 ? 1 : 2;
}

static bool is_service(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    return len > 0 && len <= NAME_MAX_LEN &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

/* NOBODY when there is no room for another name. */
static uint8_t find_service(struct aws_ranges *ranges, const char *name)
{
    for (uint8_t i = 0; i < ranges->service_count; i++)
        if (strcmp(ranges->services[i], name) == 0)
            return i;
    if (ranges->service_count == SERVICES_MAX)
        return NOBODY;
    memcpy(ranges->services[ranges->service_count], name, strlen(name) + 1);
    return ranges->service_count++;
}

static bool read_range(struct aws_ranges *ranges, const json_t *entry, const char *member, struct range *ret)
{
    const char *block = json_string_value(json_object_get(entry, member));
    const char *service = json_string_value(json_object_get(entry, "service"));
    struct address_block parsed;
    if (!block || !is_service(service) || !address_block_parse(block, strlen(block), &parsed))
        return false;
    unsigned bits = parsed.prefix + (parsed.base.family == 4 ? 96 : 0);
    key size = bits ? (key)1 << (128 - bits) : 0;
    ret->low = key_of(parsed.base.bytes);
    ret->high = ret->low + (size - 1);
    ret->service = find_service(ranges, service);
    ret->rank = rank_of(service);
    ret->prefix = (uint8_t)bits;
    return ret->service != NOBODY;
}

/* An enclosing range before those within it; of equal ones the winner last. */
static int compare_ranges(const void *left, const void *right)
{
    const struct range *a = left;
    const struct range *b = right;
    if (a->low != b->low)
        return a->low < b->low ? -1 : 1;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return (a->service > b->service) - (a->service < b->service);
}

/* The last of equal ranges stays. */
static size_t remove_equal(struct range *list, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && list[kept - 1].low == list[i].low && list[kept - 1].prefix == list[i].prefix)
            kept--;
        list[kept++] = list[i];
    }
    return kept;
}

static void begin_interval(struct aws_ranges *ranges, key begin, uint8_t owner)
{
    if (ranges->count && ranges->begins[ranges->count - 1] == begin)
        ranges->count--;
    if (ranges->count && ranges->owners[ranges->count - 1] == owner)
        return;
    ranges->begins[ranges->count] = begin;
    ranges->owners[ranges->count++] = owner;
}

/* Prefixes lie within each other or apart, so those around a place are a stack. */
static void cut(struct aws_ranges *ranges, const struct range *list, size_t count)
{
    struct {
        key high;
        uint8_t service;
        uint8_t rank; /* of the winner so far */
    } stack[DEEPEST] = {0};
    size_t depth = 0;
    begin_interval(ranges, 0, NOBODY);
    for (size_t i = 0; i <= count; i++) {
        while (depth && (i == count || stack[depth - 1].high < list[i].low)) {
            key end = stack[--depth].high + 1;
            if (end) /* not beyond the last address */
                begin_interval(ranges, end, depth ? stack[depth - 1].service : NOBODY);
        }
        if (i == count)
            break;
        bool wins = !depth || list[i].rank >= stack[depth - 1].rank;
        stack[depth].high = list[i].high;
        stack[depth].service = wins ? list[i].service : stack[depth - 1].service;
        stack[depth].rank = wins ? list[i].rank : stack[depth - 1].rank;
        begin_interval(ranges, list[i].low, stack[depth++].service);
    }
}

static int build(struct aws_ranges *ranges, struct range *list, size_t count)
{
    if (count)
        qsort(list, count, sizeof *list, compare_ranges);
    count = remove_equal(list, count);
    ranges->begins = calloc(2 * count + 2, sizeof *ranges->begins);
    ranges->owners = calloc(2 * count + 2, 1);
    if (!ranges->begins || !ranges->owners)
        return -ENOMEM;
    cut(ranges, list, count);
    return 0;
}

static int read_lists(struct aws_ranges *ranges, const json_t *document, size_t *ret_bad)
{
    static const char *const lists[][2] = {{"prefixes", "ip_prefix"}, {"ipv6_prefixes", "ipv6_prefix"}};
    size_t most = 0;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        most += json_array_size(json_object_get(document, lists[i][0]));
    AUTO_FREE struct range *list = calloc(most + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        size_t k;
        const json_t *entry;
        json_array_foreach(json_object_get(document, lists[i][0]), k, entry)
        {
            if (read_range(ranges, entry, lists[i][1], &list[count]))
                count++;
        }
    }
    *ret_bad = most - count;
    return build(ranges, list, count);
}

int aws_ranges_parse(struct aws_ranges **ret, const char *name, const char *text, size_t len, size_t *ret_bad,
                     struct fault *fault)
{
    json_error_t error;
    json_t *document = json_loadb(text, len, 0, &error);
    int r = 0;
    if (!document)
        return fault_set(fault, -EBADMSG, "%s:%d: %s", name, error.line, error.text);
    struct aws_ranges *ranges = calloc(1, sizeof *ranges);
    if (!json_is_array(json_object_get(document, "prefixes")))
        r = fault_set(fault, -EBADMSG, "%s: there is no list \"prefixes\", as AWS's ip-ranges.json has it",
                      name);
    else if (!ranges || read_lists(ranges, document, ret_bad) < 0)
        r = fault_set(fault, -ENOMEM, "%s: out of memory", name);
    json_decref(document);
    if (r < 0)
        aws_ranges_free(ranges);
    else
        *ret = ranges;
    return r;
}

int aws_ranges_read(struct aws_ranges **ret, const char *path, size_t *ret_bad, struct fault *fault)
{
    AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
    int r = file_read(path, &text, fault);
    return r < 0 ? r : aws_ranges_parse(ret, path, text.data ? text.data : "", text.len, ret_bad, fault);
}

void aws_ranges_free(struct aws_ranges *ranges)
{
    if (!ranges)
        return;
    free(ranges->begins);
    free(ranges->owners);
    free(ranges);
}

const char *aws_ranges_find(const struct aws_ranges *ranges, const uint8_t address[static 16])
{
    key wanted = key_of(address);
    size_t low = 0;
    size_t high = ranges->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (ranges->begins[middle] <= wanted)
            low = middle;
        else
            high = middle;
    }
    uint8_t owner = ranges->owners[low];
    return owner == NOBODY ? NULL : ranges->services[owner];
}
