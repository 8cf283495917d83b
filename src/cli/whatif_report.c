/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/whatif_report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/answers.h"
#include "policy/aws_form.h"
#include "policy/reason.h"
#include "record/json.h"

enum { TEXT_FLIPS = 20, TEXT_PEERS = 5, JSON_PEERS = 100, TEXT_RULES = 200 };

static const char *const fate_names[] = {"stays", "narrowed", "redundant", "unused"};

static void json_totals(struct buf *buf, const struct totals *totals)
{
    buf_printf(buf, ",\"flows\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64, totals->flows,
               totals->packets, totals->bytes);
    if (totals->flows)
        buf_printf(buf, ",\"first\":%" PRIu64 ",\"last\":%" PRIu64, totals->first_s, totals->last_s);
    else
        buf_text(buf, ",\"first\":null,\"last\":null");
}

/* The flip as explain would tell it, before or after. */
static struct explained explained_flip(const struct flip *flip, bool after)
{
    struct explained explained = {
        .interface = after ? flip->proposed : flip->interface,
        .packet = flip->packet,
        .decision = after ? flip->after : flip->before,
    };
    explained.packet.source = flip->source.bytes;
    explained.packet.destination = flip->destination.bytes;
    return explained;
}

static bool is_shut_out(const struct flip *flip)
{
    return flip->before.verdict == VERDICT_ACCEPT;
}

