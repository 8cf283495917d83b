/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/whatif.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "answer/asked.h"

/* Everything that flips are told apart by. */
struct flip_key {
    const void *interface;
    const void *rules[6]; /* group rule, ACL and entry; before and after */
    const char *doubts[2];
    uint16_t port;
    uint8_t protocol;
    uint8_t egress;
    uint8_t reply;
    uint8_t family;
    uint8_t verdicts; /* before * 3 + after */
    uint8_t deciders; /* before * 16 + after */
};

_Static_assert(sizeof(struct flip_key) == 9 * sizeof(void *) + 8, "the key has no padding");

struct peer_key {
    uint32_t flip;
    uint32_t family;
    uint8_t address[16];
};

struct unsure_key {
    const char *why;
    uint64_t proposed;
};

/* A set of documents, and what records are asked of it. */
struct side {
    struct policy *policy;
    struct asker asker;
};

struct run {
    const struct whatif_options *options;
    struct whatif *found;
    struct history history;
    struct side before;
    struct side after;
    struct numbering flips;
    struct numbering peers;
    struct numbering unsure;
};

/* The record as the present documents see it; false when there is nothing to judge. */
static int read_record(struct run *run, const struct record *record, struct policy_interface **ret_interface,
                       struct history_record *ret, const char **ret_missing)
{
    int r = asker_interface(&run->before.asker, record, ret_interface);
    if (r < 0)
        return r;
    *ret_missing =
        *ret_interface ? asked_read(*ret_interface, record, ret) : "the documents do not know the interface";
    if (!*ret_missing)
        ret->interface = (uint32_t)(*ret_interface - run->before.policy->interfaces.items);
    return 0;
}

static int note(void *context, const struct record *record)
{
    struct run *run = context;
    struct policy_interface *interface;
    struct history_record noted;
    const char *missing;
    int r = read_record(run, record, &interface, &noted, &missing);
    if (r == 0 && !missing)
        history_note(&run->history, &noted);
    return r;
}

static int add_unsure(struct run *run, const char *why, bool proposed, const struct totals *totals)
{
    const struct unsure_key key = {why, proposed};
    uint32_t number = numbering_add(&run->unsure, &key);
    if (number == NUMBER_NONE)
        return -ENOMEM;
    if (number == run->found->unsure.count) {
        struct unsure *added = LIST_ADD(&run->found->unsure);
        if (!added)
            return -ENOMEM;
        *added = (struct unsure){.why = why, .proposed = proposed};
    }
    totals_add(&run->found->unsure.items[number].totals, totals);
    return 0;
}

static int add_peer(struct run *run, uint32_t flip, const struct history_record *asked,
                    const struct totals *totals)
{
    const struct address *remote = asked->packet.egress ? &asked->destination : &asked->source;
    struct peer_key key = {.flip = flip, .family = remote->family};
    memcpy(key.address, remote->bytes, sizeof key.address);
    uint32_t number = numbering_add(&run->peers, &key);
    if (number == NUMBER_NONE) {
        run->found->peers_not_held++;
        return 0;
    }
    if (number == run->found->peers.count) {
        struct flip_peer *added = LIST_ADD(&run->found->peers);
        if (!added)
            return -ENOMEM;
        *added = (struct flip_peer){.flip = flip, .address = *remote};
        run->found->flips.items[flip].peers++;
    }
    totals_add(&run->found->peers.items[number].totals, totals);
    return 0;
}

static struct flip_key flip_key(const struct flip *flip)
{
    const struct decision *a = &flip->before;
    const struct decision *b = &flip->after;
    return (struct flip_key){
        .interface = flip->interface,
        .rules = {a->group_rule, a->acl, a->acl_entry, b->group_rule, b->acl, b->acl_entry},
        .doubts = {a->doubt, b->doubt},
        .port = flip->port,
        .protocol = flip->packet.protocol,
        .egress = flip->packet.egress,
        .reply = flip->reply,
        .family = flip->packet.family,
        .verdicts = (uint8_t)(a->verdict * 3 + b->verdict),
        .deciders = (uint8_t)(a->decider * 16 + b->decider),
    };
}

