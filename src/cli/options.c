/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/nearest.h"
#include "base/num.h"
#include "base/words.h"

static const struct option *find_long(const struct option *options, const char *name, size_t len)
{
    for (const struct option *option = options; option->name; option++)
        if (strlen(option->name) == len && memcmp(option->name, name, len) == 0)
            return option;
    return NULL;
}

static const struct option *find_short(const struct option *options, char letter)
{
    for (const struct option *option = options; option->name; option++)
        if (option->letter && option->letter == letter)
            return option;
    return NULL;
}

static int refuse_unknown(const struct option *options, const char *argument, size_t len, struct fault *fault)
{
    struct nearest nearest = {.wanted = argument, .len = len};
    nearest_consider(&nearest, "help");
    for (const struct option *option = options; option->name; option++)
        nearest_consider(&nearest, option->name);
    return fault_set(fault, -EINVAL, "unknown option '--%.*s'; the nearest is '--%s'", (int)len, argument,
                     nearest.name);
}

static int store_choice(const struct option *option, const char *value, unsigned *ret, struct fault *fault)
{
    int place = words_find(option->metavar, value, strlen(value));
    if (place >= 0) {
        *ret = (unsigned)place;
        return 0;
    }
    return fault_set(fault, -EINVAL, "--%s: '%s' is none of %s", option->name, value, option->metavar);
}

static int store_number(const struct option *option, const char *value, uint64_t *ret, struct fault *fault)
{
    uint64_t number;
    if (!num_parse_u64(value, strlen(value), option->max, &number) || number < option->min)
        return fault_set(fault, -EINVAL, "--%s: '%s' is no number from %" PRIu64 " to %" PRIu64, option->name,
                         value, option->min, option->max);
    *ret = number;
    return 0;
}

static int store_item(const struct option *option, const char *value, struct option_list *ret,
                      struct fault *fault)
{
    if (ret->count == OPTION_LIST_MAX)
        return fault_set(fault, -EINVAL, "--%s: given more than %d times", option->name, OPTION_LIST_MAX);
    ret->items[ret->count++] = value;
    return 0;
}

/* `value` is NULL for a flag only. */
static int store(const struct option *option, const char *value, void *settings, struct fault *fault)
{
    void *to = (char *)settings + option->offset;
    switch ((enum option_kind)option->kind) {
    case OPTION_FLAG:
        *(bool *)to = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)to = value;
        return 0;
    case OPTION_NUMBER:
        return store_number(option, value, to, fault);
    case OPTION_CHOICE:
        return store_choice(option, value, to, fault);
    case OPTION_LIST:
        return store_item(option, value, to, fault);
    }
    return -EINVAL;
}

struct arguments {
    char **at;
    char **end;
};

/* The value that follows the option, in the same argument (after `attached`) or in the next. */
static int take_value(struct arguments *arguments, const struct option *option, const char *attached,
                      const char **ret, struct fault *fault)
{
    *ret = attached;
    if (option->kind == OPTION_FLAG)
        return attached ? fault_set(fault, -EINVAL, "--%s takes no value", option->name) : 0;
    if (attached)
        return 0;
    if (arguments->at == arguments->end)
        return fault_set(fault, -EINVAL, "--%s: %s is missing", option->name, option->metavar);
    *ret = *arguments->at++;
    return 0;
}

static int parse_long(struct arguments *arguments, const struct option *options, const char *argument,
                      void *settings, struct fault *fault)
{
    size_t len = strcspn(argument, "=");
    const struct option *option = find_long(options, argument, len);
    if (!option)
        return refuse_unknown(options, argument, len, fault);
    const char *value;
    int r = take_value(arguments, option, argument[len] ? argument + len + 1 : NULL, &value, fault);
    return r < 0 ? r : store(option, value, settings, fault);
}

/* "-nvalue", or several flags "-ab". */
static int parse_short(struct arguments *arguments, const struct option *options, const char *letters,
                       void *settings, struct fault *fault)
{
    for (const char *letter = letters; *letter; letter++) {
        const struct option *option = find_short(options, *letter);
        if (!option)
            return fault_set(fault, -EINVAL, "unknown option '-%c'", *letter);
        bool flag = option->kind == OPTION_FLAG;
        const char *value;
        int r = take_value(arguments, option, !flag && letter[1] ? letter + 1 : NULL, &value, fault);
        if (r == 0)
            r = store(option, value, settings, fault);
        if (r < 0 || !flag)
            return r;
    }
    return 0;
}

int options_parse(const struct option *options, int argc, char **argv, void *settings, struct fault *fault)
{
    struct arguments arguments = {.at = argv, .end = argv + argc};
    int operands = 0;
    bool only_operands = false;
    while (arguments.at < arguments.end) {
        char *argument = *arguments.at++;
        int r = 0;
        if (only_operands || argument[0] != '-' || argument[1] == '\0')
            argv[operands++] = argument;
        else if (strcmp(argument, "--") == 0)
            only_operands = true;
        else if (argument[1] == '-')
            r = parse_long(&arguments, options, argument + 2, settings, fault);
        else
            r = parse_short(&arguments, options, argument + 1, settings, fault);
        if (r < 0)
            return r;
    }
    return operands;
}

void option_print_name(const struct option *option, struct buf *buf)
{
    if (option->letter)
        buf_printf(buf, "-%c, ", option->letter);
    buf_printf(buf, "--%s", option->name);
    if (option->metavar)
        buf_printf(buf, " %s", option->metavar);
}
