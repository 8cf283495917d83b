/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/account.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The texts of an identity; a row each. */
static const struct member {
    const char *name;
    size_t offset;
    size_t size;
} members[] = {
#define MEMBER(name, member)                                                                                 \
    {                                                                                                        \
        name, offsetof(struct interface_identity, member),                                                   \
            sizeof(((struct interface_identity *)NULL)->member)                                              \
    }
    MEMBER("interface-id", interface_id),
    MEMBER("account-id", account_id),
    MEMBER("vpc-id", vpc_id),
    MEMBER("subnet-id", subnet_id),
    MEMBER("instance-id", instance_id),
    MEMBER("region", region),
    MEMBER("az-id", az_id),
};

json_t *account_print_identity(const struct interface_identity *identity)
{
    json_t *object = json_object();
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        json_object_set_new(object, members[i].name, json_string((const char *)identity + members[i].offset));
    return object;
}

bool account_parse_identity(const json_t *object, struct interface_identity *ret)
{
    struct interface_identity identity = {0};
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const json_t *text = json_object_get(object, members[i].name);
        size_t len = json_string_length(text);
        if (!json_is_string(text) || len >= members[i].size)
            return false;
        memcpy((char *)&identity + members[i].offset, json_string_value(text), len);
    }
    *ret = identity;
    return true;
}

void account_print_number(json_t *object, const char *name, uint64_t number)
{
    json_object_set_new(object, name, json_integer(number < INT64_MAX ? (json_int_t)number : INT64_MAX));
}

json_t *account_print_sum(json_t *object, const struct batch_sum *sum)
{
    account_print_number(object, "records", sum->records);
    account_print_number(object, "packets", sum->packets);
    account_print_number(object, "lost", sum->lost);
    return object;
}

bool account_parse_number(const json_t *object, const char *name, uint64_t *ret)
{
    const json_t *number = json_object_get(object, name);
    if (!json_is_integer(number) || json_integer_value(number) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(number);
    return true;
}

bool account_parse_sum(const json_t *object, struct batch_sum *ret)
{
    return account_parse_number(object, "records", &ret->records) &&
           account_parse_number(object, "packets", &ret->packets) &&
           account_parse_number(object, "lost", &ret->lost);
}

json_t *account_print(const struct batch_interface *interfaces, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(
            list, account_print_sum(account_print_identity(&interfaces[i].identity), &interfaces[i].sum));
    return list;
}

int account_parse(const json_t *list, struct batch_interface **ret, uint32_t *ret_count)
{
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > UINT32_MAX)
        return -EBADMSG;
    struct batch_interface *interfaces = calloc(count + 1, sizeof *interfaces);
    if (!interfaces)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(list, i);
        if (!account_parse_identity(object, &interfaces[i].identity) ||
            !account_parse_sum(object, &interfaces[i].sum)) {
            free(interfaces);
            return -EBADMSG;
        }
    }
    *ret = interfaces;
    *ret_count = (uint32_t)count;
    return 0;
}