static int add_flip(struct run *run, const struct flip *flip, const struct history_record *asked,
                    const struct totals *totals)
{
    struct whatif *found = run->found;
    struct flip_key key = flip_key(flip);
    uint32_t number = numbering_add(&run->flips, &key);
    if (number == NUMBER_NONE) {
        found->flips_not_held++;
        return 0;
    }
    if (number == found->flips.count) {
        struct flip *added = LIST_ADD(&found->flips);
        if (!added)
            return -ENOMEM;
        *added = *flip;
        added->source = asked->source;
        added->destination = asked->destination;
    }
    totals_add(&found->flips.items[number].totals, totals);
    return add_peer(run, number, asked, totals);
}

/* What the proposed documents say; its interface is NULL when they do not know it. */
static int decide_after(struct run *run, const struct record *record, struct connection *found,
                        const struct history_record *asked, const struct policy_interface **ret_interface,
                        struct decision *ret)
{
    struct policy_interface *interface;
    bool reply;
    int r = asker_interface(&run->after.asker, record, &interface);
    if (r < 0)
        return r;
    *ret_interface = interface;
    *ret = (struct decision){.doubt = "the documents do not know the interface"};
    if (!interface)
        return 0;
    run->found->seen_after[interface - run->after.policy->interfaces.items] = true;
    history_decide(&run->history, found, HISTORY_OTHER_SIDE, run->after.policy, interface, asked, ret,
                   &reply);
    return 0;
}

static const char *why_unsure(const struct decision *decision)
{
    return decision->doubt ? decision->doubt : "the documents do not suffice";
}

/* Both verdicts of a record that can be judged. */
static int compare(struct run *run, const struct record *record, const struct connection *conversation,
                   const struct flip *flip, const struct history_record *asked, const struct totals *totals)
{
    struct whatif *found = run->found;
    const struct decision *before = &flip->before;
    const struct decision *after = &flip->after;
    const struct value *action = &record->values[FIELD_ACTION];
    bool is_known = before->verdict != VERDICT_UNKNOWN && after->verdict != VERDICT_UNKNOWN;
    totals_add(&found->totals, totals);
    totals_add(&found->verdicts[before->verdict][after->verdict], totals);
    if (before->verdict != VERDICT_UNKNOWN && action->kind == VALUE_TEXT &&
        reading_is_word(action, "ACCEPT") != (before->verdict == VERDICT_ACCEPT))
        totals_add(&found->against, totals);
    bool answers = flip->reply && conversation;
    usage_note(&found->before, flip->interface, &asked->packet, before,
               answers && history_was_admitted(conversation, HISTORY_SIDE), totals);
    if (flip->proposed)
        usage_note(&found->after, flip->proposed, &asked->packet, after,
                   answers && history_was_admitted(conversation, HISTORY_OTHER_SIDE), totals);
    if (before->verdict == VERDICT_UNKNOWN && add_unsure(run, why_unsure(before), false, totals) < 0)
        return -ENOMEM;
    if (run->options->proposed && after->verdict == VERDICT_UNKNOWN &&
        add_unsure(run, why_unsure(after), true, totals) < 0)
        return -ENOMEM;
    const struct whatif_seen seen = {flip, asked, totals,
                                     answers && history_was_admitted(conversation, HISTORY_SIDE)};
    int r = run->options->observe ? run->options->observe(run->options->context, record, &seen) : 0;
    if (r < 0)
        return r;
    return is_known && before->verdict != after->verdict ? add_flip(run, flip, asked, totals) : 0;
}

/* A record that says nothing of traffic, or not enough. */
static int pass_over(struct run *run, const struct record *record, const char *missing)
{
    const struct value *status = &record->values[FIELD_LOG_STATUS];
    struct totals totals = totals_of(record);
    if (reading_is_word(status, "SKIPDATA")) {
        run->found->gaps++;
        return 0;
    }
    if (reading_is_word(status, "NODATA"))
        return 0;
    totals_add(&run->found->totals, &totals);
    totals_add(&run->found->verdicts[VERDICT_UNKNOWN][VERDICT_UNKNOWN], &totals);
    return add_unsure(run, missing, false, &totals);
}

