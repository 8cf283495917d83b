/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/findings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/asked.h"
#include "answer/asymmetry.h"
#include "base/cleanup.h"
#include "bpf/parse.h"
#include "policy/reason.h"
#include "record/text.h"

enum { KINDS_MAX = 100000 };

const char *const severity_names[SEVERITIES] = {"high", "medium", "low", "info"};

/* What records may show. */
enum sight {
    SIGHT_ANSWER_DROPPED,   /* an ACL rejects the answer to what was let through */
    SIGHT_REJECTED_INSIDE,  /* a group or ACL rejects what comes from private addresses */
    SIGHT_REJECTED_OUTSIDE, /* or from elsewhere */
    SIGHT_NO_ROUTE,         /* no active route leads there */
    SIGHT_OTHER_PATH,       /* the path recorded is not the route's */
    SIGHT_AGAINST,          /* the record's action is not what the documents say */
    SIGHTS,
    SIGHT_ADMITTED = SIGHTS, /* what a group's rule admits: examples for findings of rules */
};

static const struct sight_row {
    const char *kind;
    enum severity severity;
    const char *title;
    const char *todo;
} sight_rows[SIGHTS] = {
    [SIGHT_ANSWER_DROPPED] =
        {"acl-drops-answers", SEVERITY_HIGH, "a network ACL lets requests in and drops their answers",
         "Network ACLs track no connections: allow the clients' ephemeral ports (1024-65535) the "
         "other way, for the same addresses, before the entry that denies them."},
    [SIGHT_REJECTED_INSIDE] =
        {"too-tight", SEVERITY_MEDIUM, "traffic between private addresses is rejected",
         "If it is meant to work, add a rule for this port and source; else find out who keeps "
         "asking (flowlog timeline)."},
    [SIGHT_REJECTED_OUTSIDE] =
        {"rejected-from-outside", SEVERITY_INFO,
         "traffic with public addresses is rejected, as scans from the Internet mostly are",
         "Nothing, unless you know the other end: then a rule is missing."},
    [SIGHT_NO_ROUTE] =
        {"no-route", SEVERITY_MEDIUM, "traffic leaves for where no active route leads",
         "Add the route or repair its target; until then such packets arrive nowhere, whatever ACCEPT says."},
    [SIGHT_OTHER_PATH] =
        {"unexpected-path", SEVERITY_MEDIUM, "traffic takes another path than the route table says",
         "Compare the route table with what is meant: the documents may be older than the records."},
    [SIGHT_AGAINST] =
        {"against-documents", SEVERITY_MEDIUM, "records say other than the documents",
         "Fetch the documents again; what remains is another control, or late packets of closed "
         "connections (flowlog explain tells each)."},
};

struct sight_key {
    const void *interface;
    const void *rules[3]; /* group rule, ACL and entry */
    const void *route;
    uint32_t port;
    uint8_t sight;
    uint8_t protocol;
    uint8_t egress;
    uint8_t verdict;
};

_Static_assert(sizeof(struct sight_key) == 5 * sizeof(void *) + 8, "the key has no padding");

struct seen {
    struct flip example; /* `before` alone is used; its packet's addresses are its own */
    enum sight sight;
    struct totals totals;
    uint64_t path; /* traffic-path recorded */
    char *records[FINDING_RECORDS_MAX];
    size_t record_count;
};

struct run {
    const struct findings_options *options;
    struct findings *found;
    struct numbering kinds;
    POLICY_LIST(struct seen) seen;
    struct asymmetry asymmetry;
    struct asker asker; /* of the reading for what is asymmetric */
    struct numbering ways;
    size_t first_way; /* finding of the first of them; the others follow */
};

/* A kind of asymmetric traffic. */
struct way_key {
    uint32_t requests;
    uint32_t answers;
    uint16_t port;
    uint16_t protocol;
};