static int compare_flips(const void *a, const void *b)
{
    const struct flip *x = *(const struct flip *const *)a;
    const struct flip *y = *(const struct flip *const *)b;
    if (is_shut_out(x) != is_shut_out(y))
        return is_shut_out(x) ? -1 : 1;
    if (x->totals.flows != y->totals.flows)
        return x->totals.flows > y->totals.flows ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* What would be shut out first, each with the most flows first; NULL without memory or flips. Owned. */
static const struct flip **sorted_flips(const struct whatif *whatif)
{
    const struct flip **flips = calloc(whatif->flips.count + 1, sizeof(const struct flip *));
    for (size_t i = 0; flips && i < whatif->flips.count; i++)
        flips[i] = &whatif->flips.items[i];
    if (flips)
        qsort(flips, whatif->flips.count, sizeof(const struct flip *), compare_flips);
    return flips;
}

/* The peers of a flip, which stand together. */
static const struct flip_peer *peers_of(const struct whatif *whatif, const struct flip *flip)
{
    uint32_t number = (uint32_t)(flip - whatif->flips.items);
    size_t low = 0;
    for (size_t count = whatif->peers.count; count > 0;) {
        size_t half = count / 2;
        bool before = whatif->peers.items[low + half].flip < number;
        low = before ? low + half + 1 : low;
        count = before ? count - half - 1 : half;
    }
    return &whatif->peers.items[low];
}

static void json_flip(struct buf *buf, const struct whatif *whatif, const struct flip *flip)
{
    const struct flip_peer *peers = peers_of(whatif, flip);
    struct explained before = explained_flip(flip, false);
    struct explained after = explained_flip(flip, true);
    buf_printf(buf, "{\"kind\":\"flip\",\"change\":\"%s\"", is_shut_out(flip) ? "shut-out" : "admitted");
    json_write_member(buf, ",\"interface-id\":", flip->interface->item.id);
    buf_printf(buf, ",\"flow-direction\":\"%s\",\"protocol\":%u,\"port\":%u,\"reply\":%s",
               flip->packet.egress ? "egress" : "ingress", flip->packet.protocol, flip->port,
               flip->reply ? "true" : "false");
    json_totals(buf, &flip->totals);
    buf_printf(buf, ",\"peers\":%u,\"peer-list\":[", flip->peers);
    for (uint32_t i = 0; i < flip->peers && i < JSON_PEERS; i++) {
        buf_text(buf, i ? ",{\"address\":\"" : "{\"address\":\"");
        address_print(&peers[i].address, buf);
        buf_char(buf, '"');
        json_totals(buf, &peers[i].totals);
        buf_char(buf, '}');
    }
    buf_text(buf, "],\"before\":{");
    answers_print_verdict(buf, &before);
    buf_text(buf, "},\"after\":{");
    answers_print_verdict(buf, &after);
    buf_text(buf, "}}\n");
}

static struct totals flips_of(const struct whatif *whatif, bool shut_out)
{
    return shut_out ? whatif->verdicts[VERDICT_ACCEPT][VERDICT_REJECT]
                    : whatif->verdicts[VERDICT_REJECT][VERDICT_ACCEPT];
}

static struct totals unsure_flows(const struct whatif *whatif)
{
    struct totals sum = {0};
    for (int i = 0; i < 3; i++)
        for (int n = 0; n < 3; n++)
            if ((i == VERDICT_UNKNOWN || n == VERDICT_UNKNOWN) && whatif->verdicts[i][n].flows)
                totals_add(&sum, &whatif->verdicts[i][n]);
    return sum;
}

static void json_sum(struct buf *buf, const char *name, struct totals totals)
{
    buf_printf(buf, ",\"%s\":{\"flows\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", name,
               totals.flows, totals.packets, totals.bytes);
}

static void json_summary(struct buf *buf, const struct whatif *whatif)
{
    buf_printf(buf, "{\"kind\":\"summary\",\"records\":%" PRIu64, whatif->records);
    json_totals(buf, &whatif->totals);
    json_sum(buf, "accepted", whatif->verdicts[VERDICT_ACCEPT][VERDICT_ACCEPT]);
    json_sum(buf, "rejected", whatif->verdicts[VERDICT_REJECT][VERDICT_REJECT]);
    json_sum(buf, "shut-out", flips_of(whatif, true));
    json_sum(buf, "admitted", flips_of(whatif, false));
    json_sum(buf, "cannot-tell", unsure_flows(whatif));
    json_sum(buf, "against-documents", whatif->against);
    buf_printf(buf,
               ",\"skipdata\":%" PRIu64 ",\"flips-not-held\":%" PRIu64 ",\"peers-not-held\":%" PRIu64
               ",\"not-noted\":%" PRIu64 "}\n",
               whatif->gaps, whatif->flips_not_held, whatif->peers_not_held, whatif->not_noted);
}

/* A rule and the source it names, in words. */
struct listed {
    const struct policy_rule *rule;
    const struct policy_acl *acl; /* whose entry it is; NULL for a group's rule */
    struct rule_use use;
};

struct listing {
    POLICY_LIST(struct listed) items;
    const char *set; /* "current" or "proposed" */
};

static void list_rule(struct listing *listing, const struct policy_rule *rule, const struct policy_acl *acl,
                      const struct usage *usage)
{
    struct listed *added = LIST_ADD(&listing->items);
    if (added)
        *added = (struct listed){.rule = rule, .acl = acl, .use = usage_of(usage, rule)};
}

/* The rules that the traffic was held against. */
static void list_rules(struct listing *ret, const char *set, const struct policy *policy,
                       const struct usage *usage, const bool *seen)
{
    *ret = (struct listing){.set = set};
    for (size_t i = 0; i < policy->groups.count; i++)
        for (size_t n = 0; usage_has_group(policy, &policy->groups.items[i], seen) &&
                           n < policy->groups.items[i].rules.count;
             n++)
            list_rule(ret, &policy->groups.items[i].rules.items[n], NULL, usage);
    for (size_t i = 0; i < policy->acls.count; i++)
        for (size_t n = 0;
             usage_has_acl(policy, &policy->acls.items[i], seen) && n < policy->acls.items[i].entries.count;
             n++)
            list_rule(ret, &policy->acls.items[i].entries.items[n], &policy->acls.items[i], usage);
}

static void json_rules(struct buf *buf, const struct listing *listing)
{
    for (size_t i = 0; i < listing->items.count; i++) {
        const struct listed *one = &listing->items.items[i];
        AUTO_BUF struct buf words = BUF_INIT(4096);
        reason_print_rule(&words, one->rule);
        buf_printf(buf, "{\"kind\":\"rule\",\"set\":\"%s\",\"used\":%s,\"egress\":%s", listing->set,
                   one->use.all.flows ? "true" : "false", one->rule->egress ? "true" : "false");
        if (one->acl) {
            json_write_member(buf, ",\"control\":\"network-acl\",\"network_acl_id\":", one->acl->item.id);
            buf_printf(buf, ",\"rule_number\":%d,\"action\":\"%s\"", one->rule->number,
                       one->rule->deny ? "deny" : "allow");
        } else {
            json_write_member(buf,
                              ",\"control\":\"security-group\",\"group_id\":", one->rule->group->item.id);
            json_write_member(buf, ",\"rule_id\":", one->rule->id);
            buf_printf(buf, ",\"flows-it-alone-admits\":%" PRIu64, one->use.alone);
        }
        json_write_member(buf, ",\"rule\":", buf_string(&words));
        json_totals(buf, &one->use.all);
        buf_text(buf, "}\n");
    }
}

static void print_source(struct buf *buf, const struct policy_rule *rule)
{
    if (rule->source != SOURCE_BLOCK) {
        buf_text(buf, rule->reference ? rule->reference : "?");
        return;
    }
    address_print(&rule->block.base, buf);
    buf_printf(buf, "/%u", rule->block.prefix);
}

static int compare_sources(const struct policy_rule *x, const struct policy_rule *y)
{
    if (x->egress != y->egress)
        return x->egress - y->egress;
    if (x->source != y->source)
        return x->source - y->source;
    if (x->source != SOURCE_BLOCK)
        return strcmp(x->reference ? x->reference : "", y->reference ? y->reference : "");
    int order = memcmp(&x->block.base, &y->block.base, sizeof x->block.base);
    return order ? order : x->block.prefix - y->block.prefix;
}

static int compare_listed(const void *a, const void *b)
{
    return compare_sources(((const struct listed *)a)->rule, ((const struct listed *)b)->rule);
}

/* Calls `print` for each source of groups' rules that no traffic came from (or went to), with how many rules
 * name it. Leaves the list in their order. */
static size_t each_unused_source(struct listing *listing,
                                 void (*print)(struct buf *buf, const struct listing *listing,
                                               const struct policy_rule *rule, size_t rules),
                                 struct buf *buf)
{
    size_t count = 0;
    if (listing->items.count > 1)
        qsort(listing->items.items, listing->items.count, sizeof *listing->items.items, compare_listed);
    for (size_t first = 0, next; first < listing->items.count; first = next) {
        const struct listed *items = listing->items.items;
        size_t rules = 0;
        uint64_t flows = 0;
        const struct policy_rule *named = NULL;
        for (next = first; next < listing->items.count && compare_listed(&items[first], &items[next]) == 0;
             next++) {
            if (items[next].acl)
                continue;
            named = items[next].rule;
            rules++;
            flows += items[next].use.all.flows;
        }
        if (rules == 0 || flows)
            continue;
        print(buf, listing, named, rules);
        count++;
    }
    return count;
}

static void json_source(struct buf *buf, const struct listing *listing, const struct policy_rule *rule,
                        size_t rules)
{
    AUTO_BUF struct buf source = BUF_INIT(4096);
    print_source(&source, rule);
    buf_printf(buf, "{\"kind\":\"unused-source\",\"set\":\"%s\",\"egress\":%s", listing->set,
               rule->egress ? "true" : "false");
    json_write_member(buf, ",\"source\":", buf_string(&source));
    buf_printf(buf, ",\"rules\":%zu}\n", rules);
}

static void json_unsure(struct buf *buf, const struct whatif *whatif)
{
    for (size_t i = 0; i < whatif->unsure.count; i++) {
        const struct unsure *one = &whatif->unsure.items[i];
        buf_printf(buf, "{\"kind\":\"cannot-tell\",\"set\":\"%s\"", one->proposed ? "proposed" : "current");
        json_write_member(buf, ",\"because\":", one->why);
        json_totals(buf, &one->totals);
        buf_text(buf, "}\n");
    }
}

/* What narrower rules would shut out, recorded or not. */
static void print_shut_out(struct buf *buf, const struct suggestion *suggestion, const struct fate *fate)
{
    reason_print_rule(buf, fate->rule);
    if (fate->fate == FATE_UNUSED) {
        buf_text(buf, ": all of it, as no recorded traffic used it");
        return;
    }
    if (fate->fate == FATE_REDUNDANT) {
        buf_text(buf, ": what no other rule admits; nothing of it was recorded");
        return;
    }
    buf_text(buf, ", except ");
    for (size_t i = 0; i < fate->count && i < TEXT_PEERS; i++) {
        buf_text(buf, i ? "; " : "");
        reason_print_rule(buf, &suggestion->rules.items[fate->first + i]);
    }
    if (fate->count > TEXT_PEERS)
        buf_printf(buf, "; and %zu more", fate->count - TEXT_PEERS);
}

static bool is_there_already(const struct policy_rule *rule)
{
    const struct policy_group *group = rule->group;
    for (size_t i = 0; i < group->rules.count; i++) {
        const struct policy_rule *other = &group->rules.items[i];
        if (other->egress == rule->egress && other->low == rule->low && other->high == rule->high &&
            compare_sources(other, rule) == 0)
            return true;
    }
    return false;
}

static bool is_suggested(const struct suggestion *suggestion, const struct policy_rule *rule)
{
    for (size_t i = 0; i < suggestion->rules.count; i++) {
        const struct policy_rule *other = &suggestion->rules.items[i];
        if (other->group == rule->group && other->low == rule->low && other->high == rule->high &&
            compare_sources(other, rule) == 0)
            return true;
    }
    return false;
}

static void json_suggestion(struct buf *buf, const struct suggestion *suggestion)
{
    for (size_t i = 0; i < suggestion->rules.count; i++) {
        const struct policy_rule *rule = &suggestion->rules.items[i];
        AUTO_BUF struct buf command = BUF_INIT(65536);
        bool is_new = !is_there_already(rule);
        aws_form_print_authorize(&command, rule);
        buf_printf(buf, "{\"kind\":\"suggested-rule\",\"new\":%s,\"rule\":", is_new ? "true" : "false");
        aws_form_print_flat(buf, rule);
        json_write_member(buf, ",\"command\":", is_new ? buf_string(&command) : NULL);
        buf_text(buf, "}\n");
    }
    for (size_t i = 0; i < suggestion->fates.count; i++) {
        const struct fate *fate = &suggestion->fates.items[i];
        AUTO_BUF struct buf words = BUF_INIT(65536);
        AUTO_BUF struct buf command = BUF_INIT(65536);
        bool goes = fate->fate != FATE_STAYS && !is_suggested(suggestion, fate->rule);
        aws_form_print_revoke(&command, fate->rule);
        print_shut_out(&words, suggestion, fate);
        buf_printf(buf, "{\"kind\":\"present-rule\",\"becomes\":\"%s\",\"rule\":", fate_names[fate->fate]);
        aws_form_print_flat(buf, fate->rule);
        json_write_member(buf, ",\"newly-shut-out\":", fate->fate == FATE_STAYS ? NULL : buf_string(&words));
        json_write_member(buf, ",\"command\":", goes ? buf_string(&command) : NULL);
        buf_text(buf, "}\n");
    }
}

void whatif_report_json(const struct whatif_report *report, struct buf *to)
{
    const struct whatif *whatif = report->whatif;
    AUTO_FREE const struct flip **flips = sorted_flips(whatif);
    struct listing listing;
    json_summary(to, whatif);
    for (size_t i = 0; flips && i < whatif->flips.count; i++)
        json_flip(to, whatif, flips[i]);
    json_unsure(to, whatif);
    list_rules(&listing, "current", report->policy, &whatif->before, whatif->seen);
    json_rules(to, &listing);
    (void)each_unused_source(&listing, json_source, to);
    free(listing.items.items);
    if (report->proposed) {
        list_rules(&listing, "proposed", report->proposed, &whatif->after, whatif->seen_after);
        json_rules(to, &listing);
        (void)each_unused_source(&listing, json_source, to);
        free(listing.items.items);
    }
    json_suggestion(to, report->suggestion);
}

static void text_peers(struct buf *buf, const struct whatif *whatif, const struct flip *flip)
{
    const struct flip_peer *peers = peers_of(whatif, flip);
    buf_printf(buf, "    %u peer%s: ", flip->peers, flip->peers == 1 ? "" : "s");
    for (uint32_t i = 0; i < flip->peers && i < TEXT_PEERS; i++) {
        buf_text(buf, i ? ", " : "");
        address_print(&peers[i].address, buf);
        buf_printf(buf, " (%" PRIu64 ")", peers[i].totals.flows);
    }
    buf_text(buf, flip->peers > TEXT_PEERS ? ", …\n" : "\n");
}

static void text_flip(struct buf *buf, const struct whatif *whatif, const struct flip *flip)
{
    static const struct {
        uint8_t number;
        const char *name;
    } protocols[] = {{1, "icmp"}, {6, "tcp"}, {17, "udp"}, {58, "icmpv6"}};
    struct explained before = explained_flip(flip, false);
    struct explained after = explained_flip(flip, true);
    const char *name = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        name = protocols[i].number == flip->packet.protocol ? protocols[i].name : name;
    buf_printf(buf, "  %s %s ", flip->interface->item.id, flip->packet.egress ? "egress" : "ingress");
    if (name)
        buf_text(buf, name);
    else
        buf_printf(buf, "protocol %u", flip->packet.protocol);
    if (flip->packet.protocol == 6 || flip->packet.protocol == 17)
        buf_printf(buf, " %u", flip->port);
    buf_text(buf, flip->reply ? ", answers: " : ": ");
    answers_print_totals(buf, &flip->totals);
    buf_char(buf, '\n');
    text_peers(buf, whatif, flip);
    buf_text(buf, "    now:  ");
    reason_print(buf, before.interface, &before.packet, &before.decision);
    buf_text(buf, "\n    then: ");
    reason_print(buf, after.interface, &after.packet, &after.decision);
    buf_char(buf, '\n');
}

static void text_flips(struct buf *buf, const struct whatif *whatif, const struct flip *const *flips,
                       bool shut_out)
{
    struct totals totals = flips_of(whatif, shut_out);
    size_t told = 0;
    size_t count = 0;
    buf_text(buf, shut_out ? "\nWould be shut out: " : "\nWould be admitted: ");
    if (totals.flows == 0) {
        buf_text(buf, "nothing that was recorded\n");
        return;
    }
    answers_print_totals(buf, &totals);
    buf_char(buf, '\n');
    for (size_t i = 0; flips && i < whatif->flips.count; i++) {
        if (is_shut_out(flips[i]) != shut_out)
            continue;
        count++;
        if (told >= TEXT_FLIPS)
            continue;
        told++;
        text_flip(buf, whatif, flips[i]);
    }
    if (count > told)
        buf_printf(buf, "  and %zu more kinds; -o json has all\n", count - told);
}

static void text_summary(struct buf *buf, const struct whatif *whatif, bool compared)
{
    struct totals unsure = unsure_flows(whatif);
    buf_text(buf, "Records of traffic: ");
    answers_print_totals(buf, &whatif->totals);
    buf_printf(buf, "\n  %s: %" PRIu64 " accepted, %" PRIu64 " rejected\n",
               compared ? "verdict stays" : "verdict", whatif->verdicts[VERDICT_ACCEPT][VERDICT_ACCEPT].flows,
               whatif->verdicts[VERDICT_REJECT][VERDICT_REJECT].flows);
    if (whatif->against.flows)
        buf_printf(buf,
                   "  %" PRIu64
                   " records say other than the present documents: these changed since, or do not "
                   "tell everything (flowlog explain)\n",
                   whatif->against.flows);
    if (whatif->gaps)
        buf_printf(buf, "  %" PRIu64 " SKIPDATA records: there was more traffic than was recorded\n",
                   whatif->gaps);
    if (whatif->not_noted)
        buf_printf(buf, "  %" PRIu64 " records found no place in the history: judged by the rules alone\n",
                   whatif->not_noted);
    if (unsure.flows == 0)
        return;
    buf_printf(buf, "  cannot tell: %" PRIu64 "\n", unsure.flows);
    for (size_t i = 0; i < whatif->unsure.count; i++)
        buf_printf(buf, "    %" PRIu64 " by the %s documents, because %s\n",
                   whatif->unsure.items[i].totals.flows,
                   whatif->unsure.items[i].proposed ? "proposed" : "present", whatif->unsure.items[i].why);
}

static void text_source(struct buf *buf, const struct listing *listing, const struct policy_rule *rule,
                        size_t rules)
{
    (void)listing;
    buf_text(buf, rule->egress ? "  to " : "  from ");
    print_source(buf, rule);
    buf_printf(buf, " (%zu rule%s)\n", rules, rules == 1 ? "" : "s");
}

static void text_unused(struct buf *buf, struct listing *listing)
{
    size_t told = 0;
    for (size_t i = 0; i < listing->items.count; i++) {
        const struct listed *one = &listing->items.items[i];
        if (one->use.all.flows || (one->acl && one->rule->number >= ACL_DEFAULT_DENY(4)))
            continue;
        if (told++ == 0)
            buf_printf(buf, "\nRules that no recorded traffic used, %s documents:\n",
                       listing->set[0] == 'c' ? "present" : "proposed");
        if (told > TEXT_RULES)
            continue;
        buf_printf(buf, "  %s %s ", one->acl ? one->acl->item.id : one->rule->group->item.id,
                   one->rule->egress ? "egress" : "ingress");
        if (one->acl)
            buf_printf(buf, "entry %d %s ", one->rule->number, one->rule->deny ? "deny" : "allow");
        reason_print_rule(buf, one->rule);
        if (one->rule->id)
            buf_printf(buf, " (%s)", one->rule->id);
        buf_char(buf, '\n');
    }
    if (told > TEXT_RULES)
        buf_printf(buf, "  and %zu more; -o json has all\n", told - TEXT_RULES);
    AUTO_BUF struct buf sources = BUF_INIT(16UL * 1024 * 1024);
    if (each_unused_source(listing, text_source, &sources) == 0)
        return;
    buf_printf(buf, "\nSources no rule needs, %s documents:\n",
               listing->set[0] == 'c' ? "present" : "proposed");
    buf_append(buf, sources.data, sources.len);
}

static void text_suggestion(struct buf *buf, const struct suggestion *suggestion)
{
    if (suggestion->fates.count == 0)
        return;
    buf_text(buf, "\nThe smallest rules that admit what was seen (a suggestion: nothing is changed):\n");
    for (size_t i = 0; i < suggestion->rules.count; i++) {
        const struct policy_rule *rule = &suggestion->rules.items[i];
        buf_printf(buf, "  %s %s ", rule->group->item.id, rule->egress ? "egress" : "ingress");
        reason_print_rule(buf, rule);
        buf_text(buf, is_there_already(rule) ? "\n" : ", new\n");
    }
    buf_text(buf, "They would newly shut out:\n");
    for (size_t i = 0; i < suggestion->fates.count; i++) {
        const struct fate *fate = &suggestion->fates.items[i];
        if (fate->fate == FATE_STAYS)
            continue;
        buf_printf(buf, "  %s %s ", fate->rule->group->item.id, fate->rule->egress ? "egress" : "ingress");
        print_shut_out(buf, suggestion, fate);
        buf_char(buf, '\n');
    }
    buf_text(buf, "Commands for it:\n");
    for (size_t i = 0; i < suggestion->rules.count; i++) {
        if (is_there_already(&suggestion->rules.items[i]))
            continue;
        buf_text(buf, "  ");
        aws_form_print_authorize(buf, &suggestion->rules.items[i]);
        buf_char(buf, '\n');
    }
    for (size_t i = 0; i < suggestion->fates.count; i++) {
        const struct fate *fate = &suggestion->fates.items[i];
        if (fate->fate == FATE_STAYS || is_suggested(suggestion, fate->rule))
            continue;
        buf_text(buf, "  ");
        aws_form_print_revoke(buf, fate->rule);
        buf_char(buf, '\n');
    }
}

void whatif_report_text(const struct whatif_report *report, struct buf *to)
{
    const struct whatif *whatif = report->whatif;
    AUTO_FREE const struct flip **flips = sorted_flips(whatif);
    struct listing listing;
    text_summary(to, whatif, report->proposed != NULL);
    if (report->proposed) {
        text_flips(to, whatif, flips, true);
        text_flips(to, whatif, flips, false);
    }
    list_rules(&listing, "current", report->policy, &whatif->before, whatif->seen);
    text_unused(to, &listing);
    free(listing.items.items);
    if (report->proposed) {
        list_rules(&listing, "proposed", report->proposed, &whatif->after, whatif->seen_after);
        text_unused(to, &listing);
        free(listing.items.items);
    }
    text_suggestion(to, report->suggestion);
}

void whatif_report_document(const struct suggestion *suggestion, struct buf *to)
{
    buf_text(to, "{\"SecurityGroupRules\":[");
    for (size_t i = 0; i < suggestion->rules.count; i++) {
        buf_text(to, i ? ",\n" : "\n");
        aws_form_print_flat(to, &suggestion->rules.items[i]);
    }
    buf_text(to, "\n]}\n");
}
