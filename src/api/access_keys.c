/* SPDX-License-Identifier: Apache-2.0 */
#include "api/access_keys.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "api/ec2.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"

#define FILE_VERSION 1
#define FILE_MAX (1024 * 1024)
#define KEYS_MAX 1000
#define ID_RANDOM 16
#define SECRET_LEN 40

struct access_keys {
    char path[PATH_MAX];
    json_t *document; /* version, keys */
};

static json_t *list_of(const json_t *document)
{
    return json_object_get(document, "keys");
}

static const char *text_of(const json_t *key, const char *member)
{
    return json_string_value(json_object_get(key, member));
}

static bool is_right(const char *rights)
{
    return rights && (strcmp(rights, "read") == 0 || strcmp(rights, "manage") == 0);
}

static const char *find_flaw(const json_t *document)
{
    size_t i;
    const json_t *key;
    if (json_integer_value(json_object_get(document, "version")) != FILE_VERSION ||
        !json_is_array(list_of(document)))
        return "it is no list of access keys of a known version";
    json_array_foreach(list_of(document), i, key)
    {
        if (!text_of(key, "id") || !text_of(key, "secret") || !is_right(text_of(key, "rights")))
            return "a key lacks its id, secret or rights";
    }
    return NULL;
}

static int load(struct access_keys *keys, struct fault *fault)
{
    AUTO_BUF struct buf text = BUF_INIT(FILE_MAX);
    json_error_t error;
    if (access(keys->path, F_OK) < 0 && errno == ENOENT) {
        keys->document = json_pack("{s:i, s:[]}", "version", FILE_VERSION, "keys");
        return keys->document ? 0 : fault_set(fault, -ENOMEM, "access keys: out of memory");
    }
    int r = file_read(keys->path, &text, fault);
    if (r < 0)
        return r;
    keys->document = json_loadb(text.data ? text.data : "", text.len, JSON_REJECT_DUPLICATES, &error);
    const char *flaw = keys->document ? find_flaw(keys->document) : error.text;
    if (flaw)
        return fault_set(fault, -EBADMSG,
                         "%s cannot be used: %s; mend it, or remove it to begin without keys", keys->path,
                         flaw);
    return 0;
}

int access_keys_open(struct access_keys **ret, const char *state, struct fault *fault)
{
    struct access_keys *keys = calloc(1, sizeof *keys);
    if (!keys)
        return fault_set(fault, -ENOMEM, "access keys: out of memory");
    (void)snprintf(keys->path, sizeof keys->path, "%.4000s/" ACCESS_KEYS_FILE, state);
    int r = load(keys, fault);
    if (r < 0)
        access_keys_close(keys);
    else
        *ret = keys;
    return r;
}

void access_keys_close(struct access_keys *keys)
{
    if (!keys)
        return;
    json_decref(keys->document);
    free(keys);
}

const json_t *access_keys_list(const struct access_keys *keys)
{
    return list_of(keys->document);
}

static size_t find_place(const json_t *list, const char *id)
{
    size_t place = 0;
    while (place < json_array_size(list) && strcmp(text_of(json_array_get(list, place), "id"), id) != 0)
        place++;
    return place;
}

const json_t *access_keys_find(const struct access_keys *keys, const char *id)
{
    const json_t *list = access_keys_list(keys);
    return json_array_get(list, find_place(list, id));
}

unsigned access_key_rights(const json_t *key)
{
    return strcmp(text_of(key, "rights"), "manage") == 0 ? EC2_READ | EC2_MANAGE : EC2_READ;
}

/* Takes over `fresh`. */
static int replace(struct access_keys *keys, json_t *fresh, struct fault *fault)
{
    char *text AUTO_FREE = json_dumps(fresh, JSON_INDENT(1));
    int r = text ? file_replace_private(keys->path, text, strlen(text), fault)
                 : fault_set(fault, -ENOMEM, "access keys: out of memory");
    json_decref(r < 0 ? fresh : keys->document);
    if (r == 0)
        keys->document = fresh;
    return r;
}

/* Characters of the set, each as likely; -EIO without randomness. */
static int fill_random(char *to, size_t len, const char *set)
{
    uint8_t bytes[SECRET_LEN];
    if (getrandom(bytes, len, 0) != (ssize_t)len)
        return -EIO;
    for (size_t i = 0; i < len; i++)
        to[i] = set[bytes[i] % strlen(set)]; /* the sets' lengths divide 256 */
    return 0;
}

int access_keys_create(struct access_keys *keys, const char *rights, const json_t **ret, struct fault *fault)
{
    char id[] = "FLOW................";
    char secret[SECRET_LEN + 1] = "";
    if (!is_right(rights))
        return fault_set(fault, -EINVAL, "rights are read or manage");
    if (json_array_size(access_keys_list(keys)) >= KEYS_MAX)
        return fault_set(fault, -ENOSPC, "there are %d access keys already; revoke some", KEYS_MAX);
    if (fill_random(id + 4, ID_RANDOM, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") < 0 ||
        fill_random(secret, SECRET_LEN, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") <
            0)
        return fault_set(fault, -EIO, "the system gives no random bytes");
    json_t *fresh = json_deep_copy(keys->document);
    json_array_append_new(list_of(fresh),
                          json_pack("{s:s, s:s, s:s, s:I}", "id", id, "secret", secret, "rights", rights,
                                    "created", (json_int_t)(clock_wall_ns() / NS_PER_S)));
    int r = replace(keys, fresh, fault);
    if (r == 0)
        *ret = access_keys_find(keys, id);
    return r;
}

int access_keys_revoke(struct access_keys *keys, const char *id, struct fault *fault)
{
    size_t place = find_place(access_keys_list(keys), id);
    if (place == json_array_size(access_keys_list(keys)))
        return fault_set(fault, -ENOENT, "there is no access key '%.100s'", id);
    json_t *fresh = json_deep_copy(keys->document);
    (void)json_array_remove(list_of(fresh), place);
    return replace(keys, fresh, fault);
}