static bool is_private(const struct address *address)
{
    static const struct {
        uint8_t base[4];
        uint8_t prefix;
    } blocks[] = {{{10, 0, 0, 0}, 8},
                  {{172, 16, 0, 0}, 12},
                  {{192, 168, 0, 0}, 16},
                  {{100, 64, 0, 0}, 10},
                  {{169, 254, 0, 0}, 16}};
    if (address->family == 6)
        return (address->bytes[0] & 0xfe) == 0xfc ||
               (address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80);
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
        struct address_block block = {.base = {.family = 4}, .prefix = blocks[i].prefix};
        memset(block.base.bytes + 10, 0xff, 2);
        memcpy(block.base.bytes + 12, blocks[i].base, 4);
        if (address_block_contains(&block, address))
            return true;
    }
    return false;
}

static bool begins(const char *text, const char *with)
{
    return text && strncmp(text, with, strlen(with)) == 0;
}

/* Whether a traffic-path (record.md 5.9) is one that the route's target may have; what is not known may. */
static bool path_fits(const struct policy_route *route, uint64_t path)
{
    const char *target = route->target;
    if (!target)
        return true;
    if (strcmp(target, "local") == 0 || begins(target, "nat-") || begins(target, "eni-") ||
        begins(target, "i-"))
        return path == 1 || path == 6;
    if (begins(target, "igw-") || begins(target, "eigw-"))
        return path == 2 || path == 8;
    if (begins(target, "vpce-"))
        return path == 1 || path == 2 || path == 7;
    if (begins(target, "vgw-"))
        return path == 3;
    if (begins(target, "pcx-"))
        return path == 4 || path == 5;
    return true;
}

static int keep_record(char *records[static FINDING_RECORDS_MAX], size_t *count, const struct record *record)
{
    AUTO_BUF struct buf line = BUF_INIT(4096);
    struct format format;
    if (*count >= FINDING_RECORDS_MAX)
        return 0;
    format_set_default(&format);
    record_write_text(&line, &format, record);
    if (line.failed)
        return 0;
    line.len -= line.len > 0;
    records[*count] = strdup(buf_string(&line));
    if (!records[*count])
        return -ENOMEM;
    ++*count;
    return 0;
}

static struct sight_key admitted_key(const struct policy_rule *rule)
{
    return (struct sight_key){.rules = {rule}, .sight = SIGHT_ADMITTED};
}

static int add_sight(struct run *run, enum sight sight, const struct record *record,
                     const struct whatif_seen *what)
{
    const struct decision *decision = &what->flip->before;
    struct sight_key key = {
        .interface = what->flip->interface,
        .rules = {decision->group_rule, decision->acl, decision->acl_entry},
        .route = sight == SIGHT_OTHER_PATH || sight == SIGHT_NO_ROUTE ? decision->route : NULL,
        .port = what->flip->port,
        .sight = (uint8_t)sight,
        .protocol = what->flip->packet.protocol,
        .egress = what->flip->packet.egress,
        .verdict = (uint8_t)decision->verdict,
    };
    if (sight == SIGHT_OTHER_PATH || sight == SIGHT_NO_ROUTE)
        key.port = key.protocol = 0;
    if (sight == SIGHT_ADMITTED)
        key = admitted_key(decision->group_rule);
    uint32_t number = numbering_add(&run->kinds, &key);
    if (number == NUMBER_NONE) {
        run->found->not_held += sight != SIGHT_ADMITTED;
        return 0;
    }
    if (number == run->seen.count) {
        struct seen *added = LIST_ADD(&run->seen);
        if (!added)
            return -ENOMEM;
        *added = (struct seen){
            .example = *what->flip, .sight = sight, .path = reading_number(record, FIELD_TRAFFIC_PATH, 0)};
        added->example.source = what->asked->source;
        added->example.destination = what->asked->destination;
    }
    struct seen *seen = &run->seen.items[number];
    totals_add(&seen->totals, what->totals);
    return keep_record(seen->records, &seen->record_count, record);
}

static int observe_path(struct run *run, const struct record *record, const struct whatif_seen *what)
{
    const struct decision *decision = &what->flip->before;
    const struct value *path = &record->values[FIELD_TRAFFIC_PATH];
    if (!what->flip->packet.egress || !decision->table || decision->table->item.doubt ||
        decision->decider == DECIDER_UNFILTERED || !reading_is_word(&record->values[FIELD_ACTION], "ACCEPT"))
        return 0;
    if (!decision->route || decision->route->blackhole)
        return add_sight(run, SIGHT_NO_ROUTE, record, what);
    return path->kind == VALUE_NUMBER && !path_fits(decision->route, path->number)
               ? add_sight(run, SIGHT_OTHER_PATH, record, what)
               : 0;
}

