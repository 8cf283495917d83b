/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ledger.h"

#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "daemon/control_client.h"

static const char *const directions[] = {"ingress", "egress"};

static uint64_t number(const json_t *object, const char *member)
{
    json_int_t value = json_integer_value(json_object_get(object, member));
    return value > 0 ? (uint64_t)value : 0;
}

uint64_t ledger_lost_packets(const json_t *row, const char *direction)
{
    static const char *const causes[] = {"lost-full", "lost-busy", "lost-memory"};
    uint64_t lost = 0;
    for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
        lost += number(json_object_get(row, direction), causes[i]);
    return lost;
}

/* Of both directions, what is neither excluded nor anything but IP. */
static uint64_t due_packets(const json_t *row)
{
    static const char *const others[] = {"excluded", "not-ip", "malformed"};
    uint64_t due = 0;
    for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
        const json_t *side = json_object_get(row, directions[i]);
        uint64_t all = number(side, "seen") + number(side, "added");
        uint64_t left_out = 0;
        for (size_t n = 0; n < ARRAY_SIZE(others); n++)
            left_out += number(side, others[n]);
        due += all > left_out ? all - left_out : 0;
    }
    return due;
}

static bool read_interface(const json_t *row, struct capture_ledger *ret)
{
    struct ledger_interface *interface = LIST_ADD(&ret->interfaces);
    if (!interface)
        return false;
    (void)snprintf(interface->interface_id, sizeof interface->interface_id, "%s",
                   ask_text(row, "interface-id"));
    interface->attached = json_is_true(json_object_get(row, "attached"));
    size_t i;
    const json_t *text;
    json_array_foreach(json_object_get(row, "addresses"), i, text)
    {
        struct address address;
        if (!address_parse(json_string_value(text), json_string_length(text), &address))
            continue;
        struct address *own = LIST_ADD(&interface->own);
        if (!own)
            return false;
        *own = address;
    }
    return true;
}

static bool read_window(const json_t *row, struct capture_ledger *ret)
{
    const char *id = ask_text(row, "interface-id");
    struct ledger_interface *interface = NULL;
    for (size_t i = 0; i < ret->interfaces.count && !interface; i++)
        if (strcmp(ret->interfaces.items[i].interface_id, id) == 0)
            interface = &ret->interfaces.items[i];
    if (!interface)
        return true; /* gone since */
    struct ledger_window *window = LIST_ADD(&interface->windows);
    if (!window)
        return false;
    *window = (struct ledger_window){.start_s = number(row, "window"),
                                     .end_s = number(row, "window") + number(row, "interval"),
                                     .packets = due_packets(row),
                                     .lost = number(row, "lost-long")};
    for (size_t i = 0; i < ARRAY_SIZE(directions); i++)
        window->lost += ledger_lost_packets(row, directions[i]);
    return true;
}

static bool read_all(const json_t *list, bool (*read)(const json_t *row, struct capture_ledger *ret),
                     struct capture_ledger *ret)
{
    size_t i;
    const json_t *row;
    json_array_foreach(list, i, row)
    {
        if (!read(row, ret))
            return false;
    }
    return true;
}

bool ledger_ask(const char *state, struct capture_ledger *ret)
{
    json_t *status;
    struct fault fault;
    if (control_ask(state ? state : CONFIG_STATE_DEFAULT, "status", &status, &fault) < 0)
        return false;
    ret->now_s = number(status, "now");
    bool read = read_all(json_object_get(status, "interfaces"), read_interface, ret) &&
                read_all(json_object_get(status, "ledger"), read_window, ret);
    json_decref(status);
    return read;
}
