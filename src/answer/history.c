/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/history.h"

#include <stdlib.h>

#include "flow/flow.h"

/* Longest interval, and how late a record may be written in comparison with others. */
#define DISORDER_MAX_S 1260

#define EPHEMERAL_MIN 32768 /* ports that clients take by default begin here, or above */

/* State of a conversation: noted, then what the documents say to its beginning. */
enum { STATE_NEW, STATE_NOTED, STATE_TRACKED, STATE_NOT_TRACKED, STATE_REJECTED, STATE_UNSURE };

enum {
    SYN_INGRESS = 1, /* some record of that direction has SYN without ACK: it began here */
    SYN_EGRESS = 2,
    SEEN_INGRESS = 4,
    SEEN_EGRESS = 8,
    DECIDED = 16, /* the second pass has been here */
    STREAM = 32,
};

/* Without memory the second pass searches. */
static void keep_number(struct history *history, uint32_t number)
{
    if (history->noted_count == history->noted_capacity) {
        size_t capacity = history->noted_capacity ? history->noted_capacity * 2 : 4096;
        uint32_t *noted =
            capacity <= HISTORY_NOTED_MAX ? reallocarray(history->noted, capacity, sizeof *noted) : NULL;
        if (!noted)
            return;
        history->noted = noted;
        history->noted_capacity = capacity;
    }
    history->noted[history->noted_count++] = number;
}

