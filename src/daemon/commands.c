/* SPDX-License-Identifier: Apache-2.0 */

/* What is asked over the control socket: whoever may open it may do everything. */

#include <errno.h>
#include <string.h>

#include "daemon/created.h"
#include "daemon/daemon.h"

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text ? text : "";
}

static json_t *answer_status(struct daemon *daemon, const json_t *request, struct fault *fault)
{
    return daemon_answer_status(daemon);
}

static json_t *create_access_key(struct daemon *daemon, const json_t *request, struct fault *fault)
{
    const json_t *key;
    if (access_keys_create(daemon->access_keys, text_of(request, "rights"), &key, fault) < 0)
        return NULL;
    return json_deep_copy(key);
}

/* Without secrets: those are told once, when a key is made. */
static json_t *list_access_keys(struct daemon *daemon, const json_t *request, struct fault *fault)
{
    json_t *keys = json_deep_copy(access_keys_list(daemon->access_keys));
    size_t i;
    json_t *key;
    json_array_foreach(keys, i, key) json_object_del(key, "secret");
    return json_pack("{s:o}", "access-keys", keys);
}

static json_t *revoke_access_key(struct daemon *daemon, const json_t *request, struct fault *fault)
{
    if (access_keys_revoke(daemon->access_keys, text_of(request, "id"), fault) < 0)
        return NULL;
    return json_pack("{s:I}", "left", (json_int_t)json_array_size(access_keys_list(daemon->access_keys)));
}

static json_t *answer_ec2(struct daemon *daemon, const json_t *request, struct fault *fault)
{
    const struct ec2_host host = created_host(daemon);
    return ec2_answer_json(&host, json_object_get(request, "parameters"));
}

static const struct {
    const char *name;
    json_t *(*answer)(struct daemon *daemon, const json_t *request, struct fault *fault);
} commands[] = {
    {"status", answer_status},
    {"ec2", answer_ec2},
    {"create-access-key", create_access_key},
    {"list-access-keys", list_access_keys},
    {"revoke-access-key", revoke_access_key},
};

json_t *daemon_answer(void *context, const char *command, const json_t *request, struct fault *fault)
{
    AUTO_BUF struct buf names = BUF_INIT(1024);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, command) == 0)
            return commands[i].answer(context, request, fault);
        buf_printf(&names, "%s%s", i ? ", " : "", commands[i].name);
    }
    (void)fault_set(fault, -EINVAL, "unknown command '%.64s'; known: %s", command, buf_string(&names));
    return NULL;
}
