/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/suggest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Ports, and where they are needed from. */
struct range {
    uint32_t low;
    uint32_t high;
    size_t first; /* needs [first, last) */
    size_t last;
    struct address_block blocks[SUGGESTED_PER_RULE];
    size_t count;
};

struct suggesting {
    struct suggestion *to;
    const struct policy_rule *rule;
    const struct need *needs; /* of the rule, by ports and address */
    size_t count;
    size_t most_blocks; /* of a range; at most SUGGESTED_PER_RULE */
    size_t group_first; /* of the suggestions: where those of the rule's group begin */
    POLICY_LIST(struct range) ranges;
};

static unsigned width_of(const struct address *address)
{
    return address->family == 4 ? 32 : 128;
}

/* How many leading bits the two have in common, of the family's own. */
static unsigned common_bits(const struct address *a, const struct address *b)
{
    unsigned skipped = a->family == 4 ? 96 : 0;
    for (unsigned bit = skipped; bit < 128; bit++)
        if ((a->bytes[bit / 8] ^ b->bytes[bit / 8]) >> (7 - bit % 8) & 1)
            return bit - skipped;
    return 128 - skipped;
}

static struct address_block block_around(const struct address *address, unsigned prefix)
{
    struct address_block block = {*address, (uint8_t)prefix};
    unsigned kept = prefix + (address->family == 4 ? 96 : 0);
    for (unsigned bit = kept; bit < 128; bit++)
        block.base.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    return block;
}

/* How many blocks of that prefix hold the addresses, which are in order; at most one more than the limit. */
static size_t count_blocks(const struct address *addresses, size_t count, unsigned prefix, size_t most)
{
    size_t blocks = 1;
    for (size_t i = 1; i < count && blocks <= most; i++)
        blocks += common_bits(&addresses[i - 1], &addresses[i]) < prefix;
    return blocks;
}

/* Two halves of one block become it, as often as that goes; they add no address. */
static void join_halves(struct range *range)
{
    while (range->count > 1) {
        const struct address_block *a = &range->blocks[range->count - 2];
        const struct address_block *b = &range->blocks[range->count - 1];
        if (a->prefix != b->prefix || a->prefix == 0 || common_bits(&a->base, &b->base) != a->prefix - 1U)
            return;
        range->count--;
        range->blocks[range->count - 1] = block_around(&a->base, a->prefix - 1U);
    }
}

/* Addresses in order, as few blocks as are allowed, each as tight as its addresses let it be. */
static void cover(struct range *range, const struct address *addresses, size_t count, size_t most)
{
    unsigned prefix = width_of(&addresses[0]);
    while (prefix > 0 && count_blocks(addresses, count, prefix, most) > most)
        prefix--;
    range->count = 0;
    for (size_t first = 0, next; first < count; first = next) {
        next = first + 1;
        while (next < count && common_bits(&addresses[first], &addresses[next]) >= prefix)
            next++;
        range->blocks[range->count++] =
            block_around(&addresses[first], common_bits(&addresses[first], &addresses[next - 1]));
        join_halves(range);
    }
}

static int compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct address));
}

/* Sets the blocks of a range. */
static int cover_range(const struct suggesting *suggesting, struct range *range)
{
    const struct policy_rule *rule = suggesting->rule;
    if (rule->source != SOURCE_BLOCK) {
        range->count = 1;
        return 0;
    }
    AUTO_FREE struct address *addresses = calloc(range->last - range->first, sizeof *addresses);
    if (!addresses)
        return -ENOMEM;
    size_t count = range->last - range->first;
    for (size_t i = 0; i < count; i++)
        addresses[i] = suggesting->needs[range->first + i].peer;
    qsort(addresses, count, sizeof *addresses, compare_addresses);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (!address_equal(&addresses[i], &addresses[kept - 1]))
            addresses[kept++] = addresses[i];
    if (rule->block.prefix == 0 && kept > SUGGESTED_PER_RULE) {
        range->blocks[0] = rule->block;
        range->count = 1;
    } else {
        cover(range, addresses, kept, suggesting->most_blocks);
    }
    return 0;
}

static bool same_blocks(const struct range *a, const struct range *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = a->blocks[i].prefix == b->blocks[i].prefix &&
               address_equal(&a->blocks[i].base, &b->blocks[i].base);
    return same;
}

