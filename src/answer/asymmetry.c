/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/asymmetry.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "bpf/parse.h"
#include "flow/flow.h"

enum { PASSAGE_INTERFACES = 4 };

/* The ends in the order of their bytes, so that both directions have one key. */
struct conversation_key {
    uint8_t addresses[2][16];
    uint16_t ports[2];
    uint8_t protocol;
    uint8_t family;
};

_Static_assert(sizeof(struct conversation_key) == 38, "the key has no padding");

enum sight_bits { SIGHT_ANY = 1, SIGHT_ACCEPTED = 2 };

struct passage {
    uint32_t interfaces[PASSAGE_INTERFACES]; /* the first ones that saw it */
    uint8_t sights[PASSAGE_INTERFACES][2];   /* what each saw from the first end, from the second */
    uint8_t interface_count;
    uint8_t begun; /* a bit for the end that sent a SYN alone */
    uint64_t first_s[2];
};

/* Which end the record is from. */
static unsigned set_key(struct conversation_key *ret, const struct history_record *record)
{
    const struct policy_packet *packet = &record->packet;
    int order = memcmp(packet->source, packet->destination, 16);
    unsigned from = order ? order > 0 : packet->source_port > packet->destination_port;
    *ret = (struct conversation_key){.protocol = packet->protocol, .family = packet->family};
    memcpy(ret->addresses[from], packet->source, 16);
    memcpy(ret->addresses[!from], packet->destination, 16);
    ret->ports[from] = packet->source_port;
    ret->ports[!from] = packet->destination_port;
    return from;
}

void asymmetry_init(struct asymmetry *asymmetry)
{
    *asymmetry = (struct asymmetry){
        .conversations = {.key_size = sizeof(struct conversation_key), .max_count = ASYMMETRY_MAX}};
}

void asymmetry_done(struct asymmetry *asymmetry)
{
    numbering_done(&asymmetry->conversations);
    free(asymmetry->passages);
}

/* NULL without memory. */
static struct passage *passage_of(struct asymmetry *asymmetry, const struct conversation_key *key)
{
    uint32_t number = numbering_add(&asymmetry->conversations, key);
    if (number == NUMBER_NONE)
        return NULL;
    if (number < asymmetry->capacity)
        return &asymmetry->passages[number];
    size_t capacity = asymmetry->capacity ? 2 * asymmetry->capacity : 256;
    struct passage *grown = reallocarray(asymmetry->passages, capacity, sizeof *grown);
    if (!grown)
        return NULL;
    memset(grown + asymmetry->capacity, 0, (capacity - asymmetry->capacity) * sizeof *grown);
    asymmetry->passages = grown;
    asymmetry->capacity = capacity;
    return &grown[number];
}

void asymmetry_note(struct asymmetry *asymmetry, const struct history_record *record, bool accepted)
{
    struct conversation_key key;
    unsigned from = set_key(&key, record);
    struct passage *passage = passage_of(asymmetry, &key);
    unsigned at = 0;
    if (!passage) {
        asymmetry->not_held++;
        return;
    }
    while (at < passage->interface_count && passage->interfaces[at] != record->interface)
        at++;
    if (at == PASSAGE_INTERFACES)
        return;
    if (at == passage->interface_count)
        passage->interfaces[passage->interface_count++] = record->interface;
    passage->sights[at][from] |= (uint8_t)(SIGHT_ANY | (accepted ? SIGHT_ACCEPTED : 0));
    if (passage->first_s[from] == 0 || record->start_s < passage->first_s[from])
        passage->first_s[from] = record->start_s;
    if (key.protocol == PROTOCOL_TCP && (record->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
        passage->begun |= (uint8_t)(1 << from);
}

/* The first interface that let through what comes from the end, and saw nothing from the other one; -1 when
 * there is none. */
static int only_from(const struct passage *passage, unsigned end)
{
    for (int i = 0; i < passage->interface_count; i++)
        if (passage->sights[i][end] & SIGHT_ACCEPTED && !passage->sights[i][!end])
            return i;
    return -1;
}

static bool is_asymmetric(const struct passage *passage)
{
    return only_from(passage, 0) >= 0 && only_from(passage, 1) >= 0;
}

/* The end that asked: by SYN, else by time, else by the higher port. */
static unsigned client_of(const struct passage *passage, const struct conversation_key *key)
{
    if (passage->begun == 1 || passage->begun == 2)
        return passage->begun - 1;
    if (passage->first_s[0] != passage->first_s[1])
        return passage->first_s[1] < passage->first_s[0];
    return key->ports[1] > key->ports[0];
}

bool asymmetry_any(const struct asymmetry *asymmetry)
{
    for (uint32_t i = 0; i < asymmetry->conversations.count && i < asymmetry->capacity; i++)
        if (is_asymmetric(&asymmetry->passages[i]))
            return true;
    return false;
}

bool asymmetry_find(const struct asymmetry *asymmetry, const struct history_record *record,
                    struct asymmetric *ret)
{
    struct conversation_key key;
    (void)set_key(&key, record);
    uint32_t number = numbering_find(&asymmetry->conversations, &key);
    if (number == NUMBER_NONE || number >= asymmetry->capacity ||
        !is_asymmetric(&asymmetry->passages[number]))
        return false;
    const struct passage *passage = &asymmetry->passages[number];
    unsigned client = client_of(passage, &key);
    *ret = (struct asymmetric){.requests = passage->interfaces[only_from(passage, client)],
                               .answers = passage->interfaces[only_from(passage, !client)],
                               .port = key.ports[!client],
                               .protocol = key.protocol};
    return record->interface == ret->requests || record->interface == ret->answers;
}