/* A record that the documents gave a verdict to. */
static int observe(void *context, const struct record *record, const struct whatif_seen *what)
{
    struct run *run = context;
    const struct decision *decision = &what->flip->before;
    const struct address *remote =
        what->flip->packet.egress ? &what->asked->destination : &what->asked->source;
    const struct value *action = &record->values[FIELD_ACTION];
    int r = observe_path(run, record, what);
    asymmetry_note(&run->asymmetry, what->asked, reading_is_word(action, "ACCEPT"));
    if (r < 0 || decision->verdict == VERDICT_UNKNOWN || action->kind != VALUE_TEXT)
        return r;
    if (reading_is_word(action, "ACCEPT") != (decision->verdict == VERDICT_ACCEPT))
        return add_sight(run, SIGHT_AGAINST, record, what);
    if (decision->verdict == VERDICT_ACCEPT)
        return decision->group_rule && !what->answers ? add_sight(run, SIGHT_ADMITTED, record, what) : 0;
    if (what->answers && decision->decider == DECIDER_NETWORK_ACL)
        return add_sight(run, SIGHT_ANSWER_DROPPED, record, what);
    return add_sight(run, is_private(remote) ? SIGHT_REJECTED_INSIDE : SIGHT_REJECTED_OUTSIDE, record, what);
}

static char *text(const char *format, ...) PRINTF_LIKE(1, 2);

static char *text(const char *format, ...)
{
    char *made = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&made, format, arguments);
    va_end(arguments);
    return len < 0 ? NULL : made;
}

/* Takes the texts over; NULL and -ENOMEM when one of those that are due is missing. */
static struct finding *add_finding(struct run *run, enum severity severity, const char *kind, char *subject,
                                   char *title, const char *todo)
{
    struct finding *added = subject && title ? LIST_ADD(&run->found->items) : NULL;
    if (!added) {
        free(subject);
        free(title);
        return NULL;
    }
    *added = (struct finding){
        .severity = severity, .kind = kind, .subject = subject, .title = title, .todo = todo};
    return added;
}

static char *rule_text(const struct policy_rule *rule)
{
    AUTO_BUF struct buf words = BUF_INIT(4096);
    reason_print_rule(&words, rule);
    return text("%s%s%s", buf_string(&words), rule->id ? ", " : "", rule->id ? rule->id : "");
}

static char *reason_text(const struct seen *seen)
{
    AUTO_BUF struct buf words = BUF_INIT(16384);
    struct policy_packet packet = seen->example.packet;
    packet.source = seen->example.source.bytes;
    packet.destination = seen->example.destination.bytes;
    reason_print(&words, seen->example.interface, &packet, &seen->example.before);
    return strdup(buf_string(&words));
}

static void print_service(struct buf *buf, const struct policy_packet *packet, uint16_t port)
{
    bool has_ports = packet->protocol == PROTOCOL_TCP || packet->protocol == PROTOCOL_UDP;
    if (has_ports)
        buf_printf(buf, "%s %u", packet->protocol == PROTOCOL_TCP ? "tcp" : "udp", port);
    else if (packet->protocol == PROTOCOL_ICMP || packet->protocol == PROTOCOL_ICMPV6)
        buf_text(buf, "icmp");
    else
        buf_printf(buf, "protocol %u", packet->protocol);
}

static int tell_sight(struct run *run, struct seen *seen)
{
    const struct sight_row *row = &sight_rows[seen->sight];
    const struct flip *example = &seen->example;
    AUTO_BUF struct buf service = BUF_INIT(256);
    print_service(&service, &example->packet, example->port);
    if (seen->sight == SIGHT_OTHER_PATH)
        buf_printf(&service, ", path %" PRIu64, seen->path);
    struct finding *finding =
        add_finding(run, row->severity, row->kind, strdup(example->interface->item.id),
                    text("On %s, %s (%s): %s.", example->interface->item.id,
                         example->packet.egress ? "egress" : "ingress", buf_string(&service), row->title),
                    row->todo);
    if (!finding)
        return -ENOMEM;
    finding->rule = reason_text(seen);
    finding->totals = seen->totals;
    finding->record_count = seen->record_count;
    memcpy(finding->records, seen->records, sizeof finding->records);
    seen->record_count = 0;
    return finding->rule ? 0 : -ENOMEM;
}

