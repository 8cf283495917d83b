/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/num.h"
#include "base/words.h"
#include "daemon/config_keys.h"
#include "record/json.h"

static void *value_at(const struct config_key *key, const void *base)
{
    return (char *)base + key->offset;
}

static size_t *count_at(const struct config_key *key, const void *base)
{
    return (size_t *)((char *)base + key->count_offset);
}

static int set_text(const struct config_key *key, char **to, const char *text, size_t len,
                    struct fault *fault)
{
    if (strlen(text) != len || (key->check && len > 0 && !key->check(text, fault)))
        return -EINVAL;
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    free(*to);
    *to = copy;
    return 0;
}

static int set_number(const struct config_key *key, uint64_t *to, const char *text, size_t len)
{
    uint64_t number;
    if (key->words && words_find(key->words, text, len) < 0)
        return -EINVAL;
    if (!num_parse_u64(text, len, key->words ? UINT64_MAX : key->max, &number) || number < key->min)
        return -EINVAL;
    *to = number;
    return 0;
}

/* What a number may be followed by, the largest first. */
static const struct unit {
    char letter;
    uint64_t worth;
} sizes[] = {{'G', 1ULL << 30}, {'M', 1ULL << 20}, {'K', 1ULL << 10}},
  periods[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

static int set_quantity(const struct config_key *key, uint64_t *to, const char *text, size_t len)
{
    const struct unit *unit = key->type == KEY_SIZE ? sizes : periods;
    const struct unit *end = unit + (key->type == KEY_SIZE ? ARRAY_SIZE(sizes) : ARRAY_SIZE(periods));
    uint64_t number;
    while (unit < end && (len == 0 || text[len - 1] != unit->letter))
        unit++;
    if (unit == end || !num_parse_u64(text, len - 1, key->max / unit->worth, &number) ||
        number * unit->worth < key->min)
        return -EINVAL;
    *to = number * unit->worth;
    return 0;
}

static int set_bool(bool *to, const char *text, size_t len)
{
    int word = words_find("false|true", text, len);
    if (word < 0)
        return -EINVAL;
    *to = word == 1;
    return 0;
}

static int set_word(const struct config_key *key, unsigned *to, const char *text, size_t len)
{
    int word = words_find(key->words, text, len);
    if (word < 0)
        return -EINVAL;
    if (key->type == KEY_FLAGS)
        *to |= 1U << word;
    else
        *to = (unsigned)word;
    return 0;
}

static int add_address(const struct config_key *key, void *base, const char *text, size_t len)
{
    struct address **list = value_at(key, base);
    size_t *count = count_at(key, base);
    struct address address;
    if (!address_parse(text, len, &address))
        return -EINVAL;
    struct address *more = reallocarray(*list, *count + 1, sizeof **list);
    if (!more)
        return -ENOMEM;
    more[(*count)++] = address;
    *list = more;
    return 0;
}

int config_key_set(const struct config_key *key, void *base, const char *text, size_t len,
                   struct fault *fault)
{
    void *to = value_at(key, base);
    switch ((enum key_type)key->type) {
    case KEY_TEXT:
        return set_text(key, to, text, len, fault);
    case KEY_NUMBER:
        return set_number(key, to, text, len);
    case KEY_SIZE:
    case KEY_PERIOD:
        return set_quantity(key, to, text, len);
    case KEY_BOOL:
        return set_bool(to, text, len);
    case KEY_CHOICE:
    case KEY_FLAGS:
        return set_word(key, to, text, len);
    case KEY_ADDRESSES:
        return add_address(key, base, text, len);
    case KEY_BLOCK:
        return address_block_parse(text, len, to) ? 0 : -EINVAL;
    case KEY_MAP:
    case KEY_LIST:
        break;
    }
    return -EINVAL;
}

size_t config_key_size(const struct config_key *key)
{
    switch ((enum key_type)key->type) {
    case KEY_TEXT:
    case KEY_ADDRESSES:
    case KEY_LIST:
        return sizeof(void *);
    case KEY_NUMBER:
    case KEY_SIZE:
    case KEY_PERIOD:
        return sizeof(uint64_t);
    case KEY_CHOICE:
    case KEY_FLAGS:
        return sizeof(unsigned);
    case KEY_BOOL:
        return sizeof(bool);
    case KEY_BLOCK:
    case KEY_MAP:
        break;
    }
    return 0;
}

int config_key_copy(const struct config_key *key, void *base, const void *from)
{
    void *to = value_at(key, base);
    if (key->type != KEY_TEXT) {
        memcpy(to, value_at(key, from), config_key_size(key));
        return 0;
    }
    const char *text = *(char **)value_at(key, from);
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        return -ENOMEM;
    free(*(char **)to);
    *(char **)to = copy;
    return 0;
}

int config_keys_set_defaults(const struct config_key *keys, void *base)
{
    int r = 0;
    for (; keys->name && r == 0; keys++) {
        if (keys->type == KEY_MAP)
            r = config_keys_set_defaults(keys->children, base);
        else if (keys->default_text)
            r = config_key_set(keys, base, keys->default_text, strlen(keys->default_text), NULL);
    }
    return r;
}

static void free_list(const struct config_key *key, void *base)
{
    char **list = value_at(key, base);
    size_t *count = count_at(key, base);
    for (size_t i = 0; i < *count; i++)
        config_keys_free(key->children, *list + i * key->element_size);
    free(*list);
    *list = NULL;
    *count = 0;
}

void config_keys_free(const struct config_key *keys, void *base)
{
    for (; keys->name; keys++) {
        if (keys->type == KEY_MAP)
            config_keys_free(keys->children, base);
        if (keys->type == KEY_LIST)
            free_list(keys, base);
        if ((keys->type != KEY_TEXT && keys->type != KEY_ADDRESSES) || keys->standing == KEY_MISSING)
            continue;
        void **owned = value_at(keys, base);
        free(*owned);
        *owned = NULL;
    }
}

static void print_quantity(const struct config_key *key, uint64_t quantity, struct buf *buf)
{
    const struct unit *unit = key->type == KEY_SIZE ? sizes : periods;
    while (quantity % unit->worth != 0)
        unit++; /* the smallest was read, so it divides */
    buf_printf(buf, "%" PRIu64 "%c", quantity / unit->worth, unit->letter);
}

static void print_words(const char *words, const char *last_separator, struct buf *buf)
{
    size_t len;
    size_t next_len;
    const char *word;
    for (unsigned i = 0; (word = words_at(words, i, &len)); i++) {
        if (i > 0)
            buf_text(buf, words_at(words, i + 1, &next_len) ? ", " : last_separator);
        buf_append(buf, word, len);
    }
}

void config_key_print_allowed(const struct config_key *key, bool item, struct buf *buf)
{
    switch ((enum key_type)key->type) {
    case KEY_TEXT:
        buf_text(buf, key->allowed ? key->allowed : "text");
        break;
    case KEY_NUMBER:
        if (key->words)
            print_words(key->words, " or ", buf);
        else
            buf_printf(buf, "%" PRIu64 " to %" PRIu64, key->min, key->max);
        break;
    case KEY_SIZE:
    case KEY_PERIOD:
        print_quantity(key, key->min, buf);
        buf_text(buf, " to ");
        print_quantity(key, key->max, buf);
        break;
    case KEY_CHOICE:
        print_words(key->words, " or ", buf);
        break;
    case KEY_BOOL:
        buf_text(buf, "true or false");
        break;
    case KEY_FLAGS:
        buf_text(buf, item ? "" : "a list of ");
        print_words(key->words, item ? " or " : " and ", buf);
        break;
    case KEY_ADDRESSES:
        buf_text(buf, item ? "an IPv4 or IPv6 address" : "a list of IPv4 and IPv6 addresses");
        break;
    case KEY_BLOCK:
        buf_text(buf, "an address block as in 10.0.0.0/16 or 2001:db8::/56");
        break;
    case KEY_MAP:
        buf_text(buf, "a map of keys");
        break;
    case KEY_LIST:
        buf_text(buf, "a list of maps");
        break;
    }
}

static void print_block(const struct address_block *block, struct buf *buf)
{
    buf_char(buf, '"');
    address_print(&block->base, buf);
    buf_printf(buf, "/%u\"", block->prefix);
}

static void print_flags(const struct config_key *key, unsigned flags, struct buf *buf)
{
    size_t len;
    const char *word;
    const char *separator = "";
    buf_char(buf, '[');
    for (unsigned i = 0; (word = words_at(key->words, i, &len)); i++) {
        if (!(flags & 1U << i))
            continue;
        buf_text(buf, separator);
        buf_append(buf, word, len);
        separator = ", ";
    }
    buf_char(buf, ']');
}

static void print_addresses(const struct config_key *key, const void *base, struct buf *buf)
{
    struct address *const *list = value_at(key, base);
    buf_char(buf, '[');
    for (size_t i = 0; i < *count_at(key, base); i++) {
        buf_text(buf, i > 0 ? ", \"" : "\"");
        address_print(&(*list)[i], buf);
        buf_char(buf, '"');
    }
    buf_char(buf, ']');
}

static void print_scalar(const struct config_key *key, const void *base, struct buf *buf)
{
    const void *value = value_at(key, base);
    const char *const *text = value;
    size_t len;
    const char *word;
    switch ((enum key_type)key->type) {
    case KEY_TEXT: /* a JSON string is a YAML string */
        json_write_string(buf, *text, strlen(*text));
        break;
    case KEY_NUMBER:
        buf_u64(buf, *(const uint64_t *)value);
        break;
    case KEY_SIZE:
    case KEY_PERIOD:
        print_quantity(key, *(const uint64_t *)value, buf);
        break;
    case KEY_BOOL:
        buf_text(buf, *(const bool *)value ? "true" : "false");
        break;
    case KEY_CHOICE:
        word = words_at(key->words, *(const unsigned *)value, &len);
        buf_append(buf, word, len);
        break;
    case KEY_FLAGS:
        print_flags(key, *(const unsigned *)value, buf);
        break;
    case KEY_ADDRESSES:
        print_addresses(key, base, buf);
        break;
    case KEY_BLOCK:
        print_block(value, buf);
        break;
    case KEY_MAP:
    case KEY_LIST:
        break;
    }
}

static void print_list(const struct config_key *key, const void *base, unsigned indent, struct buf *buf)
{
    char *const *list = value_at(key, base);
    size_t count = *count_at(key, base);
    buf_text(buf, count ? "\n" : " []\n");
    for (size_t i = 0; i < count; i++) {
        size_t start = buf->len;
        config_keys_print(key->children, *list + i * key->element_size, indent + 2, buf);
        if (!buf->failed && buf->len > start + indent)
            buf->data[start + indent] = '-'; /* in the first line's margin */
    }
}

static void print_map(const struct config_key *key, const void *base, unsigned indent, struct buf *buf)
{
    size_t start = buf->len;
    buf_printf(buf, "%*s%s:\n", (int)indent, "", key->name);
    size_t children = buf->len;
    config_keys_print(key->children, base, indent + 2, buf);
    if (buf->len == children)
        buf->len = start; /* nothing in it has an effect */
}

void config_key_print(const struct config_key *key, const void *base, unsigned indent, struct buf *buf)
{
    if (key->type == KEY_MAP) {
        print_map(key, base, indent, buf);
        return;
    }
    const char *const *text = value_at(key, base);
    if (key->type == KEY_TEXT && (!*text || !**text))
        return; /* not given, and without a default */
    buf_printf(buf, "%*s%s:", (int)indent, "", key->name);
    if (key->type == KEY_LIST) {
        print_list(key, base, indent, buf);
        return;
    }
    buf_char(buf, ' ');
    print_scalar(key, base, buf);
    buf_char(buf, '\n');
}

void config_keys_print(const struct config_key *keys, const void *base, unsigned indent, struct buf *buf)
{
    for (; keys->name; keys++)
        if (keys->standing == KEY_WORKS)
            config_key_print(keys, base, indent, buf);
}
