/* SPDX-License-Identifier: Apache-2.0 */

/* CreateTags, DeleteTags, DescribeTags: of flow logs, which is what this service has of its own. */

#include <string.h>

#include "api/ec2_actions.h"

#define TAGS_MAX 50 /* of one resource */
#define KEY_MAX 127
#define VALUE_MAX 256

static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += (*text & 0xc0) != 0x80;
    return count;
}

static bool is_tag(struct ec2_call *call, const char *key, const char *value)
{
    if (!*key || count_characters(key) > KEY_MAX)
        return ec2_fail(call, "InvalidParameterValue", "Tag key '%.200s' must have 1 to %d characters", key,
                        KEY_MAX);
    if (strncmp(key, "aws:", 4) == 0)
        return ec2_fail(call, "InvalidParameterValue",
                        "Tag keys starting with 'aws:' are reserved for internal use");
    if (count_characters(value) > VALUE_MAX)
        return ec2_fail(call, "InvalidParameterValue",
                        "The value of tag '%.200s' has more than %d characters", key, VALUE_MAX);
    return true;
}

json_t *ec2_read_tags(struct ec2_call *call, const char *prefix)
{
    json_t *tags = json_object();
    const char *key;
    for (unsigned i = 1; (key = query_find(call->query, "%sTag.%u.Key", prefix, i)); i++) {
        const char *value = query_find(call->query, "%sTag.%u.Value", prefix, i);
        bool right = is_tag(call, key, value ? value : "");
        if (right && json_object_get(tags, key))
            right = ec2_fail(call, "InvalidParameterValue", "Duplicate tag key '%.200s' specified.", key);
        if (!right) {
            json_decref(tags);
            return NULL;
        }
        json_object_set_new(tags, key, json_string(value ? value : ""));
    }
    return tags;
}

bool ec2_may_have_tags(struct ec2_call *call, const json_t *tags)
{
    if (json_object_size(tags) > TAGS_MAX)
        return ec2_fail(call, "TagLimitExceeded", "A resource can have no more than %d tags.", TAGS_MAX);
    return true;
}

json_t *ec2_tag_set(const struct ec2_call *call, const char *id)
{
    json_t *set = json_array();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)flow_log_store_tags(call->host->store, id), key, value)
        json_array_append_new(set, json_pack("{s:s, s:O}", "key", key, "value", value));
    return set;
}

static bool is_flow_log(const json_t *flow_logs, const char *id)
{
    size_t i;
    const json_t *flow_log;
    json_array_foreach(flow_logs, i, flow_log)
    {
        if (strcmp(json_string_value(json_object_get(flow_log, "flowLogId")), id) == 0)
            return true;
    }
    return false;
}

static bool check_resources(struct ec2_call *call)
{
    json_t *flow_logs = ec2_flow_logs(call);
    const char *id;
    bool known = true;
    for (unsigned i = 1; known && (id = query_find(call->query, "ResourceId.%u", i)); i++) {
        known = is_flow_log(flow_logs, id);
        if (!known && strncmp(id, "fl-", 3) == 0)
            ec2_fail(call, "InvalidFlowLogId.NotFound",
                     "These flow log ids in the input list are not found: [TotalCount: 1] %.200s", id);
        else if (!known)
            ec2_fail(call, "InvalidID", "The ID '%.200s' is not valid: only flow logs can be tagged here",
                     id);
    }
    json_decref(flow_logs);
    return known;
}

typedef void tag_change(struct ec2_call *call, json_t *tags, const json_t *asked);

static void add_tags(struct ec2_call *call, json_t *tags, const json_t *asked)
{
    (void)json_object_update(tags, (json_t *)asked);
    (void)ec2_may_have_tags(call, tags);
}

/* With a value, a tag only goes when it has that value; without tags at all, every one goes. */
static void remove_tags(struct ec2_call *call, json_t *tags, const json_t *asked)
{
    const char *key;
    if (!query_has(call->query, "Tag"))
        json_object_clear(tags);
    for (unsigned i = 1; (key = query_find(call->query, "Tag.%u.Key", i)); i++) {
        const char *value = query_find(call->query, "Tag.%u.Value", i);
        const char *present = json_string_value(json_object_get(tags, key));
        if (present && (!value || strcmp(value, present) == 0))
            (void)json_object_del(tags, key);
    }
}

static json_t *change_tags(struct ec2_call *call, const json_t *asked, tag_change *change)
{
    struct fault fault = {0};
    const char *id;
    json_t *draft = flow_log_store_draft();
    for (unsigned i = 1; draft && (id = query_find(call->query, "ResourceId.%u", i)); i++) {
        const json_t *before = flow_log_store_tags(call->host->store, id);
        json_t *tags = before ? json_deep_copy(before) : json_object();
        change(call, tags, asked);
        flow_log_draft_set_tags(draft, id, tags);
    }
    if (call->error.status || ec2_is_dry_run(call)) {
        json_decref(draft);
        return NULL;
    }
    if (flow_log_store_commit(call->host->store, draft, &fault) < 0)
        return ec2_fail_status(call, 500, "InternalError", "%s", fault.text);
    return json_pack("{s:b}", "return", 1);
}

static json_t *answer_change(struct ec2_call *call, tag_change *change)
{
    json_t *asked = check_resources(call) ? ec2_read_tags(call, "") : NULL;
    json_t *answer = asked ? change_tags(call, asked, change) : NULL;
    json_decref(asked);
    return answer;
}

json_t *ec2_create_tags(struct ec2_call *call)
{
    if (!query_find(call->query, "Tag.1.Key"))
        return ec2_fail(call, "MissingParameter", "The request must contain the parameter Tag");
    return answer_change(call, add_tags);
}

json_t *ec2_delete_tags(struct ec2_call *call)
{
    return answer_change(call, remove_tags);
}

static void add_tags_of(struct ec2_call *call, json_t *elements, const char *id)
{
    json_t *tags = ec2_tag_set(call, id);
    size_t i;
    json_t *tag;
    json_array_foreach(tags, i, tag)
    {
        /* Orders and pages the list; a key holds no newline that could be mistaken. */
        json_t *order = json_sprintf("%s\n%s", id, json_string_value(json_object_get(tag, "key")));
        json_object_update_new(tag, json_pack("{s:s, s:s, s:o}", "resourceId", id, "resourceType",
                                              "vpc-flow-log", "order", order));
        json_array_append(elements, tag);
    }
    json_decref(tags);
}

json_t *ec2_describe_tags(struct ec2_call *call)
{
    static const struct ec2_filter filters[] = {{"key", "key"},
                                                {"value", "value"},
                                                {"resource-id", "resourceId"},
                                                {"resource-type", "resourceType"},
                                                {NULL}};
    static const struct ec2_listing listing = {.set = "tagSet", .key = "order", .filters = filters};
    json_t *elements = json_array();
    json_t *flow_logs = ec2_flow_logs(call);
    size_t i;
    json_t *element;
    json_array_foreach(flow_logs, i, element)
        add_tags_of(call, elements, json_string_value(json_object_get(element, "flowLogId")));
    json_decref(flow_logs);
    json_t *answer = ec2_list(call, &listing, elements);
    json_array_foreach(json_object_get(answer, "tagSet"), i, element) json_object_del(element, "order");
    return answer;
}
