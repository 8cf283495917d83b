/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

static void print_place(struct buf *buf, const struct node *node)
{
    if (node->parent) {
        print_place(buf, node->parent);
        buf_text(buf, node->parent->parent ? "." : ": ");
    }
    buf_text(buf, node->name);
    if (node->index != NO_INDEX)
        buf_printf(buf, "[%zu]", node->index);
}

void node_mistake(const struct node *node, const char *format, ...)
{
    char text[512];
    AUTO_BUF struct buf line = BUF_INIT(4096);
    if (node->mistakes->count++ >= MISTAKES_TOLD)
        return;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_place(&line, node);
    buf_printf(&line, ": %s", text);
    node->mistakes->tell(node->mistakes->context, buf_string(&line));
}

static struct node child(const struct node *node, const char *name)
{
    const json_t *json = json_object_get(node->json, name);
    return (struct node){.json = json && !json_is_null(json) ? json : NULL,
                         .parent = node,
                         .name = name,
                         .index = NO_INDEX,
                         .mistakes = node->mistakes};
}

/* The child, without its value when that is of another type. */
static struct node typed(const struct node *node, const char *name, json_type type, const char *what)
{
    struct node found = child(node, name);
    if (found.json && json_typeof(found.json) != type) {
        node_mistake(&found, "%s is due", what);
        found.json = NULL;
    }
    return found;
}

struct node node_object(const struct node *node, const char *name)
{
    return typed(node, name, JSON_OBJECT, "an object");
}

struct node node_element(const struct node *node, const char *name, size_t index)
{
    struct node element = child(node, name);
    element.index = index;
    element.json = json_array_get(element.json, index);
    if (!json_is_object(element.json) && !json_is_string(element.json)) {
        node_mistake(&element, "an object is due");
        element.json = NULL;
    }
    return element;
}

size_t node_count(const struct node *node, const char *name)
{
    return json_array_size(typed(node, name, JSON_ARRAY, "a list").json);
}

bool node_has(const struct node *node, const char *name)
{
    return child(node, name).json != NULL;
}

bool node_has_list(const struct node *node, const char *name)
{
    const json_t *json = child(node, name).json;
    return json_is_array(json);
}

const char *node_text(const struct node *node, const char *name)
{
    return json_string_value(typed(node, name, JSON_STRING, "a string").json);
}

int32_t node_number(const struct node *node, const char *name, int32_t absent)
{
    struct node found = typed(node, name, JSON_INTEGER, "a whole number");
    if (!found.json)
        return absent;
    json_int_t number = json_integer_value(found.json);
    if (number >= INT32_MIN && number <= INT32_MAX)
        return (int32_t)number;
    node_mistake(&found, "%" JSON_INTEGER_FORMAT " is out of range", number);
    return absent;
}

bool node_bool(const struct node *node, const char *name)
{
    struct node found = child(node, name);
    if (found.json && !json_is_boolean(found.json))
        node_mistake(&found, "true or false is due");
    return json_is_true(found.json);
}

bool node_block(const struct node *node, const char *name, struct address_block *ret)
{
    const char *text = node_text(node, name);
    if (!text || !text[0])
        return false;
    if (address_block_parse(text, strlen(text), ret))
        return true;
    node_mistake(node, "%s '%.60s': an address block is due", name, text);
    return false;
}

bool node_address(const struct node *node, const char *name, struct address *ret)
{
    const char *text = node_text(node, name);
    if (!text || !text[0])
        return false;
    if (address_parse(text, strlen(text), ret))
        return true;
    node_mistake(node, "%s '%.60s': an address is due", name, text);
    return false;
}
