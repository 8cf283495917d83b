/* SPDX-License-Identifier: Apache-2.0 */

/* What Describe actions share: ids, filters, pages (api.md 1). */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ec2_actions.h"
#include "base/hash.h"
#include "base/num.h"

#define FILTER_VALUES_MAX 200

/* "*" is any text, "?" any character; a backslash takes the meaning off the next. */
static bool glob_matches(const char *pattern, const char *text)
{
    const char *star = NULL;
    const char *resume = NULL;
    while (*text) {
        bool escaped = *pattern == '\\' && pattern[1];
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if ((!escaped && *pattern == '?') || (*pattern && pattern[escaped] == *text)) {
            pattern += 1 + escaped;
            text++;
        } else if (star) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

static bool value_matches(const char *pattern, const json_t *value)
{
    char number[24];
    if (json_is_string(value))
        return glob_matches(pattern, json_string_value(value));
    if (json_is_boolean(value))
        return glob_matches(pattern, json_is_true(value) ? "true" : "false");
    (void)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return json_is_integer(value) && glob_matches(pattern, number);
}

/* Whether the value, or one of a list, or of what lies behind the rest of the path in it, matches. */
static bool path_matches(const char *pattern, const json_t *value, const char *path)
{
    char name[64];
    size_t i;
    const json_t *element;
    if (json_is_array(value)) {
        json_array_foreach(value, i, element) if (path_matches(pattern, element, path)) return true;
        return false;
    }
    if (!*path)
        return value_matches(pattern, value);
    size_t len = strcspn(path, ".");
    (void)snprintf(name, sizeof name, "%.*s", (int)len, path);
    value = json_object_get(value, name);
    return value && path_matches(pattern, value, path + len + (path[len] == '.'));
}

static bool tags_match(const char *filter, const char *pattern, const json_t *tags)
{
    bool one = strncmp(filter, "tag:", 4) == 0;
    const char *member = one || strcmp(filter, "tag-value") == 0 ? "value" : "key";
    size_t i;
    const json_t *tag;
    json_array_foreach(tags, i, tag)
    {
        bool right = !one || strcmp(json_string_value(json_object_get(tag, "key")), filter + 4) == 0;
        if (right && value_matches(pattern, json_object_get(tag, member)))
            return true;
    }
    return false;
}

static bool is_tag_filter(const char *name)
{
    return strncmp(name, "tag:", 4) == 0 || strcmp(name, "tag-key") == 0 || strcmp(name, "tag-value") == 0;
}

static const struct ec2_filter *find_filter(const struct ec2_listing *listing, const char *name)
{
    const struct ec2_filter *filter = listing->filters;
    while (filter->name && strcmp(filter->name, name) != 0)
        filter++;
    return filter->name ? filter : NULL;
}

static bool element_matches(const struct ec2_listing *listing, const char *name, const char *pattern,
                            const json_t *element)
{
    if (listing->tags && is_tag_filter(name))
        return tags_match(name, pattern, json_object_get(element, "tagSet"));
    return path_matches(pattern, element, find_filter(listing, name)->member);
}

/* One filter lets through what has any of its values; all must let through. */
static bool passes(const struct ec2_call *call, const struct ec2_listing *listing, const json_t *element)
{
    const char *name;
    for (unsigned f = 1; (name = query_find(call->query, "Filter.%u.Name", f)); f++) {
        bool found = false;
        const char *value;
        for (unsigned v = 1; !found && (value = query_find(call->query, "Filter.%u.Value.%u", f, v)); v++)
            found = element_matches(listing, name, value, element);
        if (!found)
            return false;
    }
    return true;
}

static bool check_filters(struct ec2_call *call, const struct ec2_listing *listing)
{
    const char *name;
    unsigned values = 0;
    for (unsigned f = 1; (name = query_find(call->query, "Filter.%u.Name", f)); f++) {
        if (!(listing->tags && is_tag_filter(name)) && !find_filter(listing, name))
            return ec2_fail(call, "InvalidParameterValue", "The filter '%.200s' is invalid", name);
        if (!query_find(call->query, "Filter.%u.Value.1", f))
            return ec2_fail(call, "InvalidParameterValue", "The filter '%.200s' has no value", name);
        for (unsigned v = 1; query_find(call->query, "Filter.%u.Value.%u", f, v); v++)
            values++;
    }
    if (values > FILTER_VALUES_MAX)
        return ec2_fail(call, "FilterLimitExceeded", "More than %d filter values", FILTER_VALUES_MAX);
    return true;
}

static const char *key_of(const struct ec2_listing *listing, const json_t *element)
{
    return json_string_value(json_object_get(element, listing->key));
}

static bool is_asked_for(const struct ec2_call *call, const struct ec2_listing *listing,
                         const json_t *element)
{
    const char *id;
    if (!listing->ids || !query_find(call->query, "%s.1", listing->ids))
        return true;
    for (unsigned i = 1; (id = query_find(call->query, "%s.%u", listing->ids, i)); i++)
        if (strcmp(id, key_of(listing, element)) == 0)
            return true;
    return false;
}

static bool check_ids(struct ec2_call *call, const struct ec2_listing *listing, const json_t *elements)
{
    const char *id;
    for (unsigned i = 1; listing->ids && (id = query_find(call->query, "%s.%u", listing->ids, i)); i++) {
        size_t at = 0;
        while (at < json_array_size(elements) &&
               strcmp(key_of(listing, json_array_get(elements, at)), id) != 0)
            at++;
        if (at == json_array_size(elements))
            return ec2_fail(call, listing->code, "The %s ID '%.200s' does not exist", listing->what, id);
        if (query_find(call->query, "MaxResults"))
            return ec2_fail(call, "InvalidParameterCombination",
                            "The parameter %ss cannot be used with the parameter MaxResults", listing->ids);
    }
    return true;
}

/* A page goes on behind the last key of the one before; the token holds for the same filters alone. */
static uint64_t question_of(const struct ec2_call *call, const struct ec2_listing *listing)
{
    uint64_t hash = hash_bytes(listing->set, strlen(listing->set), 0);
    for (size_t i = 0; i < call->query->count; i++) {
        const struct query_parameter *parameter = &call->query->parameters[i];
        if (strncmp(parameter->name, "Filter.", 7) != 0)
            continue;
        hash = hash_bytes(parameter->name, strlen(parameter->name), hash);
        hash = hash_bytes(parameter->value, strlen(parameter->value), hash);
    }
    return hash;
}

/* The key behind which the page begins; "" for the first; NULL with an error. */
static const char *read_token(struct ec2_call *call, uint64_t question)
{
    char expected[24];
    const char *token = query_find(call->query, "NextToken");
    if (!token || !*token)
        return "";
    int len = snprintf(expected, sizeof expected, "%016" PRIx64 ".", question);
    if (strncmp(token, expected, (size_t)len) == 0)
        return token + len;
    ec2_fail(call, "InvalidNextToken", "The token '%.100s' is invalid, or was made for other filters", token);
    return NULL;
}

static json_t *make_page(struct ec2_call *call, const struct ec2_listing *listing, const json_t *elements)
{
    uint64_t question = question_of(call, listing);
    const char *after = read_token(call, question);
    const char *text = query_find(call->query, "MaxResults");
    uint64_t room = SIZE_MAX;
    if (!after)
        return NULL;
    if (text)
        (void)num_parse_u64(text, strlen(text), UINT64_MAX, &room); /* its row has checked it */
    json_t *set = json_array();
    json_t *answer = json_pack("{s:o}", listing->set, set);
    size_t i;
    json_t *element;
    json_array_foreach(elements, i, element)
    {
        if (strcmp(key_of(listing, element), after) <= 0 || !is_asked_for(call, listing, element) ||
            !passes(call, listing, element))
            continue;
        if (json_array_size(set) < room) {
            json_array_append(set, element);
            continue;
        }
        char token[512];
        const json_t *last = json_array_get(set, json_array_size(set) - 1);
        (void)snprintf(token, sizeof token, "%016" PRIx64 ".%s", question, key_of(listing, last));
        json_object_set_new(answer, "nextToken", json_string(token));
        break;
    }
    return answer;
}

struct keyed {
    const char *key;
    json_t *element;
};

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const struct keyed *)a)->key, ((const struct keyed *)b)->key);
}

/* A new array in the order of keys. */
static json_t *sort_elements(const struct ec2_listing *listing, const json_t *elements)
{
    size_t count = json_array_size(elements);
    AUTO_FREE struct keyed *keyed = calloc(count + 1, sizeof *keyed);
    json_t *sorted = keyed ? json_array() : NULL;
    for (size_t i = 0; sorted && i < count; i++) {
        json_t *element = json_array_get(elements, i);
        keyed[i] = (struct keyed){key_of(listing, element), element};
    }
    if (sorted && count)
        qsort(keyed, count, sizeof *keyed, compare_keys);
    for (size_t i = 0; sorted && i < count; i++)
        json_array_append(sorted, keyed[i].element);
    return sorted;
}

json_t *ec2_list(struct ec2_call *call, const struct ec2_listing *listing, json_t *elements)
{
    json_t *sorted = elements ? sort_elements(listing, elements) : NULL;
    json_decref(elements);
    json_t *answer = NULL;
    if (sorted && check_filters(call, listing) && check_ids(call, listing, sorted))
        answer = make_page(call, listing, sorted);
    json_decref(sorted);
    if (answer && ec2_is_dry_run(call)) {
        json_decref(answer);
        answer = NULL;
    }
    return answer;
}