static int judge(void *context, const struct record *record)
{
    struct run *run = context;
    struct policy_interface *interface;
    struct history_record asked;
    const char *missing;
    int r = read_record(run, record, &interface, &asked, &missing);
    if (r < 0 || missing)
        return r < 0 ? r : pass_over(run, record, missing);
    struct totals totals = totals_of(record);
    struct flip flip = {.interface = interface, .packet = asked.packet};
    struct connection *found = history_find(&run->history, &asked);
    run->found->seen[asked.interface] = true;
    history_decide(&run->history, found, HISTORY_SIDE, run->before.policy, interface, &asked, &flip.before,
                   &flip.reply);
    flip.after = flip.before;
    flip.port = flip.reply ? asked.packet.source_port : asked.packet.destination_port;
    if (run->options->proposed &&
        (r = decide_after(run, record, found, &asked, &flip.proposed, &flip.after)) < 0)
        return r;
    if (found)
        history_carry_on(found, &asked);
    return compare(run, record, found, &flip, &asked, &totals);
}

static int compare_peers(const void *a, const void *b)
{
    const struct flip_peer *x = a;
    const struct flip_peer *y = b;
    if (x->flip != y->flip)
        return x->flip < y->flip ? -1 : 1;
    if (x->totals.flows != y->totals.flows)
        return x->totals.flows > y->totals.flows ? -1 : 1;
    return memcmp(&x->address, &y->address, sizeof x->address);
}

static int run_all(struct run *run, struct fault *fault)
{
    const struct readings *readings = run->options->readings;
    struct whatif *found = run->found;
    uint64_t records;
    size_t interfaces_after = run->after.policy ? run->after.policy->interfaces.count : 0;
    found->seen = calloc(run->before.policy->interfaces.count + 1, sizeof *found->seen);
    found->seen_after = calloc(interfaces_after + 1, sizeof *found->seen_after);
    if (!found->seen || !found->seen_after)
        return -ENOMEM;
    /* Damage that ends the first reading ends the second at the same place, where it is reported. */
    int r = reading_all(readings, READING_SILENT, note, run, &records, fault);
    if (r == -ENOMEM)
        return r;
    r = reading_all(readings, READING_TELLS, judge, run, &found->records, fault);
    if (found->peers.count > 1)
        qsort(found->peers.items, found->peers.count, sizeof *found->peers.items, compare_peers);
    found->not_noted = run->history.not_noted;
    return r;
}

int whatif_run(const struct whatif_options *options, struct whatif *ret, struct fault *fault)
{
    *ret = (struct whatif){0};
    usage_init(&ret->before, false);
    usage_init(&ret->after, true);
    struct run run = {
        .options = options,
        .found = ret,
        .history = {.table = {.max_count = HISTORY_MAX_DEFAULT}},
        .before = {.policy = options->policy, .asker = {.policy = options->policy, .fault = fault}},
        .after = {.policy = options->proposed, .asker = {.policy = options->proposed, .fault = fault}},
        .flips = {.key_size = sizeof(struct flip_key), .max_count = FLIPS_MAX},
        .peers = {.key_size = sizeof(struct peer_key), .max_count = FLIP_PEERS_MAX},
        .unsure = {.key_size = sizeof(struct unsure_key), .max_count = UINT16_MAX},
    };
    int r = run_all(&run, fault);
    history_done(&run.history);
    numbering_done(&run.flips);
    numbering_done(&run.peers);
    numbering_done(&run.unsure);
    return r == -ENOMEM ? fault_set(fault, r, "out of memory for what is compared: ask for a shorter time")
                        : r;
}

void whatif_done(struct whatif *whatif)
{
    usage_done(&whatif->before);
    usage_done(&whatif->after);
    free(whatif->flips.items);
    free(whatif->peers.items);
    free(whatif->unsure.items);
    free(whatif->seen);
    free(whatif->seen_after);
}