/* A range for each port; neighbours that are needed from the same blocks are one. */
static int make_ranges(struct suggesting *suggesting)
{
    const struct need *needs = suggesting->needs;
    for (size_t first = 0, next; first < suggesting->count; first = next) {
        struct range range = {.low = needs[first].low, .high = needs[first].high, .first = first};
        for (next = first + 1;
             next < suggesting->count && needs[next].low == range.low && needs[next].high == range.high;)
            next++;
        range.last = next;
        if (cover_range(suggesting, &range) < 0)
            return -ENOMEM;
        struct range *before =
            suggesting->ranges.count ? &suggesting->ranges.items[suggesting->ranges.count - 1] : NULL;
        if (before && before->high + 1 == range.low && same_blocks(before, &range)) {
            before->high = range.high;
            before->last = range.last;
            continue;
        }
        struct range *added = LIST_ADD(&suggesting->ranges);
        if (!added)
            return -ENOMEM;
        *added = range;
    }
    return 0;
}

/* The smallest gap between two neighbouring ranges of one protocol; 0 when there is none to close. */
static size_t smallest_gap(const struct suggesting *suggesting)
{
    size_t found = 0;
    uint32_t smallest = UINT32_MAX;
    for (size_t i = 1; i < suggesting->ranges.count; i++) {
        const struct range *a = &suggesting->ranges.items[i - 1];
        const struct range *b = &suggesting->ranges.items[i];
        if (a->low >> 16 == b->low >> 16 && b->low - a->high < smallest) {
            smallest = b->low - a->high;
            found = i;
        }
    }
    return found;
}

/* Too many ranges: the closest are taken together, with what lies between. */
static int close_gaps(struct suggesting *suggesting, size_t most)
{
    size_t at;
    while (suggesting->ranges.count > most && (at = smallest_gap(suggesting)) > 0) {
        struct range *items = suggesting->ranges.items;
        items[at - 1].high = items[at].high;
        items[at - 1].last = items[at].last;
        memmove(&items[at], &items[at + 1], (suggesting->ranges.count - at - 1) * sizeof *items);
        suggesting->ranges.count--;
    }
    for (size_t i = 0; i < suggesting->ranges.count; i++)
        if (cover_range(suggesting, &suggesting->ranges.items[i]) < 0)
            return -ENOMEM;
    return 0;
}

static bool same_rule(const struct policy_rule *a, const struct policy_rule *b)
{
    if (a->egress != b->egress || a->low != b->low || a->high != b->high || a->source != b->source)
        return false;
    if (a->source != SOURCE_BLOCK)
        return a->reference && b->reference && strcmp(a->reference, b->reference) == 0;
    return a->block.prefix == b->block.prefix && address_equal(&a->block.base, &b->block.base);
}

/* Once, however many rules of the group become it. */
static int add_rule(struct suggestion *to, size_t group_first, const struct policy_rule *rule)
{
    for (size_t i = group_first; i < to->rules.count; i++)
        if (same_rule(rule, &to->rules.items[i]))
            return 0;
    struct policy_rule *added = LIST_ADD(&to->rules);
    if (!added)
        return -ENOMEM;
    *added = *rule;
    return 0;
}

static int add_suggestion(struct suggesting *suggesting, const struct range *range,
                          const struct address_block *block)
{
    struct policy_rule rule = *suggesting->rule;
    const struct policy_group *group = rule.group;
    rule.id = NULL;
    rule.low = range->low;
    rule.high = range->high;
    if (rule.source == SOURCE_BLOCK)
        rule.block = *block;
    for (size_t i = 0; i < group->rules.count; i++)
        if (same_rule(&rule, &group->rules.items[i]))
            rule = group->rules.items[i];
    return add_rule(suggesting->to, suggesting->group_first, &rule);
}

static size_t count_rules(const struct suggesting *suggesting)
{
    size_t count = 0;
    for (size_t i = 0; i < suggesting->ranges.count; i++)
        count += suggesting->ranges.items[i].count;
    return count;
}

/* Ranges that are few enough: with less and less of one for more of the other. */
static int fit_ranges(struct suggesting *suggesting)
{
    static const struct {
        size_t ranges;
        size_t blocks;
    } shapes[] = {{SUGGESTED_PER_RULE, SUGGESTED_PER_RULE}, {8, 2}, {4, 4}, {2, 8}, {1, SUGGESTED_PER_RULE}};
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(shapes) && r == 0; i++) {
        suggesting->most_blocks = shapes[i].blocks;
        r = i == 0 ? make_ranges(suggesting) : close_gaps(suggesting, shapes[i].ranges);
        if (count_rules(suggesting) <= SUGGESTED_PER_RULE)
            break;
    }
    return r;
}

