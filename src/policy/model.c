/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/load.h"

void *list_add(void **items, size_t *count, size_t *capacity, size_t size)
{
    if (*count == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 8;
        void *grown = reallocarray(*items, more, size);
        if (!grown)
            return NULL;
        *items = grown;
        *capacity = more;
    }
    return memset((char *)*items + (*count)++ * size, 0, size);
}

static int compare_id(const void *id, const void *item)
{
    return strcmp(id, ((const struct policy_item *)item)->id);
}

void *list_find(const void *items, size_t count, size_t size, const char *id)
{
    return count && id ? bsearch(id, items, count, size, compare_id) : NULL;
}

const char *policy_text(struct policy *policy, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (len < 0)
        return NULL;
    char **added = LIST_ADD(&policy->texts);
    if (!added) {
        free(text);
        return NULL;
    }
    *added = text;
    return text;
}

void policy_group_done(struct policy_group *group)
{
    free(group->rules.items);
    free(group->flat.items);
}

void policy_acl_done(struct policy_acl *acl)
{
    free(acl->entries.items);
    free(acl->subnets.items);
    rule_set_done(&acl->sets[0]);
    rule_set_done(&acl->sets[1]);
}

void policy_table_done(struct policy_table *table)
{
    free(table->routes.items);
    free(table->subnets.items);
    rule_set_done(&table->set);
}

void policy_list_done(struct policy_list *list)
{
    free(list->blocks.items);
}

void policy_vpc_done(struct policy_vpc *vpc)
{
    free(vpc->blocks.items);
}

void policy_subnet_done(struct policy_subnet *subnet)
{
    free(subnet->blocks.items);
}

void policy_interface_done(struct policy_interface *interface)
{
    free(interface->addresses.items);
    free(interface->public_addresses.items);
    free(interface->prefixes.items);
    free(interface->group_ids.items);
}
