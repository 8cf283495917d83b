/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/diagnose.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/advice.h"
#include "answer/completeness.h"
#include "answer/explain.h"
#include "answer/reading.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "bpf/parse.h"
#include "flow/flow.h"
#include "policy/decide.h"
#include "policy/reason.h"

const char *const outcome_names[OUTCOMES] = {
    [OUTCOME_ACCEPTED] = "accepted",
    [OUTCOME_REJECTED_REQUEST] = "rejected-request",
    [OUTCOME_REJECTED_RESPONSE] = "rejected-response",
    [OUTCOME_NO_RESPONSE] = "no-response",
    [OUTCOME_REFUSED] = "refused",
    [OUTCOME_ONE_WAY] = "one-way",
    [OUTCOME_ABSENT] = "absent",
    [OUTCOME_UNKNOWN] = "unknown",
};

static int out_of_memory(struct fault *fault)
{
    return fault_set(fault, -ENOMEM, "out of memory for the records of this traffic: ask for a shorter time");
}

bool party_parse(struct party *ret, const char *text)
{
    static const char *const prefixes[] = {"eni-", "i-", "subnet-"};
    *ret = (struct party){.text = text};
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        ret->is_id |= strncmp(text, prefixes[i], strlen(prefixes[i])) == 0;
    struct address_block block;
    if (ret->is_id || !address_block_parse(text, strlen(text), &block))
        return ret->is_id;
    struct address_block *added = LIST_ADD(&ret->blocks);
    if (added)
        *added = block;
    return added != NULL;
}

void party_done(struct party *party)
{
    free(party->blocks.items);
}

static int party_learn(struct party *party, const struct address *address)
{
    if (address->family == 0 || party_has(party, address))
        return 0;
    struct address_block *block = LIST_ADD(&party->blocks);
    if (!block)
        return -ENOMEM;
    *block = (struct address_block){*address, address->family == 4 ? 32 : 128};
    return 0;
}

struct diagnose {
    struct question *question;
    const struct diagnose_options *options;
    struct diagnosis *found;
    struct fault *fault;
};

static bool in_time(const struct question *question, const struct record *record)
{
    uint64_t start = reading_number(record, FIELD_START, 0);
    return start <= question->until_s && reading_number(record, FIELD_END, start) >= question->since_s;
}

struct witness *diagnosis_witness(const struct diagnosis *found, const char *interface_id)
{
    for (size_t i = 0; i < found->witnesses.count; i++)
        if (strcmp(found->witnesses.items[i].interface_id, interface_id) == 0)
            return &found->witnesses.items[i];
    return NULL;
}

static struct witness *find_witness(struct diagnosis *found, const struct value *id)
{
    char text[sizeof((struct witness *)0)->interface_id] = "-";
    if (id->kind == VALUE_TEXT && id->len < sizeof text) {
        memcpy(text, id->text, id->len);
        text[id->len] = '\0';
    }
    struct witness *witness = diagnosis_witness(found, text);
    if (witness)
        return witness;
    witness = LIST_ADD(&found->witnesses);
    if (witness)
        memcpy(witness->interface_id, text, sizeof text);
    return witness;
}

/* Whether an id of the question means the interface that wrote the record. */
static bool is_named(const struct party *party, const struct record *record)
{
    static const uint8_t ids[] = {FIELD_INTERFACE_ID, FIELD_INSTANCE_ID, FIELD_SUBNET_ID};
    for (size_t i = 0; party->is_id && i < sizeof ids; i++)
        if (reading_is_word(&record->values[ids[i]], party->text))
            return true;
    return false;
}

static bool is_own(const struct witness *witness, const struct address *address)
{
    for (size_t i = 0; i < witness->own.count; i++)
        if (address_equal(&witness->own.items[i], address))
            return true;
    return false;
}

