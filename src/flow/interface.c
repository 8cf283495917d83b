/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/interface.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool interface_owns(const struct interface *interface, const uint8_t address[static 16], uint8_t family)
{
    for (unsigned i = 0; i < interface->address_count; i++) {
        const struct address *own = &interface->addresses[i];
        if (own->family == family && memcmp(own->bytes, address, sizeof own->bytes) == 0)
            return true;
    }
    return false;
}

const struct address *interface_primary(const struct interface *interface, uint8_t family)
{
    for (unsigned i = 0; i < interface->address_count; i++)
        if (interface->addresses[i].family == family)
            return &interface->addresses[i];
    return NULL;
}

int interface_add_address(struct interface *interface, const struct address *address)
{
    if (interface_owns(interface, address->bytes, address->family))
        return 0;
    struct address *addresses =
        reallocarray(interface->addresses, interface->address_count + 1, sizeof *addresses);
    if (!addresses)
        return -ENOMEM;
    addresses[interface->address_count] = *address;
    interface->addresses = addresses;
    interface->address_count++;
    return 0;
}

void interface_facts_free(struct interface_facts *facts)
{
    if (!facts)
        return;
    for (size_t i = 0; i < facts->tag_count; i++) {
        free(facts->tags[i].key);
        free(facts->tags[i].value);
    }
    free(facts->tags);
    free(facts);
}

int interface_facts_add_tag(struct interface_facts *facts, enum interface_tag_of of, const char *key,
                            const char *value)
{
    struct interface_tag *tags = reallocarray(facts->tags, facts->tag_count + 1, sizeof *tags);
    if (!tags)
        return -ENOMEM;
    facts->tags = tags;
    struct interface_tag *tag = &tags[facts->tag_count];
    *tag = (struct interface_tag){.of = (uint8_t)of, .key = strdup(key), .value = strdup(value)};
    facts->tag_count++; /* its texts are freed with the others */
    return tag->key && tag->value ? 0 : -ENOMEM;
}

void interface_done(struct interface *interface)
{
    interface_facts_free(interface->facts);
    interface->facts = NULL;
    free(interface->addresses);
    interface->addresses = NULL;
    interface->address_count = 0;
}