/* Ports that nobody opens to everywhere on purpose. */
static bool is_sensitive(const struct policy_rule *rule)
{
    static const uint16_t ports[] = {22,   23,   135,  139,  445,  1433, 1521, 2375, 2379,  3306,  3389,
                                     5432, 5601, 5900, 5985, 6379, 6443, 9042, 9200, 10250, 11211, 27017};
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
        uint32_t selector = SELECTOR(PROTOCOL_TCP, ports[i]);
        if (rule->low <= selector && rule->high >= selector)
            return true;
    }
    return false;
}

/* Of the records that the rule let in. */
static int add_examples(const struct run *run, const struct policy_rule *rule, struct finding *to)
{
    struct sight_key key = admitted_key(rule);
    uint32_t number = numbering_find(&run->kinds, &key);
    for (size_t i = 0; number != NUMBER_NONE && i < run->seen.items[number].record_count; i++) {
        to->records[i] = strdup(run->seen.items[number].records[i]);
        if (!to->records[i])
            return -ENOMEM;
        to->record_count++;
    }
    return 0;
}

static int tell_rule(struct run *run, enum severity severity, const char *kind,
                     const struct policy_rule *rule, const char *what, const char *todo,
                     const struct totals *totals)
{
    struct finding *finding = add_finding(
        run, severity, kind, strdup(rule->group->item.id),
        text("Security group %s, %s: %s.", rule->group->item.id, rule->egress ? "egress" : "ingress", what),
        todo);
    if (!finding)
        return -ENOMEM;
    finding->rule = rule_text(rule);
    finding->totals = *totals;
    return finding->rule ? add_examples(run, rule, finding) : -ENOMEM;
}

static bool block_holds(const struct policy_rule *wide, const struct policy_rule *narrow)
{
    if (wide->source != narrow->source)
        return false;
    if (wide->source != SOURCE_BLOCK)
        return wide->reference && narrow->reference && strcmp(wide->reference, narrow->reference) == 0;
    return wide->block.base.family == narrow->block.base.family &&
           wide->block.prefix <= narrow->block.prefix &&
           address_block_contains(&wide->block, &narrow->block.base);
}

/* Whether everything that the one matches the other does as well. */
static bool covers(const struct policy_rule *wide, const struct policy_rule *narrow)
{
    return wide != narrow && !wide->doubt && !narrow->doubt && wide->egress == narrow->egress &&
           wide->low <= narrow->low && wide->high >= narrow->high && block_holds(wide, narrow);
}

static const struct policy_rule *covering_rule(const struct policy_group *group, size_t at)
{
    const struct policy_rule *rules = group->rules.items;
    for (size_t i = 0; i < group->rules.count; i++) {
        bool alike = covers(&rules[at], &rules[i]);
        if (covers(&rules[i], &rules[at]) && !(alike && i > at))
            return &rules[i];
    }
    return NULL;
}