void history_note(struct history *history, const struct history_record *record)
{
    struct connection_key key;
    unsigned direction = record->packet.egress;
    if (record->start_s + DISORDER_MAX_S < history->latest_s)
        history->out_of_order = true;
    if (record->start_s > history->latest_s)
        history->latest_s = record->start_s;
    connection_key(&key, &record->packet, record->interface);
    uint32_t number = connections_add(&history->table, &key);
    keep_number(history, number);
    if (number == CONNECTION_NONE) {
        history->not_noted++;
        return;
    }
    struct connection *found = connections_at(&history->table, number);
    if (found->state == STATE_NEW) /* the first in the input, should nothing else tell */
        found->direction = (uint8_t)direction;
    found->state = STATE_NOTED;
    if ((record->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
        found->flags |= direction ? SYN_EGRESS : SYN_INGRESS;
    uint8_t seen = direction ? SEEN_EGRESS : SEEN_INGRESS;
    uint32_t start_s = connection_time(record->start_s);
    if (!(found->flags & seen) || start_s < found->first_s[direction])
        found->first_s[direction] = start_s;
    found->flags |= seen;
}

/* The packet that the other end would have sent. */
static struct policy_packet turn(const struct policy_packet *packet)
{
    struct policy_packet turned = *packet;
    turned.source = packet->destination;
    turned.destination = packet->source;
    turned.source_port = packet->destination_port;
    turned.destination_port = packet->source_port;
    turned.egress = !packet->egress;
    return turned;
}

static bool is_admitted(const struct policy *policy, const struct policy_interface *interface,
                        const struct policy_packet *packet)
{
    struct decision decision;
    policy_decide(policy, interface, packet, (struct connection_view){0}, &decision);
    return decision.verdict == VERDICT_ACCEPT;
}

/*
 * Which direction began: the one with a SYN of its own, else the earlier one; where both start in the same
 * second, the one that the documents let begin; where they do not tell either, the one that comes from a
 * client's port.
 */
static uint8_t beginner(const struct connection *found, const struct policy *policy,
                        const struct policy_interface *interface, const struct policy_packet *packet)
{
    uint8_t syn = found->flags & (SYN_INGRESS | SYN_EGRESS);
    if (syn == SYN_INGRESS || syn == SYN_EGRESS)
        return syn == SYN_EGRESS;
    if (!(found->flags & SEEN_INGRESS) || !(found->flags & SEEN_EGRESS))
        return (found->flags & SEEN_EGRESS) != 0;
    if (found->first_s[0] != found->first_s[1])
        return found->first_s[1] < found->first_s[0];
    struct policy_packet turned = turn(packet);
    const struct policy_packet *ingress = packet->egress ? &turned : packet;
    const struct policy_packet *egress = packet->egress ? packet : &turned;
    bool in = is_admitted(policy, interface, ingress);
    bool out = is_admitted(policy, interface, egress);
    if (in != out)
        return out;
    bool from_client = packet->source_port >= EPHEMERAL_MIN && packet->destination_port < EPHEMERAL_MIN;
    bool to_client = packet->destination_port >= EPHEMERAL_MIN && packet->source_port < EPHEMERAL_MIN;
    if (from_client != to_client)
        return from_client ? packet->egress : !packet->egress;
    return found->direction;
}

/*
 * What the documents say to the packet that began the conversation; once per conversation and side. Which it
 * was is a matter of the records: the first side settles it for both.
 */
static uint8_t decide_beginning(struct connection *found, enum history_side side, const struct policy *policy,
                                const struct policy_interface *interface, const struct policy_packet *packet,
                                struct decision *ret)
{
    struct policy_packet turned = turn(packet);
    if (side == HISTORY_SIDE)
        found->direction = beginner(found, policy, interface, packet);
    policy_decide(policy, interface, packet->egress == found->direction ? packet : &turned,
                  (struct connection_view){0}, ret);
    if (ret->verdict == VERDICT_UNKNOWN)
        return STATE_UNSURE;
    if (ret->verdict == VERDICT_REJECT)
        return STATE_REJECTED;
    return ret->tracked ? STATE_TRACKED : STATE_NOT_TRACKED;
}

/* How the conversation so far bears on a record of the direction that did not begin it. */
static struct connection_view view_reply(const struct history *history, const struct connection *found,
                                         uint8_t state, const struct policy_interface *interface,
                                         const struct history_record *record)
{
    if (state == STATE_UNSURE)
        return (struct connection_view){
            CONNECTION_MAYBE, "it answers a conversation of which the documents do not tell whether it "
                              "was let begin"};
    if (state != STATE_TRACKED)
        return (struct connection_view){0};
    uint32_t start_s = connection_time(record->start_s);
    uint64_t idle = found->flags & DECIDED && start_s > found->last_s ? start_s - found->last_s : 0;
    struct policy_timeout timeout = policy_timeout(interface, record->packet.protocol, found->flags & STREAM);
    if (idle <= timeout.sure_s)
        return (struct connection_view){.state = CONNECTION_REPLY};
    if (history->out_of_order)
        return (struct connection_view){CONNECTION_MAYBE,
                                        "the conversation seems to have been idle for longer "
                                        "than it is tracked, but the records are not in the "
                                        "order of time"};
    if (idle > timeout.most_s)
        return (struct connection_view){0};
    return (struct connection_view){
        CONNECTION_MAYBE, "the conversation was idle for longer than the shortest time-out AWS has, not "
                          "longer than the longest"};
}

/* How many records ahead a conversation is asked of the memory. */
enum { AHEAD = 8 };

/* What the first pass noted for the record at which the second one is. */
static struct connection *next_noted(struct history *history)
{
    size_t at = history->next++;
    if (at + AHEAD < history->noted_count && history->noted[at + AHEAD] != CONNECTION_NONE)
        __builtin_prefetch(connections_at(&history->table, history->noted[at + AHEAD]), 1);
    return at < history->noted_count && history->noted[at] != CONNECTION_NONE
               ? connections_at(&history->table, history->noted[at])
               : NULL;
}

struct connection *history_find(struct history *history, const struct history_record *record)
{
    struct connection_key key;
    connection_key(&key, &record->packet, record->interface);
    struct connection *noted = next_noted(history);
    return noted && connection_key_equal(&noted->key, &key) ? noted : connections_find(&history->table, &key);
}

void history_decide(const struct history *history, struct connection *found, enum history_side side,
                    const struct policy *policy, const struct policy_interface *interface,
                    const struct history_record *record, struct decision *ret, bool *ret_reply)
{
    struct connection_view reply = {0};
    *ret_reply = false;
    if (found) {
        uint8_t *state = side == HISTORY_SIDE ? &found->state : &found->other_state;
        bool is_first = *state <= STATE_NOTED;
        if (is_first)
            *state = decide_beginning(found, side, policy, interface, &record->packet, ret);
        *ret_reply = record->packet.egress != found->direction;
        if (is_first && !*ret_reply)
            return; /* it is the beginning itself */
        if (*ret_reply)
            reply = view_reply(history, found, *state, interface, record);
    }
    policy_decide(policy, interface, &record->packet, reply, ret);
}

bool history_was_admitted(const struct connection *found, enum history_side side)
{
    uint8_t state = side == HISTORY_SIDE ? found->state : found->other_state;
    return state == STATE_TRACKED || state == STATE_NOT_TRACKED;
}

void history_carry_on(struct connection *found, const struct history_record *record)
{
    /* Records do not show how often UDP was asked and answered; a third one means more than once. */
    if (found->flags & DECIDED)
        found->flags |= STREAM;
    found->flags |= DECIDED;
    if (record->end_s > found->last_s)
        found->last_s = connection_time(record->end_s);
}

void history_done(struct history *history)
{
    connections_done(&history->table);
    free(history->noted);
}