static int add_own(struct witness *witness, const struct address *address)
{
    if (witness->own.count >= WITNESS_OWN_MAX || is_own(witness, address))
        return 0;
    struct address *own = LIST_ADD(&witness->own);
    if (!own)
        return -ENOMEM;
    *own = *address;
    return 0;
}

/* Of a record without direction either end may be the interface's own: what stands in all of them is kept. */
static int narrow_own(struct witness *witness, const struct reading *reading)
{
    size_t kept = 0;
    if (!witness->own_seen &&
        (add_own(witness, &reading->source) < 0 || add_own(witness, &reading->destination) < 0))
        return -ENOMEM;
    for (size_t i = 0; i < witness->own.count; i++)
        if (address_equal(&witness->own.items[i], &reading->source) ||
            address_equal(&witness->own.items[i], &reading->destination))
            witness->own.items[kept++] = witness->own.items[i];
    witness->own.count = kept;
    witness->own_seen = true;
    return 0;
}

static int learn_own(struct witness *witness, const struct reading *reading)
{
    if (!reading->has_direction)
        return witness->own_known ? 0 : narrow_own(witness, reading);
    if (!witness->own_known)
        witness->own.count = 0;
    witness->own_known = witness->own_seen = true;
    return add_own(witness, reading->egress ? &reading->source : &reading->destination);
}

