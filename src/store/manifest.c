/* SPDX-License-Identifier: Apache-2.0 */
#include "store/manifest.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define VERSION 1

void change_done(struct change *change)
{
    for (size_t i = 0; i < change->replaced_count; i++)
        free(change->replaced[i]);
    free(change->replaced);
    free(change->made);
    free(change->key);
    *change = (struct change){0};
}

void manifest_done(struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++)
        change_done(&manifest->changes[i]);
    free(manifest->changes);
    *manifest = (struct manifest){0};
}

int manifest_add(struct manifest *manifest, struct change *change)
{
    struct change *longer = reallocarray(manifest->changes, manifest->count + 1, sizeof *longer);
    if (!longer) {
        change_done(change);
        return -ENOMEM;
    }
    longer[manifest->count++] = *change;
    manifest->changes = longer;
    *change = (struct change){0};
    return 0;
}

int change_add(struct change *change, const char *path)
{
    char **longer = reallocarray(change->replaced, change->replaced_count + 1, sizeof *longer);
    if (!longer)
        return -ENOMEM;
    change->replaced = longer;
    longer[change->replaced_count] = strdup(path);
    if (!longer[change->replaced_count])
        return -ENOMEM;
    change->replaced_count++;
    return 0;
}

static json_t *print_change(const struct change *change)
{
    json_t *replaced = json_array();
    for (size_t i = 0; i < change->replaced_count; i++)
        if (json_array_append_new(replaced, json_string(change->replaced[i])) < 0) {
            json_decref(replaced);
            return NULL;
        }
    return change->made
               ? json_pack("{s:s, s:s, s:o}", "made", change->made, "key", change->key, "replaced", replaced)
               : json_pack("{s:o}", "replaced", replaced);
}

int manifest_print(const struct manifest *manifest, struct buf *buf)
{
    json_t *changes = json_array();
    int r = changes ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < manifest->count; i++)
        if (json_array_append_new(changes, print_change(&manifest->changes[i])) < 0)
            r = -EILSEQ;
    json_t *document = json_pack("{s:i, s:o}", "flowlog-store", VERSION, "changes", changes);
    AUTO_FREE char *text = r == 0 && document ? json_dumps(document, JSON_INDENT(1)) : NULL;
    json_decref(document);
    if (r == 0 && !text)
        r = -ENOMEM;
    if (r < 0)
        return r;
    buf_text(buf, text);
    buf_char(buf, '\n');
    return buf->failed ? -ENOMEM : 0;
}

/* A path that stays below the store, whoever wrote the manifest. */
static bool is_inside(const char *path)
{
    if (!path || !path[0] || path[0] == '/')
        return false;
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
            return false;
    }
    return true;
}

static char *copy_path(const json_t *text, int *error)
{
    const char *path = json_string_value(text);
    if (!is_inside(path)) {
        *error = -EBADMSG;
        return NULL;
    }
    char *copy = strdup(path);
    if (!copy)
        *error = -ENOMEM;
    return copy;
}

static int parse_change(struct change *change, const json_t *object)
{
    const json_t *replaced = json_object_get(object, "replaced");
    const json_t *item;
    size_t i;
    int r = json_is_array(replaced) ? 0 : -EBADMSG;
    if (r == 0 && json_object_get(object, "made")) {
        change->made = copy_path(json_object_get(object, "made"), &r);
        change->key = copy_path(json_object_get(object, "key"), &r);
    }
    json_array_foreach(replaced, i, item)
    {
        if (r == 0 && !is_inside(json_string_value(item)))
            r = -EBADMSG;
        if (r == 0)
            r = change_add(change, json_string_value(item));
    }
    return r;
}

static int parse_document(struct manifest *manifest, const json_t *document)
{
    const json_t *changes = json_object_get(document, "changes");
    const json_t *item;
    size_t i;
    int r =
        json_integer_value(json_object_get(document, "flowlog-store")) == VERSION && json_is_array(changes)
            ? 0
            : -EBADMSG;
    json_array_foreach(changes, i, item)
    {
        struct change change = {0};
        if (r == 0)
            r = parse_change(&change, item);
        if (r == 0)
            r = manifest_add(manifest, &change);
        else
            change_done(&change);
    }
    return r;
}

int manifest_parse(struct manifest *ret, const char *text, size_t len, struct fault *fault)
{
    struct manifest manifest = {0};
    json_t *document = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    int r = parse_document(&manifest, document);
    json_decref(document);
    if (r < 0) {
        manifest_done(&manifest);
        return fault_set(fault, r, "%s",
                         r == -ENOMEM ? "out of memory"
                                      : "not a store's manifest, or one of a later version of flowlog");
    }
    *ret = manifest;
    return 0;
}
