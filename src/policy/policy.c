/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/policy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "policy/compile.h"
#include "policy/load.h"

#define DOCUMENT_MAX (512UL * 1024 * 1024)
#define DOCUMENTS_MAX 100000

/* The name lasts as long as the policy, as every message of later may need it. */
static int add_text(struct loader *loader, const char *name, const char *text, size_t len)
{
    json_error_t error;
    const char *file = policy_text(loader->policy, "%s", name);
    json_t *json = json_loadb(text, len, 0, &error);
    if (!file || (json && json_array_append_new(loader->policy->documents, json) < 0))
        return -ENOMEM;
    struct node node = {.json = json, .name = file, .index = NO_INDEX, .mistakes = &loader->mistakes};
    if (json_is_object(json))
        return load_document(loader, &node);
    if (json)
        node_mistake(&node, "an object is due, as `aws ec2 describe-…` prints it");
    else
        node_mistake(&node, "line %d: %s", error.line, error.text);
    return 0;
}

static int add_file(struct loader *loader, const char *folder, const char *name)
{
    AUTO_BUF struct buf text = BUF_INIT(DOCUMENT_MAX);
    AUTO_FREE char *path = NULL;
    struct fault fault;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        path = NULL;
        return -ENOMEM;
    }
    int r = file_read(path, &text, &fault);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        loader->mistakes.count++;
        loader->mistakes.tell(loader->mistakes.context, fault.text);
        return 0;
    }
    return add_text(loader, path, text.data ? text.data : "", text.len);
}

static int is_document(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0 && entry->d_name[0] != '.';
}

static int add_folder(struct loader *loader, const char *folder, struct fault *fault)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_document, alphasort);
    if (count < 0)
        return fault_set(fault, -errno, "%s: cannot read the folder: %s", folder, strerror(errno));
    int r = count > DOCUMENTS_MAX
                ? fault_set(fault, -E2BIG, "%s: more than %d documents", folder, DOCUMENTS_MAX)
                : 0;
    for (int i = 0; i < count; i++) {
        if (r == 0)
            r = add_file(loader, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return r;
}

static void tell_untold(const struct loader *loader)
{
    char line[64];
    if (loader->mistakes.count <= MISTAKES_TOLD)
        return;
    (void)snprintf(line, sizeof line, "and %zu more of the kind", loader->mistakes.count - MISTAKES_TOLD);
    loader->mistakes.tell(loader->mistakes.context, line);
}

static int begin(struct loader *loader, struct fault *fault)
{
    AUTO_POLICY struct policy *policy = calloc(1, sizeof *policy);
    json_t *documents = json_array();
    if (!policy || !documents) {
        json_decref(documents);
        return fault_set(fault, -ENOMEM, "out of memory");
    }
    policy->documents = documents;
    loader->policy = TAKE(policy);
    return 0;
}

static int finish(struct loader *loader, int r, const char *source, struct policy **ret, struct fault *fault)
{
    AUTO_POLICY struct policy *policy = loader->policy;
    if (r == 0)
        r = load_link(loader);
    free(loader->flat.items);
    tell_untold(loader);
    if (r == -ENOMEM)
        return fault_set(fault, r, "%s: out of memory for the documents", source);
    if (r < 0)
        return r;
    if (loader->known == 0)
        return fault_set(fault, -EINVAL,
                         "%s: no document of security groups, network ACLs, interfaces, subnets, VPCs, "
                         "routes or prefix lists in it",
                         source);
    *ret = TAKE(policy);
    return 0;
}

int policy_load(struct policy **ret, const char *folder, void (*tell)(void *context, const char *line),
                void *context, struct fault *fault)
{
    struct loader loader = {.mistakes = {.tell = tell, .context = context}};
    int r = begin(&loader, fault);
    return r < 0 ? r : finish(&loader, add_folder(&loader, folder, fault), folder, ret, fault);
}

int policy_load_change(struct policy **ret, const char *folder, const char *base,
                       void (*tell)(void *context, const char *line), void *context, struct fault *fault)
{
    struct loader loader = {
        .mistakes = {.tell = tell, .context = context}, .replaced = json_object(), .replacing = true};
    int r = loader.replaced ? begin(&loader, fault) : fault_set(fault, -ENOMEM, "out of memory");
    if (r == 0 && loader.policy) {
        r = add_folder(&loader, folder, fault);
        loader.replacing = false;
        bool is_whole = loader.policy->interfaces.count > 0;
        if (r == 0 && loader.known > 0 && !is_whole)
            r = add_folder(&loader, base, fault);
        r = finish(&loader, r, folder, ret, fault);
    }
    json_decref(loader.replaced);
    return r;
}

int policy_load_text(struct policy **ret, const char *name, const char *text, size_t len,
                     void (*tell)(void *context, const char *line), void *context, struct fault *fault)
{
    struct loader loader = {.mistakes = {.tell = tell, .context = context}};
    int r = begin(&loader, fault);
    return r < 0 ? r : finish(&loader, add_text(&loader, name, text, len), name, ret, fault);
}

#define FREE_ALL(list, done)                                                                                 \
    do {                                                                                                     \
        for (size_t i = 0; i < (list).count; i++)                                                            \
            done((list).items[i]);                                                                           \
        free((list).items);                                                                                  \
    } while (0)
#define DONE_ALL(list, done)                                                                                 \
    do {                                                                                                     \
        for (size_t i = 0; i < (list).count; i++)                                                            \
            done(&(list).items[i]);                                                                          \
        free((list).items);                                                                                  \
    } while (0)

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    DONE_ALL(policy->groups, policy_group_done);
    DONE_ALL(policy->acls, policy_acl_done);
    DONE_ALL(policy->tables, policy_table_done);
    DONE_ALL(policy->lists, policy_list_done);
    DONE_ALL(policy->vpcs, policy_vpc_done);
    DONE_ALL(policy->subnets, policy_subnet_done);
    DONE_ALL(policy->interfaces, policy_interface_done);
    FREE_ALL(policy->group_sets, group_set_free);
    FREE_ALL(policy->texts, free);
    free(policy->trackers.items);
    json_decref(policy->documents);
    free(policy);
}

struct policy_interface *policy_interface(struct policy *policy, const char *id)
{
    return LIST_FIND(&policy->interfaces, id);
}

bool policy_interface_owns(const struct policy_interface *interface, const struct address *address)
{
    for (size_t i = 0; i < interface->addresses.count; i++)
        if (address_equal(&interface->addresses.items[i], address))
            return true;
    for (size_t i = 0; i < interface->public_addresses.count; i++)
        if (address_equal(&interface->public_addresses.items[i], address))
            return true;
    for (size_t i = 0; i < interface->prefixes.count; i++)
        if (address_block_contains(&interface->prefixes.items[i], address))
            return true;
    return false;
}