static int suggest_ranges(struct suggesting *suggesting)
{
    if (fit_ranges(suggesting) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < suggesting->ranges.count; i++) {
        const struct range *range = &suggesting->ranges.items[i];
        for (size_t n = 0; n < range->count; n++)
            if (add_suggestion(suggesting, range, &range->blocks[n]) < 0)
                return -ENOMEM;
    }
    return 0;
}

static int suggest_for_rule(struct suggestion *to, size_t group_first, const struct policy_rule *rule,
                            const struct rule_use *use, const struct need *needs, size_t count)
{
    struct fate fate = {.rule = rule, .first = to->rules.count};
    int r = 0;
    if (rule->doubt || use->has_too_many) {
        r = add_rule(to, group_first, rule);
    } else if (count == 0) {
        fate.fate = use->all.flows ? FATE_REDUNDANT : FATE_UNUSED;
    } else {
        struct suggesting suggesting = {
            .to = to, .group_first = group_first, .rule = rule, .needs = needs, .count = count};
        r = suggest_ranges(&suggesting);
        free(suggesting.ranges.items);
        fate.count = to->rules.count - fate.first;
        fate.fate = FATE_NARROWED;
        if (fate.count == 0)
            fate.fate = FATE_REDUNDANT;
        else if (fate.count == 1 && same_rule(rule, &to->rules.items[fate.first]))
            fate.fate = FATE_STAYS;
    }
    struct fate *added = r < 0 ? NULL : LIST_ADD(&to->fates);
    if (!added)
        return -ENOMEM;
    fate.count = to->rules.count - fate.first;
    *added = fate;
    return 0;
}

static int compare_needs(const void *a, const void *b)
{
    const struct need *x = a;
    const struct need *y = b;
    if (x->rule != y->rule)
        return x->rule < y->rule ? -1 : 1;
    if (x->low != y->low)
        return x->low < y->low ? -1 : 1;
    if (x->high != y->high)
        return x->high < y->high ? -1 : 1;
    return memcmp(&x->peer, &y->peer, sizeof x->peer);
}

static struct need *sorted_needs(const struct usage *usage)
{
    struct need *needs = calloc((size_t)usage->needs.count + 1, sizeof *needs);
    for (uint32_t i = 0; needs && i < usage->needs.count; i++)
        needs[i] = usage_need(usage, i);
    if (needs && usage->needs.count > 1)
        qsort(needs, usage->needs.count, sizeof *needs, compare_needs);
    return needs;
}

/* The first need of the rule, or where it would be. */
static size_t first_need(const struct need *needs, size_t count, const struct policy_rule *rule)
{
    size_t low = 0;
    while (count > 0) {
        size_t half = count / 2;
        if (needs[low + half].rule < rule) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

static int suggest_for_group(struct suggestion *to, const struct policy_group *group,
                             const struct usage *usage, const struct need *needs)
{
    size_t group_first = to->rules.count;
    for (size_t i = 0; i < group->rules.count; i++) {
        const struct policy_rule *rule = &group->rules.items[i];
        struct rule_use use = usage_of(usage, rule);
        size_t first = first_need(needs, usage->needs.count, rule);
        size_t count = 0;
        while (first + count < usage->needs.count && needs[first + count].rule == rule)
            count++;
        if (suggest_for_rule(to, group_first, rule, &use, &needs[first], count) < 0)
            return -ENOMEM;
    }
    return 0;
}

int suggest_rules(struct suggestion *ret, const struct policy *policy, const struct usage *usage,
                  const bool *seen)
{
    AUTO_FREE struct need *needs = sorted_needs(usage);
    *ret = (struct suggestion){0};
    if (!needs)
        return -ENOMEM;
    for (size_t i = 0; i < policy->groups.count; i++) {
        const struct policy_group *group = &policy->groups.items[i];
        if (!group->item.doubt && usage_has_group(policy, group, seen) &&
            suggest_for_group(ret, group, usage, needs) < 0)
            return -ENOMEM;
    }
    return 0;
}

void suggestion_done(struct suggestion *suggestion)
{
    free(suggestion->rules.items);
    free(suggestion->fates.items);
}