static int tell_group_rule(struct run *run, const struct policy_group *group, size_t at,
                           const struct whatif *whatif, const struct fate *fate)
{
    const struct policy_rule *rule = &group->rules.items[at];
    const struct policy_rule *wide = covering_rule(group, at);
    struct rule_use use = usage_of(&whatif->before, rule);
    bool is_open = rule->source == SOURCE_BLOCK && rule->block.prefix == 0 && !rule->egress;
    int r = 0;
    if (is_open && is_sensitive(rule))
        r = tell_rule(
            run, SEVERITY_HIGH, "open-to-everywhere", rule,
            use.all.flows ? "administration or databases are open to everywhere, and traffic uses it"
                          : "administration or databases are open to everywhere",
            "Name the addresses that need it (flowlog whatif suggests those that were seen), or go through a "
            "bastion, a VPN or Session Manager.",
            &use.all);
    if (r == 0 && wide)
        r = tell_rule(
            run, SEVERITY_LOW, "shadowed", rule, "another rule of the group admits all that this one does",
            "Remove one of the two: most likely the wider one was meant to be temporary.", &use.all);
    else if (r == 0 && use.all.flows == 0)
        r = tell_rule(run, SEVERITY_LOW, "unused", rule, "no recorded traffic used this rule",
                      "Remove it if the records cover all that may happen (month's end, fail-over, restore).",
                      &use.all);
    else if (r == 0 && fate && fate->fate == FATE_NARROWED && fate->count <= SUGGESTED_PER_RULE)
        r = tell_rule(run, SEVERITY_LOW, "wider-than-used", rule, "it is wider than the traffic that used it",
                      "flowlog whatif --policy DIR tells the smallest rules and what they would shut out.",
                      &use.all);
    return r;
}

static const struct fate *fate_of(const struct suggestion *suggestion, const struct policy_rule *rule)
{
    for (size_t i = 0; i < suggestion->fates.count; i++)
        if (suggestion->fates.items[i].rule == rule)
            return &suggestion->fates.items[i];
    return NULL;
}

static int tell_groups(struct run *run, const struct whatif *whatif, const struct suggestion *suggestion)
{
    const struct policy *policy = run->options->policy;
    for (size_t i = 0; i < policy->groups.count; i++) {
        const struct policy_group *group = &policy->groups.items[i];
        bool is_used = !group->item.doubt && usage_has_group(policy, group, whatif->seen);
        for (size_t n = 0; is_used && n < group->rules.count; n++)
            if (tell_group_rule(run, group, n, whatif, fate_of(suggestion, &group->rules.items[n])) < 0)
                return -ENOMEM;
    }
    return 0;
}

static int tell_entry(struct run *run, enum severity severity, const char *kind, const struct policy_acl *acl,
                      const struct policy_rule *entry, const char *what, const char *todo,
                      const struct totals *totals)
{
    AUTO_BUF struct buf words = BUF_INIT(4096);
    reason_print_rule(&words, entry);
    struct finding *finding = add_finding(run, severity, kind, strdup(acl->item.id),
                                          text("Network ACL %s, %s entry %d: %s.", acl->item.id,
                                               entry->egress ? "egress" : "ingress", entry->number, what),
                                          todo);
    if (!finding)
        return -ENOMEM;
    finding->rule = text("%s %s", entry->deny ? "deny" : "allow", buf_string(&words));
    finding->totals = *totals;
    return finding->rule ? 0 : -ENOMEM;
}

/* What the ACL says to answers to that port of the client, by its first entry that matches both. */
static bool lets_answer_back(const struct policy_acl *acl, const struct policy_rule *request, uint16_t port)
{
    struct policy_rule answer = *request;
    answer.egress = !request->egress;
    answer.low = answer.high = SELECTOR(PROTOCOL_TCP, port);
    for (size_t i = 0; i < acl->entries.count; i++) {
        const struct policy_rule *entry = &acl->entries.items[i];
        if (entry->doubt || covers(entry, &answer))
            return entry->doubt || !entry->deny;
        if (entry->egress == answer.egress && entry->low <= answer.low && entry->high >= answer.high &&
            !entry->deny && block_holds(&answer, entry))
            return true; /* for some of the clients: what is seen tells */
    }
    return false;
}

/* Entries for requests whose answers no entry lets through, though none was recorded. */
static int tell_answers(struct run *run, const struct policy_acl *acl, const struct policy_rule *entry,
                        const struct totals *totals)
{
    static const uint16_t ephemeral[] = {32768, 49152, 60999}; /* of Linux and Windows, both ends */
    bool is_tcp = entry->low >> 16 == PROTOCOL_TCP && (entry->high & UINT16_MAX) < ephemeral[0];
    bool is_all = entry->low == 0 && entry->high == SELECTOR_MAX;
    if (entry->deny || entry->doubt || entry->source != SOURCE_BLOCK || !(is_tcp || is_all))
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(ephemeral); i++)
        if (!lets_answer_back(acl, entry, ephemeral[i]))
            return tell_entry(
                run, SEVERITY_MEDIUM, "acl-would-drop-answers", acl, entry,
                "it lets requests through, and no entry lets answers back to all ephemeral ports",
                sight_rows[SIGHT_ANSWER_DROPPED].todo, totals);
    return 0;
}

