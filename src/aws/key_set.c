/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/key_set.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "aws/xml.h"

#define VALUE_MAX (64 * 1024)

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void key_set_done(struct key_set *set)
{
    wipe(&set->access_key);
    wipe(&set->secret_key);
    wipe(&set->session_token);
    set->expires_ns = 0;
}

void key_set_move(struct key_set *to, struct key_set *from)
{
    key_set_done(to);
    *to = *from;
    *from = (struct key_set){0};
}

/* What goes into a header has to be one word. */
static bool is_word(const char *text)
{
    for (; *text; text++)
        if (!isgraph((unsigned char)*text))
            return false;
    return true;
}

int key_set_fill(struct key_set *ret, const char *access_key, const char *secret_key,
                 const char *session_token, struct fault *fault)
{
    const char *token = session_token ? session_token : "";
    if (!access_key[0] || !secret_key[0] || !is_word(access_key) || !is_word(secret_key) || !is_word(token))
        return fault_set(fault, -EBADMSG, "an access key, secret key or token is empty or holds spaces");
    AUTO_KEY_SET struct key_set set = {
        .access_key = strdup(access_key), .secret_key = strdup(secret_key), .session_token = strdup(token)};
    if (!set.access_key || !set.secret_key || !set.session_token)
        return fault_set(fault, -ENOMEM, "out of memory");
    key_set_move(ret, &set);
    return 0;
}

bool key_set_parse_time(const char *text, uint64_t *ret_ns)
{
    struct tm utc = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    if (!rest)
        return false;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (strcmp(rest, "Z") != 0 && strcmp(rest, "+00:00") != 0)
        return false;
    time_t seconds = timegm(&utc);
    if (seconds <= 0 || (uint64_t)seconds > UINT64_MAX / NS_PER_S)
        return false;
    *ret_ns = (uint64_t)seconds * NS_PER_S;
    return true;
}

static const char *member(const json_t *document, const char *name)
{
    const char *text = json_string_value(json_object_get(document, name));
    return text ? text : "";
}

static int fill_from(struct key_set *ret, const char *access_key, const char *secret_key, const char *token,
                     const char *expiration, struct fault *fault)
{
    AUTO_KEY_SET struct key_set set = {0};
    uint64_t expires_ns = 0;
    if (expiration[0] && !key_set_parse_time(expiration, &expires_ns))
        return fault_set(fault, -EBADMSG, "the expiration is no time");
    int r = key_set_fill(&set, access_key, secret_key, token, fault);
    if (r < 0)
        return r;
    set.expires_ns = expires_ns;
    key_set_move(ret, &set);
    return 0;
}

static int read_document(struct key_set *ret, const json_t *document, struct fault *fault)
{
    const char *code = member(document, "Code");
    if (!json_is_object(document))
        return fault_set(fault, -EBADMSG, "the answer is no JSON object");
    if (code[0] && strcmp(code, "Success") != 0)
        return fault_set(fault, -EACCES, "%.64s: %.256s", code, member(document, "Message"));
    const char *token = member(document, json_object_get(document, "Token") ? "Token" : "SessionToken");
    return fill_from(ret, member(document, "AccessKeyId"), member(document, "SecretAccessKey"), token,
                     member(document, "Expiration"), fault);
}

int key_set_read_json(struct key_set *ret, const char *text, size_t len, struct fault *fault)
{
    json_t *document = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    int r = read_document(ret, document, fault);
    json_decref(document);
    return r;
}

int key_set_read_sts(struct key_set *ret, const char *text, size_t len, struct fault *fault)
{
    static const char *const elements[] = {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"};
    struct buf values[ARRAY_SIZE(elements)];
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
        values[i] = BUF_INIT(VALUE_MAX);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(elements); i++)
        if (xml_find_text(text, len, elements[i], &values[i]) < 0)
            r = fault_set(fault, -EBADMSG, "the answer of STS has no %s", elements[i]);
    if (r == 0)
        r = fill_from(ret, buf_string(&values[0]), buf_string(&values[1]), buf_string(&values[2]),
                      buf_string(&values[3]), fault);
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        buf_wipe(&values[i]);
    return r;
}
