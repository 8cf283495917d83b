/* SPDX-License-Identifier: Apache-2.0 */
#include "api/query.h"

#include <errno.h>
#include <libxml/chvalid.h>
#include <libxml/parserInternals.h>
#include <libxml/xmlstring.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

void query_done(struct query *query)
{
    free(query->parameters);
    free(query->text);
    *query = (struct query){0};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* In place; false for a broken escape. */
static bool unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from != '%') {
            *to++ = *from == '+' ? ' ' : *from;
            continue;
        }
        int high = hex_digit(from[1]);
        int low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to++ = (char)(high << 4 | low);
        from += 2;
    }
    *to = '\0';
    return true;
}

static bool is_xml_text(const char *text)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len;) {
        int size = (int)(len - at > 4 ? 4 : len - at);
        int character = xmlGetUTF8Char((const unsigned char *)text + at, &size);
        if (character < 0 || !IS_CHAR(character))
            return false;
        at += (size_t)size;
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct query_parameter *)a)->name, ((const struct query_parameter *)b)->name);
}

static int add_parameter(struct query *query, size_t *capacity, const char *name, const char *value,
                         struct fault *fault)
{
    if (query->count == QUERY_PARAMETERS_MAX)
        return fault_set(fault, -E2BIG, "more than %d parameters", QUERY_PARAMETERS_MAX);
    if (query->count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 32;
        struct query_parameter *grown = reallocarray(query->parameters, *capacity, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        query->parameters = grown;
    }
    if (!name[0] || !is_xml_text(name) || !is_xml_text(value))
        return fault_set(fault, -EBADMSG, "a parameter has no name, or characters that are not allowed");
    query->parameters[query->count++] = (struct query_parameter){name, value};
    return 0;
}

static int add_pair(struct query *query, size_t *capacity, char *pair, struct fault *fault)
{
    char *equals = strchr(pair, '=');
    if (equals)
        *equals = '\0';
    char *value = equals ? equals + 1 : pair + strlen(pair);
    if (!unescape(pair) || !unescape(value))
        return fault_set(fault, -EBADMSG,
                         "a percent sign is not followed by two hexadecimal digits of a byte");
    return add_parameter(query, capacity, pair, value, fault);
}

static void sort(struct query *query)
{
    if (query->count)
        qsort(query->parameters, query->count, sizeof *query->parameters, compare);
}

static int split(struct query *query, struct fault *fault)
{
    size_t capacity = 0;
    char *rest = query->text;
    char *pair;
    while ((pair = strsep(&rest, "&"))) {
        int r = *pair ? add_pair(query, &capacity, pair, fault) : 0;
        if (r < 0)
            return r;
    }
    sort(query);
    for (size_t i = 1; i < query->count; i++)
        if (strcmp(query->parameters[i - 1].name, query->parameters[i].name) == 0)
            return fault_set(fault, -EBADMSG, "the parameter %.100s stands twice", query->parameters[i].name);
    return 0;
}

int query_parse(struct query *ret, const char *uri, const char *body, size_t body_len, struct fault *fault)
{
    *ret = (struct query){0};
    if (memchr(body, '\0', body_len))
        return fault_set(fault, -EBADMSG, "the body holds a NUL byte");
    if (asprintf(&ret->text, "%s&%.*s", uri, (int)body_len, body) < 0) {
        ret->text = NULL;
        return -ENOMEM;
    }
    int r = split(ret, fault);
    if (r < 0)
        query_done(ret);
    return r;
}

/* The place of the first parameter whose name is not before `name`. */
static size_t lower_bound(const struct query *query, const char *name)
{
    size_t low = 0;
    size_t high = query->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(query->parameters[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const char *find(const struct query *query, const char *name)
{
    size_t place = lower_bound(query, name);
    return place < query->count && strcmp(query->parameters[place].name, name) == 0
               ? query->parameters[place].value
               : NULL;
}

const char *query_find(const struct query *query, const char *format, ...)
{
    char name[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    return find(query, name);
}

bool query_has(const struct query *query, const char *format, ...)
{
    char name[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(name, sizeof name - 1, format, arguments);
    va_end(arguments);
    if (find(query, name))
        return true;
    size_t len = strlen(name);
    name[len++] = '.';
    name[len] = '\0';
    size_t place = lower_bound(query, name);
    return place < query->count && strncmp(query->parameters[place].name, name, len) == 0;
}

int query_from_json(struct query *ret, const json_t *parameters, struct fault *fault)
{
    *ret = (struct query){0};
    size_t capacity = 0;
    const char *name;
    const json_t *value;
    int r = 0;
    json_object_foreach((json_t *)parameters, name, value)
    {
        if (r == 0)
            r = json_is_string(value) ? add_parameter(ret, &capacity, name, json_string_value(value), fault)
                                      : fault_set(fault, -EBADMSG, "%.100s is no text", name);
    }
    sort(ret);
    if (r < 0)
        query_done(ret);
    return r;
}