static int tell_acl_entry(struct run *run, const struct policy_acl *acl, size_t at,
                          const struct whatif *whatif)
{
    const struct policy_rule *entry = &acl->entries.items[at];
    struct rule_use use = usage_of(&whatif->before, entry);
    if (entry->number >= ACL_DEFAULT_DENY(4))
        return 0;
    if (tell_answers(run, acl, entry, &use.all) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < at; i++) {
        const struct policy_rule *before = &acl->entries.items[i];
        if (!covers(before, entry))
            continue;
        bool differs = before->deny != entry->deny;
        return tell_entry(run, differs ? SEVERITY_MEDIUM : SEVERITY_LOW, "shadowed", acl, entry,
                          differs
                              ? "it never matches: an entry before it decides the same traffic the other way"
                              : "it never matches: an entry before it decides the same traffic",
                          "Remove it, or give it a lower number than the entry that covers it.", &use.all);
    }
    if (use.all.flows)
        return 0;
    return tell_entry(run, SEVERITY_INFO, "unused", acl, entry, "no recorded traffic met it",
                      "Remove it if the records cover all that may happen.", &use.all);
}

static int tell_acls(struct run *run, const struct whatif *whatif)
{
    const struct policy *policy = run->options->policy;
    for (size_t i = 0; i < policy->acls.count; i++) {
        const struct policy_acl *acl = &policy->acls.items[i];
        bool is_used = !acl->item.doubt && usage_has_acl(policy, acl, whatif->seen);
        for (size_t n = 0; is_used && n < acl->entries.count; n++)
            if (tell_acl_entry(run, acl, n, whatif) < 0)
                return -ENOMEM;
    }
    return 0;
}

static int add_way(struct run *run, const struct asymmetric *way)
{
    static const char title[] =
        "Requests go through %s and their answers through %s (%s): the path is asymmetric.";
    static const char todo[] =
        "A control that tracks connections sees half of such a conversation and drops it sooner or "
        "later: let both directions take one way (route tables, source routing on an instance of two "
        "interfaces, appliance mode of a transit gateway).";
    const struct policy_interface *interfaces = run->options->policy->interfaces.items;
    const char *requests = interfaces[way->requests].item.id;
    AUTO_BUF struct buf service = BUF_INIT(256);
    print_service(&service, &(struct policy_packet){.protocol = way->protocol}, way->port);
    return add_finding(run, SEVERITY_MEDIUM, "asymmetric", strdup(requests),
                       text(title, requests, interfaces[way->answers].item.id, buf_string(&service)), todo)
               ? 0
               : -ENOMEM;
}

/* A record, read once more where some conversation is asymmetric. */
static int observe_way(void *context, const struct record *record)
{
    struct run *run = context;
    struct policy_interface *interface;
    struct history_record asked;
    struct asymmetric way;
    int r = asker_interface(&run->asker, record, &interface);
    if (r < 0 || !interface || asked_read(interface, record, &asked))
        return r;
    asked.interface = (uint32_t)(interface - run->options->policy->interfaces.items);
    if (!asymmetry_find(&run->asymmetry, &asked, &way))
        return 0;
    const struct way_key key = {way.requests, way.answers, way.port, way.protocol};
    uint32_t number = numbering_add(&run->ways, &key);
    if (number == NUMBER_NONE) {
        run->found->not_held++;
        return 0;
    }
    if (run->first_way + number == run->found->items.count && add_way(run, &way) < 0)
        return -ENOMEM;
    struct finding *finding = &run->found->items.items[run->first_way + number];
    struct totals totals = totals_of(record);
    totals_add(&finding->totals, &totals);
    return keep_record(finding->records, &finding->record_count, record);
}

