/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/answers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "policy/reason.h"
#include "record/json.h"
#include "record/text.h"

#define PHRASE_MAX (64UL * 1024)

/* Phrases kept; beyond it they are forgotten and begun afresh. A power of two. */
enum { PHRASES = 16384, PHRASES_FULL = PHRASES / 4 * 3 };

/* Everything that a phrase tells, and nothing else; without stray bytes. */
struct phrase_key {
    const void *groups;
    const void *missing;
    const void *perhaps;
    const void *doubt;
    const void *group_rule;
    const void *acl;
    const void *acl_entry;
    const void *table;
    const void *route;
    uint8_t verdict;
    uint8_t decider;
    uint8_t agreement;
    uint8_t family;
    uint8_t egress;
    uint8_t same_subnet;
    uint8_t late;
    uint8_t has_groups;
};

_Static_assert(sizeof(struct phrase_key) == 9 * sizeof(void *) + 8, "the key has no padding");

struct phrase {
    struct phrase_key key;
    char *text; /* owned; NULL in a free place */
    size_t len;
};

static const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {NULL, "ACCEPT", "REJECT"};
    return names[verdict];
}

static const char *decider_name(enum decider decider)
{
    static const char *const names[] = {NULL, "security-group", "network-acl", "connection", NULL};
    return names[decider];
}

static void json_rule(struct buf *buf, const struct policy_rule *rule)
{
    AUTO_BUF struct buf words = BUF_INIT(4096);
    buf_text(buf, ",\"security_group_rule\":");
    if (!rule) {
        buf_text(buf, "null");
        return;
    }
    reason_print_rule(&words, rule);
    json_write_member(buf, "{\"group_id\":", rule->group->item.id);
    json_write_member(buf, ",\"rule_id\":", rule->id);
    json_write_member(buf, ",\"rule\":", buf_string(&words));
    buf_char(buf, '}');
}

static void json_acl_entry(struct buf *buf, const struct explained *explained)
{
    const struct decision *decision = &explained->decision;
    bool denies = !decision->acl_entry || decision->acl_entry->deny;
    buf_text(buf, ",\"network_acl_entry\":");
    if (!decision->acl) {
        buf_text(buf, "null");
        return;
    }
    json_write_member(buf, "{\"network_acl_id\":", decision->acl->item.id);
    buf_text(buf, ",\"rule_number\":");
    buf_u64(buf, (uint64_t)reason_acl_number(&explained->packet, decision));
    buf_text(buf, explained->packet.egress ? ",\"egress\":true" : ",\"egress\":false");
    buf_text(buf, denies ? ",\"action\":\"deny\"}" : ",\"action\":\"allow\"}");
}

static void json_route(struct buf *buf, const struct decision *decision)
{
    char address[ADDRESS_TEXT_MAX];
    const struct policy_route *route = decision->route;
    buf_text(buf, ",\"route\":");
    if (!decision->table || decision->table->item.doubt) {
        buf_text(buf, "null");
        return;
    }
    json_write_member(buf, "{\"route_table_id\":", decision->table->item.id);
    buf_text(buf, ",\"destination\":");
    if (route) {
        buf_char(buf, '"');
        buf_append(buf, address,
                   address_format(address, route->destination.base.bytes, route->destination.base.family));
        buf_char(buf, '/');
        buf_u64(buf, route->destination.prefix);
        buf_char(buf, '"');
    } else {
        buf_text(buf, "null");
    }
    json_write_member(buf, ",\"target\":", route ? route->target : NULL);
    buf_text(buf, route && !route->blackhole ? ",\"active\":true}" : ",\"active\":false}");
}

/* Why, for people: the same words in both forms. */
static void print_reason(struct buf *buf, const struct explained *explained)
{
    if (explained->missing)
        buf_printf(buf, "Cannot tell, because %s.", explained->missing);
    else
        reason_print(buf, explained->interface, &explained->packet, &explained->decision);
    if (explained->perhaps)
        buf_printf(buf, " The record contradicts this; perhaps: %s.", explained->perhaps);
}

void answers_print_verdict(struct buf *buf, const struct explained *explained)
{
    const struct decision *decision = &explained->decision;
    AUTO_BUF struct buf reason = BUF_INIT(PHRASE_MAX);
    json_write_member(buf, "\"verdict\":", verdict_name(decision->verdict));
    json_write_member(buf, ",\"decided_by\":", decider_name(decision->decider));
    json_rule(buf, decision->group_rule);
    json_acl_entry(buf, explained);
    json_route(buf, decision);
    print_reason(&reason, explained);
    json_write_member(buf, ",\"because\":", buf_string(&reason));
}

static void json_phrase(struct buf *buf, const struct explained *explained)
{
    static const char *const agreements[] = {"null", "true", "false"};
    json_write_member(buf, ",\"flow-direction\":",
                      explained->missing         ? NULL
                      : explained->packet.egress ? "egress"
                                                 : "ingress");
    buf_printf(buf, ",\"agrees\":%s,", agreements[explained->agreement]);
    answers_print_verdict(buf, explained);
    buf_text(buf, "}\n");
}

