/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Values of the JSON documents that `aws ec2 describe-…` prints. A member that is missing or null is absent;
 * one of the wrong type is reported with its place and then taken for absent.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/macro.h"

#define MISTAKES_TOLD 100 /* beyond it only the number counts */

/* Whom to tell of mistakes, one line each. */
struct mistakes {
    void (*tell)(void *context, const char *line);
    void *context;
    size_t count;
};

#define NO_INDEX SIZE_MAX

/* A value and where it stands: a chain on the stack up to the file. */
struct node {
    const json_t *json;
    const struct node *parent; /* NULL: the file itself */
    const char *name;          /* of the member, or of the file */
    size_t index;              /* in that member; NO_INDEX when it is no list */
    struct mistakes *mistakes;
};

void node_mistake(const struct node *node, const char *format, ...) PRINTF_LIKE(2, 3);

/* The member of an object, or an element of its list; json is NULL when absent or not of the type. */
struct node node_object(const struct node *node, const char *name);
struct node node_element(const struct node *node, const char *name, size_t index);

/* How many elements the list has; 0 when absent. */
size_t node_count(const struct node *node, const char *name);

bool node_has(const struct node *node, const char *name);

/* Whether it is there and a list, maybe an empty one. */
bool node_has_list(const struct node *node, const char *name);

/* NULL when absent. */
const char *node_text(const struct node *node, const char *name);

/* `absent` when it is. Ports, types, rule numbers, seconds: all of them are 32-bit fields of AWS's. */
int32_t node_number(const struct node *node, const char *name, int32_t absent);
bool node_bool(const struct node *node, const char *name);

/* False when absent or empty, and after a report when it is none. */
bool node_block(const struct node *node, const char *name, struct address_block *ret);
bool node_address(const struct node *node, const char *name, struct address *ret);