static int tell_asymmetry(struct run *run, struct fault *fault)
{
    uint64_t records;
    run->found->not_held += run->asymmetry.not_held;
    run->first_way = run->found->items.count;
    return asymmetry_any(&run->asymmetry)
               ? reading_all(run->options->readings, READING_SILENT, observe_way, run, &records, fault)
               : 0;
}

static int tell_doubts(struct run *run, const struct whatif *whatif)
{
    for (size_t i = 0; i < whatif->unsure.count; i++) {
        struct finding *finding =
            add_finding(run, SEVERITY_INFO, "cannot-tell", strdup("documents"),
                        text("Cannot tell of some traffic, because %s.", whatif->unsure.items[i].why),
                        "Fetch the documents that are missing (flowlog explain --help names them).");
        if (!finding)
            return -ENOMEM;
        finding->totals = whatif->unsure.items[i].totals;
    }
    if (whatif->gaps == 0)
        return 0;
    return add_finding(run, SEVERITY_INFO, "cannot-tell", strdup("records"),
                       text("Cannot tell of all traffic, because records were lost (%" PRIu64
                            " SKIPDATA records).",
                            whatif->gaps),
                       "What was not recorded may use the rules that are called unused here.")
               ? 0
               : -ENOMEM;
}

static int compare_findings(const void *a, const void *b)
{
    const struct finding *x = a;
    const struct finding *y = b;
    if (x->severity != y->severity)
        return x->severity < y->severity ? -1 : 1;
    if (x->totals.flows != y->totals.flows)
        return x->totals.flows > y->totals.flows ? -1 : 1;
    int order = strcmp(x->kind, y->kind);
    return order ? order : strcmp(x->title, y->title);
}

static int tell_all(struct run *run, const struct whatif *whatif, struct fault *fault)
{
    struct suggestion suggestion;
    struct findings *found = run->found;
    int r = suggest_rules(&suggestion, run->options->policy, &whatif->before, whatif->seen);
    for (size_t i = 0; i < run->seen.count && r == 0; i++)
        r = run->seen.items[i].sight < SIGHTS ? tell_sight(run, &run->seen.items[i]) : 0;
    if (r == 0)
        r = tell_groups(run, whatif, &suggestion);
    if (r == 0)
        r = tell_acls(run, whatif);
    if (r == 0)
        r = tell_doubts(run, whatif);
    if (r == 0)
        r = tell_asymmetry(run, fault);
    suggestion_done(&suggestion);
    if (found->items.count > 1)
        qsort(found->items.items, found->items.count, sizeof *found->items.items, compare_findings);
    return r;
}

int findings_run(const struct findings_options *options, struct findings *ret, struct whatif *ret_whatif,
                 struct fault *fault)
{
    *ret = (struct findings){0};
    struct run run = {.options = options,
                      .found = ret,
                      .kinds = {.key_size = sizeof(struct sight_key), .max_count = KINDS_MAX},
                      .ways = {.key_size = sizeof(struct way_key), .max_count = KINDS_MAX},
                      .asker = {.policy = options->policy, .fault = fault}};
    asymmetry_init(&run.asymmetry);
    const struct whatif_options what = {
        .policy = options->policy, .readings = options->readings, .observe = observe, .context = &run};
    int r = whatif_run(&what, ret_whatif, fault);
    if (r >= 0)
        r = tell_all(&run, ret_whatif, fault);
    if (r == -ENOMEM)
        r = fault_set(fault, r, "out of memory for the findings");
    for (size_t i = 0; i < run.seen.count; i++)
        for (size_t n = 0; n < run.seen.items[i].record_count; n++)
            free(run.seen.items[i].records[n]);
    free(run.seen.items);
    numbering_done(&run.kinds);
    numbering_done(&run.ways);
    asymmetry_done(&run.asymmetry);
    return r;
}

void findings_done(struct findings *findings)
{
    for (size_t i = 0; i < findings->items.count; i++) {
        struct finding *finding = &findings->items.items[i];
        for (size_t n = 0; n < finding->record_count; n++)
            free(finding->records[n]);
        free(finding->subject);
        free(finding->title);
        free(finding->rule);
    }
    free(findings->items.items);
}