static void text_phrase(struct buf *buf, const struct explained *explained)
{
    static const char *const agreements[] = {"", ", as recorded", ", against the record"};
    const char *verdict = verdict_name(explained->decision.verdict);
    const char *decider = decider_name(explained->decision.decider);
    buf_printf(buf, ": %s", verdict ? verdict : "cannot tell");
    if (decider)
        buf_printf(buf, " by %s", decider);
    buf_printf(buf, "%s\n  ", agreements[explained->agreement]);
    print_reason(buf, explained);
    buf_char(buf, '\n');
}

/* What the record itself says, so that an answer stands alone. */
static void json_record(struct buf *buf, const struct record *record)
{
    static const struct format shown = {
        .count = 10,
        .version = 2,
        .fields = {FIELD_INTERFACE_ID, FIELD_SRCADDR, FIELD_DSTADDR, FIELD_SRCPORT, FIELD_DSTPORT,
                   FIELD_PROTOCOL, FIELD_START, FIELD_END, FIELD_ACTION, FIELD_LOG_STATUS},
    };
    record_write_json(buf, &shown, record);
    if (buf->len >= 2)
        buf->len -= 2; /* the brace and the newline: more members follow */
}

static void text_record(struct buf *buf, const struct record *record)
{
    static const struct format shown = {
        .count = 8,
        .version = 2,
        .fields = {FIELD_INTERFACE_ID, FIELD_SRCADDR, FIELD_DSTADDR, FIELD_SRCPORT, FIELD_DSTPORT,
                   FIELD_PROTOCOL, FIELD_START, FIELD_ACTION},
    };
    record_write_text(buf, &shown, record);
    if (buf->len)
        buf->len--; /* the newline: the answer follows */
}

static void set_key(struct phrase_key *ret, const struct explained *explained)
{
    const struct decision *decision = &explained->decision;
    *ret = (struct phrase_key){
        .groups = explained->interface ? explained->interface->groups : NULL,
        .missing = explained->missing,
        .perhaps = explained->perhaps,
        .doubt = decision->doubt,
        .group_rule = decision->group_rule,
        .acl = decision->acl,
        .acl_entry = decision->acl_entry,
        .table = decision->table,
        .route = decision->route,
        .verdict = (uint8_t)decision->verdict,
        .decider = (uint8_t)decision->decider,
        .agreement = (uint8_t)explained->agreement,
        .family = explained->packet.family,
        .egress = explained->packet.egress,
        .same_subnet = decision->same_subnet,
        .late = decision->late,
        .has_groups = decision->has_groups,
    };
}

static void forget(struct answers *answers)
{
    for (size_t i = 0; answers->phrases && i < PHRASES; i++)
        free(answers->phrases[i].text);
    free(answers->phrases);
    answers->phrases = NULL;
    answers->count = 0;
}

/* The place of the phrase, or the free one where it belongs; NULL without memory. */
static struct phrase *find(struct answers *answers, const struct phrase_key *key)
{
    if (answers->count >= PHRASES_FULL)
        forget(answers);
    if (!answers->phrases)
        answers->phrases = calloc(PHRASES, sizeof *answers->phrases);
    if (!answers->phrases)
        return NULL;
    size_t at = hash_bytes(key, sizeof *key, 0) % PHRASES;
    while (answers->phrases[at].text && memcmp(&answers->phrases[at].key, key, sizeof *key) != 0)
        at = (at + 1) % PHRASES;
    return &answers->phrases[at];
}

static void print_phrase(struct answers *answers, const struct explained *explained, struct buf *to)
{
    struct phrase_key key;
    set_key(&key, explained);
    struct phrase *phrase = find(answers, &key);
    if (phrase && phrase->text) {
        buf_append(to, phrase->text, phrase->len);
        return;
    }
    size_t before = to->len;
    if (answers->json)
        json_phrase(to, explained);
    else
        text_phrase(to, explained);
    size_t len = to->len - before;
    if (!phrase || to->failed || !(phrase->text = malloc(len)))
        return;
    memcpy(phrase->text, to->data + before, len);
    phrase->key = key;
    phrase->len = len;
    answers->count++;
}

void answers_print(struct answers *answers, const struct explained *explained, struct buf *to)
{
    if (answers->json)
        json_record(to, explained->record);
    else
        text_record(to, explained->record);
    print_phrase(answers, explained, to);
}

void answers_done(struct answers *answers)
{
    forget(answers);
}

void answers_print_totals(struct buf *buf, const struct totals *totals)
{
    char first[CLOCK_TEXT_MAX];
    char last[CLOCK_TEXT_MAX];
    buf_printf(buf, "%" PRIu64 " flow%s, %" PRIu64 " packet%s, %" PRIu64 " byte%s", totals->flows,
               totals->flows == 1 ? "" : "s", totals->packets, totals->packets == 1 ? "" : "s", totals->bytes,
               totals->bytes == 1 ? "" : "s");
    if (totals->flows)
        buf_printf(buf, ", %s to %s", clock_format_utc(first, totals->first_s),
                   clock_format_utc(last, totals->last_s));
}
