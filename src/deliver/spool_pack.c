/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deliver/account.h"
#include "deliver/document.h"
#include "deliver/spool_files.h"

#define SHA256_TEXT_LEN (2 * sizeof((struct spool_item *)NULL)->sha256)

static json_t *print_object(const struct spool_item *object)
{
    char sha256[SHA256_TEXT_LEN + 1];
    for (size_t i = 0; i < sizeof object->sha256; i++)
        (void)snprintf(sha256 + 2 * i, 3, "%02x", object->sha256[i]);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:o}", "key", object->key, "content-type", object->content_type, "sha256",
                  sha256, "interfaces", account_print(object->interfaces, object->interface_count));
    account_print_number(json, "part", object->part);
    account_print_number(json, "bytes", object->bytes);
    return json;
}

static json_t *print_pack(uint64_t first, uint64_t last, const struct spool_item *objects, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, print_object(&objects[i]));
    json_t *json = json_pack("{s:o}", "objects", list);
    account_print_number(json, "first", first);
    account_print_number(json, "last", last);
    account_print_number(json, "window", count ? objects[0].window : 0);
    account_print_number(json, "end", count ? objects[0].end : 0);
    return json;
}

static void print_copy_path(const struct spool *spool, uint64_t last, char ret[static PATH_MAX])
{
    (void)snprintf(ret, PATH_MAX, "%.*s/%016" PRIx64 ".copy", PATH_MAX - 64, spool->folder, last);
}

int spool_write_pack(const struct spool *spool, uint64_t first, uint64_t last,
                     const struct spool_item *objects, size_t count, struct fault *fault)
{
    char path[PATH_MAX];
    json_t *json = print_pack(first, last, objects, count);
    print_copy_path(spool, last, path);
    int r = document_write(path, DOCUMENT_PACK, json_incref(json), fault);
    spool_pack_path(spool, last, path);
    if (r == 0)
        r = document_write(path, DOCUMENT_PACK, json_incref(json), fault);
    json_decref(json);
    return r;
}

void spool_remove_pack(const struct spool *spool, uint64_t last)
{
    char path[PATH_MAX];
    spool_pack_path(spool, last, path);
    (void)unlink(path);
    print_copy_path(spool, last, path);
    (void)unlink(path);
}

static bool parse_sha256(const json_t *object, uint8_t ret[static 32])
{
    static const char digits[] = "0123456789abcdef";
    const char *text = json_string_value(json_object_get(object, "sha256"));
    if (!text || strlen(text) != SHA256_TEXT_LEN || strspn(text, digits) != SHA256_TEXT_LEN)
        return false;
    for (size_t i = 0; i < 32; i++)
        ret[i] = (uint8_t)((strchr(digits, text[2 * i]) - digits) << 4 |
                           (strchr(digits, text[2 * i + 1]) - digits));
    return true;
}

static int parse_object(const json_t *json, struct spool_item *object)
{
    const char *key = json_string_value(json_object_get(json, "key"));
    const char *content_type = json_string_value(json_object_get(json, "content-type"));
    uint64_t part;
    if (!key || !content_type || !parse_sha256(json, object->sha256) ||
        !account_parse_number(json, "part", &part) || part > UINT32_MAX ||
        !account_parse_number(json, "bytes", &object->bytes))
        return -EBADMSG;
    object->part = (uint32_t)part;
    object->key = strdup(key);
    object->content_type = strdup(content_type);
    if (!object->key || !object->content_type)
        return -ENOMEM;
    int r = account_parse(json_object_get(json, "interfaces"), &object->interfaces, &object->interface_count);
    for (uint32_t i = 0; r == 0 && i < object->interface_count; i++)
        batch_sum_add(&object->sum, &object->interfaces[i].sum);
    return r;
}

static int parse_pack(const json_t *json, struct spool_item *all, struct spool_item *objects, size_t count)
{
    uint64_t last;
    if (!account_parse_number(json, "first", &all->first) || !account_parse_number(json, "last", &last) ||
        !account_parse_number(json, "window", &all->window) ||
        !account_parse_number(json, "end", &all->end) || last != all->last || last < all->first)
        return -EBADMSG;
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        objects[i] = *all;
        r = parse_object(json_array_get(json_object_get(json, "objects"), i), &objects[i]);
    }
    return r;
}

/* One of the two files of a pack. */
static int read_file(const char *path, uint64_t last, struct spool_item **ret, size_t *ret_count,
                     uint64_t *ret_first, struct fault *fault)
{
    json_t *json = NULL;
    int r = document_read(&json, path, DOCUMENT_PACK, fault);
    if (r < 0)
        return r;
    struct spool_item all = {.kind = SPOOL_OBJECT, .last = last};
    size_t count = json_array_size(json_object_get(json, "objects"));
    struct spool_item *objects = calloc(count + 1, sizeof *objects);
    r = objects ? parse_pack(json, &all, objects, count) : -ENOMEM;
    json_decref(json);
    if (r < 0) {
        for (size_t i = 0; objects && i < count; i++)
            spool_item_done(&objects[i]);
        free(objects);
        return fault_set(fault, r, "%s: %s", path, r == -ENOMEM ? "out of memory" : "no pack of objects");
    }
    *ret = objects;
    *ret_count = count;
    *ret_first = all.first;
    return 0;
}

int spool_read_pack(const struct spool *spool, uint64_t last, struct spool_item **ret, size_t *ret_count,
                    uint64_t *ret_first, struct fault *fault)
{
    char path[PATH_MAX];
    struct fault why = {0}, of_copy;
    spool_pack_path(spool, last, path);
    int r = read_file(path, last, ret, ret_count, ret_first, &why);
    if (r == 0)
        return 0;
    print_copy_path(spool, last, path);
    if (r == -ENOMEM || read_file(path, last, ret, ret_count, ret_first, &of_copy) < 0)
        return fault_set(fault, r, "%s", why.text);
    report_say(spool->report, LOG_LEVEL_WARNING, "%s; its copy stands for it", why.text);
    return 0;
}