static int learn_endpoints(struct diagnose *diagnose, const struct witness *witness)
{
    for (size_t i = 0; i < witness->own.count; i++) {
        const struct address *own = &witness->own.items[i];
        if (witness->is_source && party_learn(&diagnose->question->source, own) < 0)
            return -ENOMEM;
        if (witness->is_destination && party_learn(&diagnose->question->destination, own) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* First reading: who the interfaces are, and what their records lack. */
static int learn(void *context, const struct record *record)
{
    struct diagnose *diagnose = context;
    struct reading reading;
    struct witness *witness = find_witness(diagnose->found, &record->values[FIELD_INTERFACE_ID]);
    if (!witness)
        return -ENOMEM;
    witness->is_source |= is_named(&diagnose->question->source, record);
    witness->is_destination |= is_named(&diagnose->question->destination, record);
    uint64_t start_s = reading_number(record, FIELD_START, 0);
    uint64_t end_s = reading_number(record, FIELD_END, start_s);
    witness->first_s = witness->last_s && witness->first_s < start_s ? witness->first_s : start_s;
    witness->last_s = witness->last_s > end_s ? witness->last_s : end_s;
    if (in_time(diagnose->question, record)) {
        bool skipped = reading_is_word(&record->values[FIELD_LOG_STATUS], "SKIPDATA");
        witness->records++;
        witness->skipdata += skipped;
        witness->nodata += reading_is_word(&record->values[FIELD_LOG_STATUS], "NODATA");
        witness->accepted += record->values[FIELD_ACTION].kind == VALUE_TEXT
                                 ? reading_is_word(&record->values[FIELD_ACTION], "ACCEPT")
                                 : reading_is_word(&record->values[FIELD_LOG_STATUS], "OK");
        witness->lost_packets += skipped ? reading_number(record, FIELD_X_LOST_PACKETS, 0) : 0;
    }
    return reading_addresses(record, &reading) ? learn_own(witness, &reading) : 0;
}

/* Which of the two a record is: a request, an answer, or neither. */
static bool is_asked_for(const struct question *question, const struct reading *reading, bool *ret_response)
{
    bool forth = party_has(&question->source, &reading->source) &&
                 party_has(&question->destination, &reading->destination);
    bool back = party_has(&question->source, &reading->destination) &&
                party_has(&question->destination, &reading->source);
    if (question->protocol >= 0 && reading->protocol != question->protocol)
        return false;
    if (question->port >= 0) {
        forth = forth && reading->destination_port == question->port;
        back = back && reading->source_port == question->port;
    }
    *ret_response = back && !forth;
    return forth || back;
}

/* Second reading: the records of the traffic. */
static int collect(void *context, const struct record *record)
{
    struct diagnose *diagnose = context;
    struct reading reading;
    bool response;
    if (!in_time(diagnose->question, record) || !reading_addresses(record, &reading) ||
        record->values[FIELD_ACTION].kind != VALUE_TEXT ||
        !is_asked_for(diagnose->question, &reading, &response))
        return 0;
    if (diagnose->found->sightings.count >= SIGHTINGS_MAX) {
        diagnose->found->not_held++;
        return 0;
    }
    struct sighting *sighting = LIST_ADD(&diagnose->found->sightings);
    const struct witness *witness = find_witness(diagnose->found, &record->values[FIELD_INTERFACE_ID]);
    if (!sighting || !witness)
        return -ENOMEM;
    *sighting = (struct sighting){
        .client = response ? reading.destination : reading.source,
        .server = response ? reading.source : reading.destination,
        .client_port = response ? reading.destination_port : reading.source_port,
        .server_port = response ? reading.source_port : reading.destination_port,
        .protocol = reading.protocol,
        .tcp_flags = (uint8_t)reading_number(record, FIELD_TCP_FLAGS, 0),
        .has_flags = record->values[FIELD_TCP_FLAGS].kind == VALUE_NUMBER,
        .response = response,
        .rejected = reading_is_word(&record->values[FIELD_ACTION], "REJECT"),
        .start_s = reading_number(record, FIELD_START, 0),
        .end_s = reading_number(record, FIELD_END, 0),
        .packets = reading_number(record, FIELD_PACKETS, 0),
        .bytes = reading_number(record, FIELD_BYTES, 0),
    };
    memcpy(sighting->interface_id, witness->interface_id, sizeof sighting->interface_id);
    return 0;
}

static int compare_conversations(const struct sighting *a, const struct sighting *b)
{
    int order = memcmp(&a->client, &b->client, sizeof a->client);
    if (order == 0)
        order = memcmp(&a->server, &b->server, sizeof a->server);
    if (order == 0)
        order = a->client_port - b->client_port;
    if (order == 0)
        order = a->server_port - b->server_port;
    return order ? order : a->protocol - b->protocol;
}

/* By conversation; in it requests first, by interface, verdict and time. */
static int compare_sightings(const void *a, const void *b)
{
    const struct sighting *x = a;
    const struct sighting *y = b;
    int order = compare_conversations(x, y);
    if (order == 0)
        order = x->response - y->response;
    if (order == 0)
        order = strcmp(x->interface_id, y->interface_id);
    if (order == 0)
        order = x->rejected - y->rejected;
    return order ? order : (x->start_s > y->start_s) - (x->start_s < y->start_s);
}

/* Rejected after the same interface had let the same through: late packets of what was closed, not a verdict.
 */
static bool is_late(const struct sighting *all, size_t count, const struct sighting *rejected)
{
    for (size_t i = 0; i < count; i++)
        if (!all[i].rejected && all[i].response == rejected->response && all[i].start_s < rejected->start_s &&
            strcmp(all[i].interface_id, rejected->interface_id) == 0)
            return true;
    return false;
}

struct side {
    bool seen;
    bool rejected;
    bool has_flags;
    uint8_t flags;
    bool syn; /* one record has SYN without ACK */
    uint64_t first_s;
};

static struct side look_at(const struct sighting *all, size_t count, bool response)
{
    struct side side = {.first_s = UINT64_MAX};
    for (size_t i = 0; i < count; i++) {
        const struct sighting *one = &all[i];
        if (one->response != response)
            continue;
        side.seen = true;
        side.rejected |= one->rejected && !is_late(all, count, one);
        side.has_flags |= one->has_flags;
        side.flags |= one->tcp_flags;
        side.syn |= (one->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
        if (one->start_s < side.first_s)
            side.first_s = one->start_s;
    }
    return side;
}

/* Whether the other end began it: then it is not what was asked for. */
static bool began_elsewhere(const struct question *question, const struct side *request,
                            const struct side *response)
{
    if (question->port >= 0)
        return false;
    if (request->syn != response->syn)
        return response->syn;
    if (request->seen && response->seen)
        return response->first_s < request->first_s;
    return false;
}

static enum outcome judge(const struct side *request, const struct side *response, uint8_t protocol)
{
    bool is_tcp = protocol == PROTOCOL_TCP;
    if (!request->seen)
        return OUTCOME_ONE_WAY;
    if (request->rejected)
        return OUTCOME_REJECTED_REQUEST;
    if (response->rejected)
        return OUTCOME_REJECTED_RESPONSE;
    if (!response->seen)
        return is_tcp && request->has_flags && !(request->flags & TCP_SYN) ? OUTCOME_ONE_WAY
                                                                           : OUTCOME_NO_RESPONSE;
    if (is_tcp && response->flags & TCP_RST && !(response->flags & TCP_SYN) && request->flags & TCP_SYN)
        return OUTCOME_REFUSED;
    return OUTCOME_ACCEPTED;
}

int diagnosis_tell(struct diagnosis *found, size_t first, size_t count, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    struct evidence *evidence = len < 0 ? NULL : LIST_ADD(&found->evidence);
    if (!evidence) {
        free(len < 0 ? NULL : text);
        return -ENOMEM;
    }
    *evidence = (struct evidence){.text = text, .first = first, .count = count};
    return 0;
}

/* What one interface says of one direction with one verdict. */
static int tell_run(struct diagnosis *found, size_t first, size_t count)
{
    const struct sighting *run = &found->sightings.items[first];
    char from[CLOCK_TEXT_MAX];
    char to[CLOCK_TEXT_MAX];
    uint64_t packets = 0;
    uint64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        packets += run[i].packets;
        last = run[i].end_s > last ? run[i].end_s : last;
    }
    return diagnosis_tell(found, first, count, "%s was %s on %s: %" PRIu64 " packet%s from %s to %s.",
                          run->response ? "The answer" : "The request",
                          run->rejected ? "rejected" : "accepted", run->interface_id, packets,
                          packets == 1 ? "" : "s", clock_format_utc(from, run->start_s),
                          clock_format_utc(to, last));
}

static int tell_conversation(struct diagnosis *found, size_t first, size_t count)
{
    const struct sighting *all = found->sightings.items;
    for (size_t i = first; i < first + count;) {
        size_t run = i + 1;
        while (run < first + count && all[run].response == all[i].response &&
               all[run].rejected == all[i].rejected &&
               strcmp(all[run].interface_id, all[i].interface_id) == 0)
            run++;
        if (tell_run(found, i, run - i) < 0)
            return -ENOMEM;
        i = run;
    }
    return 0;
}

/* What the documents say to a rejected record, or to an accepted request. */
static int tell_policy(struct diagnose *diagnose, size_t at)
{
    const struct sighting *sighting = &diagnose->found->sightings.items[at];
    struct policy *policy = diagnose->options->policy;
    struct policy_interface *interface = policy_interface(policy, sighting->interface_id);
    if (!interface)
        return diagnosis_tell(diagnose->found, at, 1, "The documents do not know %s.",
                              sighting->interface_id);
    if (policy_prepare(policy, interface, diagnose->fault) < 0)
        return -ENOMEM;
    AUTO_BUF struct buf reason = BUF_INIT(16384);
    struct decision decision;
    struct policy_packet packet = {
        .source = sighting->response ? sighting->server.bytes : sighting->client.bytes,
        .destination = sighting->response ? sighting->client.bytes : sighting->server.bytes,
        .source_port = sighting->response ? sighting->server_port : sighting->client_port,
        .destination_port = sighting->response ? sighting->client_port : sighting->server_port,
        .icmp = PARSE_ICMP_UNKNOWN,
        .family = sighting->client.family,
        .protocol = sighting->protocol,
        .partial = sighting->protocol == PROTOCOL_ICMP || sighting->protocol == PROTOCOL_ICMPV6,
    };
    struct address source = sighting->response ? sighting->server : sighting->client;
    packet.egress = policy_interface_owns(interface, &source);
    /* An answer to a request that was let through is of a tracked connection. */
    struct connection_view view = {.state = sighting->response ? CONNECTION_REPLY : CONNECTION_NONE};
    policy_decide(policy, interface, &packet, view, &decision);
    reason_print(&reason, interface, &packet, &decision);
    if (decision.verdict != VERDICT_UNKNOWN && (decision.verdict == VERDICT_ACCEPT) == sighting->rejected)
        buf_printf(&reason, " The record contradicts this; perhaps: %s.",
                   explain_contradiction(&decision, &packet, sighting->response,
                                         sighting->has_flags ? sighting->tcp_flags : -1));
    return diagnosis_tell(diagnose->found, at, 1, "The documents say on %s: %s", sighting->interface_id,
                          buf_string(&reason));
}

struct conversation {
    size_t first;
    size_t count;
    enum outcome outcome;
    uint64_t start_s;
};

/* The conversation asked about last decides; of those in the same second the one that went worse. */
static bool is_weightier(const struct conversation *one, const struct conversation *other)
{
    if (one->start_s != other->start_s)
        return one->start_s > other->start_s;
    return other->outcome == OUTCOME_ACCEPTED;
}

static int tell_others(struct diagnosis *found, const size_t counts[static OUTCOMES], enum outcome told)
{
    for (int i = 0; i < OUTCOMES; i++) {
        size_t others = counts[i] - (i == (int)told);
        if (others && diagnosis_tell(found, 0, 0, "%zu other conversation%s: %s.", others,
                                     others > 1 ? "s" : "", outcome_names[i]) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Which record the documents are asked about: the first that was rejected, else the first. */
static size_t weighty_sighting(const struct diagnosis *found, const struct conversation *conversation)
{
    for (size_t i = 0; i < conversation->count; i++)
        if (found->sightings.items[conversation->first + i].rejected)
            return conversation->first + i;
    return conversation->first;
}

/* What it means and where to look next, for this service in particular. */
static int conclude(struct diagnosis *found, const struct conversation *conversation, uint8_t protocol,
                    uint16_t port)
{
    const char *service = advice_of_service(found->outcome, protocol, port);
    if (diagnosis_tell(found, conversation->first, conversation->count, "%s%s%s",
                       advice_of_outcome(found->outcome), service ? " " : "", service ? service : "") < 0)
        return -ENOMEM;
    found->evidence.items[found->evidence.count - 1].sums_up = true;
    return 0;
}

static int tell_outcome(struct diagnose *diagnose, const struct conversation *conversation,
                        const size_t counts[static OUTCOMES])
{
    struct diagnosis *found = diagnose->found;
    found->outcome = conversation->outcome;
    if (tell_conversation(found, conversation->first, conversation->count) < 0)
        return -ENOMEM;
    if (diagnose->options->policy && tell_policy(diagnose, weighty_sighting(found, conversation)) < 0)
        return -ENOMEM;
    if (tell_others(found, counts, conversation->outcome) < 0)
        return -ENOMEM;
    const struct sighting *any = &found->sightings.items[conversation->first];
    return conclude(found, conversation, any->protocol, any->server_port);
}

/* 1 when some conversation decided, 0 when there is none. */
static int weigh_conversations(struct diagnose *diagnose)
{
    struct diagnosis *found = diagnose->found;
    struct conversation weightiest = {0};
    size_t counts[OUTCOMES] = {0};
    if (found->sightings.count > 1)
        qsort(found->sightings.items, found->sightings.count, sizeof *found->sightings.items,
              compare_sightings);
    for (size_t first = 0; first < found->sightings.count;) {
        const struct sighting *all = &found->sightings.items[first];
        size_t count = 1;
        while (first + count < found->sightings.count && compare_conversations(all, &all[count]) == 0)
            count++;
        struct side request = look_at(all, count, false);
        struct side response = look_at(all, count, true);
        struct conversation one = {.first = first, .count = count};
        first += count;
        if (began_elsewhere(diagnose->question, &request, &response))
            continue;
        one.outcome = judge(&request, &response, all->protocol);
        one.start_s = request.seen ? request.first_s : response.first_s;
        counts[one.outcome]++;
        if (!found->conversations++ || is_weightier(&one, &weightiest))
            weightiest = one;
    }
    if (found->conversations == 0)
        return 0;
    return tell_outcome(diagnose, &weightiest, counts) < 0 ? -ENOMEM : 1;
}

static int tell_nothing_found(struct diagnose *diagnose)
{
    struct diagnosis *found = diagnose->found;
    const struct question *question = diagnose->question;
    found->outcome = found->complete ? OUTCOME_ABSENT : OUTCOME_UNKNOWN;
    if (found->incomplete && diagnosis_tell(found, 0, 0, "Not complete: %s.", found->incomplete) < 0)
        return -ENOMEM;
    return conclude(found, &(struct conversation){0},
                    (uint8_t)(question->protocol < 0 ? 0 : question->protocol),
                    (uint16_t)(question->port < 0 ? 0 : question->port));
}

static int learn_from_documents(struct diagnose *diagnose, struct party *party)
{
    const struct policy *policy = diagnose->options->policy;
    for (size_t i = 0; policy && party->is_id && i < policy->interfaces.count; i++) {
        const struct policy_interface *interface = &policy->interfaces.items[i];
        if (strcmp(interface->item.id, party->text) != 0 &&
            (!interface->instance_id || strcmp(interface->instance_id, party->text) != 0) &&
            (!interface->subnet_id || strcmp(interface->subnet_id, party->text) != 0))
            continue;
        for (size_t n = 0; n < interface->addresses.count; n++)
            if (party_learn(party, &interface->addresses.items[n]) < 0)
                return -ENOMEM;
    }
    return 0;
}

static int run(struct diagnose *diagnose)
{
    const struct readings *readings = diagnose->options->readings;
    uint64_t records;
    int r = reading_all(readings, READING_TELLS, learn, diagnose, &diagnose->found->records, diagnose->fault);
    if (r < 0)
        return r;
    if (learn_from_documents(diagnose, &diagnose->question->source) < 0 ||
        learn_from_documents(diagnose, &diagnose->question->destination) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < diagnose->found->witnesses.count; i++)
        if (learn_endpoints(diagnose, &diagnose->found->witnesses.items[i]) < 0)
            return -ENOMEM;
    r = reading_all(readings, READING_SILENT, collect, diagnose, &records, diagnose->fault);
    if (r < 0)
        return r;
    r = weigh_conversations(diagnose);
    if (r < 0 || completeness_weigh(diagnose->found, diagnose->question, diagnose->options) < 0)
        return -ENOMEM;
    return r > 0 ? 0 : tell_nothing_found(diagnose);
}

int diagnose_run(struct question *question, const struct diagnose_options *options, struct diagnosis *ret,
                 struct fault *fault)
{
    *ret = (struct diagnosis){.outcome = OUTCOME_UNKNOWN};
    struct diagnose diagnose = {.question = question, .options = options, .found = ret, .fault = fault};
    int r = run(&diagnose);
    return r == -ENOMEM ? out_of_memory(fault) : r;
}

void diagnosis_done(struct diagnosis *diagnosis)
{
    for (size_t i = 0; i < diagnosis->evidence.count; i++)
        free(diagnosis->evidence.items[i].text);
    free(diagnosis->evidence.items);
    free(diagnosis->sightings.items);
    free(diagnosis->ledger.items);
    for (size_t i = 0; i < diagnosis->witnesses.count; i++)
        free(diagnosis->witnesses.items[i].own.items);
    free(diagnosis->witnesses.items);
}
