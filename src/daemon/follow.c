/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <net/if_arp.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"

static struct identity_source identity_source(struct daemon *daemon)
{
    return (struct identity_source){.topology = &daemon->config.topology,
                                    .machine_id = daemon->machine_id,
                                    .taken = registry_has_id,
                                    .context = &daemon->registry,
                                    .tell = world_tell,
                                    .world = &daemon->world};
}

static void attach(struct daemon *daemon, struct registered *entry, const struct link *link)
{
    struct fault fault = {0};
    bool ethernet = link->type == ARPHRD_ETHER || link->type == ARPHRD_LOOPBACK;
    bool bridge = strcmp(link->kind, "bridge") == 0;
    int r = live_attach(daemon->live, link->ifindex, ethernet, bridge, &fault);
    entry->attached = r == 0;
    (void)snprintf(entry->error, sizeof entry->error, "%.255s", r < 0 ? fault.text : "");
    if (r < 0)
        log_error("capture", "%s is not recorded: %s", link->name, fault.text);
    else
        log_info("capture", "%s (%s) is recorded as %s", link->name, live_attach_kind(daemon->live),
                 entry->interface.identity.interface_id);
}

static void update_identity(struct daemon *daemon, struct registered *entry, const struct link *link)
{
    struct identity_source source = identity_source(daemon);
    if (identity_update(&entry->interface, &source, entry->rule, link) < 0)
        log_error("topology", "%s: no memory for its addresses", link->name);
    world_describe(&daemon->world, &entry->interface);
}

static void wait_no_more(struct daemon *daemon, struct registered *entry)
{
    daemon->due_count -= entry->due;
    entry->due = false;
}

/* From here on the interface has records, and its own counters are held against our hooks'. */
static void begin_capture(struct daemon *daemon, struct registered *entry, const struct link *link)
{
    wait_no_more(daemon, entry);
    if (!entry->since_window) {
        entry->since_window = daemon_window_of(clock_wall_ns());
        recover_note_interface(daemon, entry);
    }
    (void)!links_counters(link->ifindex, &entry->baseline);
    attach(daemon, entry, link);
    entry->hooked = entry->baseline;
    (void)!links_counters(link->ifindex, &entry->hooked);
    entry->latest = entry->hooked;
}

/*
 * With many interfaces the kernel takes seconds to attach to all, in which others would wait for an answer.
 * What a killed daemon has left attached is taken over at once, which takes no time.
 */
static void take_turn(struct daemon *daemon, struct registered *entry, const struct link *link)
{
    if (live_captures(daemon->live, link->ifindex)) {
        begin_capture(daemon, entry, link);
        return;
    }
    entry->due = true;
    entry->attached = false;
    (void)snprintf(entry->error, sizeof entry->error, "waits for its turn");
    daemon->due_count++;
}

void daemon_attach_next(struct daemon *daemon)
{
    for (uint32_t i = 0; daemon->due_count && i < daemon->registry.count; i++) {
        struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        const struct link *link = entry->due ? links_find(daemon->links, entry->ifindex) : NULL;
        if (!link)
            continue;
        begin_capture(daemon, entry, link);
        return;
    }
}

/* What a link with the same index has counted is not the new one's. */
static void drain_predecessor(struct daemon *daemon, uint32_t ifindex)
{
    uint16_t index;
    struct fault fault = {0};
    if (daemon->gone_undrained && registry_find(&daemon->registry, ifindex, &index) &&
        daemon_drain(daemon, &fault) < 0)
        log_error("capture", "%s", fault.text);
}

/* The new entry, attached or due; NULL when the link is not to be recorded or cannot be. */
static struct registered *add_link(struct daemon *daemon, const struct link *link)
{
    const struct topology_rule *rule = topology_rule_for(&daemon->config.topology, link);
    if (!rule)
        return NULL;
    drain_predecessor(daemon, link->ifindex);
    struct interface interface = {0};
    struct identity_source source = identity_source(daemon);
    struct fault fault = {0};
    int r = identity_assign(&interface, &source, rule, link, &fault);
    if (r < 0)
        log_warning("topology", "%s: %s", link->name, r == -EEXIST ? fault.text : strerror(-r));
    struct registered *entry = r < 0 && r != -EEXIST ? NULL : registry_add(&daemon->registry, link->ifindex);
    if (!entry) {
        log_error("topology", "%s is not recorded: no room for another interface", link->name);
        interface_done(&interface);
        return NULL;
    }
    (void)snprintf(entry->device, sizeof entry->device, "%s", link->name);
    entry->interface = interface;
    entry->rule = rule;
    world_describe(&daemon->world, &entry->interface);
    registry_set_neighbours(entry, link);
    take_turn(daemon, entry, link);
    return entry;
}

/*
 * An interface that a killed daemon knew: the same one if it comes to the same id, and then it goes on;
 * another one may have got its ifindex since.
 */
static bool resume_link(struct daemon *daemon, struct registered *entry, const struct link *link)
{
    const struct topology_rule *rule = topology_rule_for(&daemon->config.topology, link);
    struct identity_source source = identity_source(daemon);
    struct interface interface = {0};
    entry->gone = true; /* its id is not taken by itself */
    int r = rule ? identity_assign(&interface, &source, rule, link, NULL) : -ENODEV;
    bool same =
        r == 0 && strcmp(interface.identity.interface_id, entry->interface.identity.interface_id) == 0;
    interface_done(&interface);
    if (!same) {
        entry->gone_window = daemon_window_of(clock_wall_ns());
        return false;
    }
    entry->gone = false;
    entry->rule = rule;
    registry_set_neighbours(entry, link);
    update_identity(daemon, entry, link);
    take_turn(daemon, entry, link);
    return true;
}

void daemon_forget_vanished(struct daemon *daemon)
{
    for (uint32_t i = 0; i < daemon->registry.count; i++) {
        struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        if (!entry->used || entry->gone || entry->rule)
            continue;
        entry->gone = true;
        entry->gone_window = daemon->closed_before; /* when exactly, nobody was there to see */
    }
}

/* What the link has counted is fetched soon, with what others that go now have, and before its index means
 * another. */
static void remove_link(struct daemon *daemon, struct registered *entry, const char *why)
{
    entry->gone = true;
    entry->gone_window = daemon_window_of(clock_wall_ns());
    log_info("capture", "%s %s", entry->device, why);
    if (!entry->due) {
        live_detach(daemon->live, entry->ifindex);
        daemon->gone_undrained = true;
    }
    wait_no_more(daemon, entry);
}

void daemon_follow_link(void *context, enum link_event event, const struct link *link)
{
    struct daemon *daemon = context;
    uint16_t index;
    struct registered *entry = registry_find(&daemon->registry, link->ifindex, &index);
    if (entry && entry->gone)
        entry = NULL;
    if (entry && !entry->rule && resume_link(daemon, entry, link))
        return;
    if (!entry || entry->gone) {
        if (event == LINK_ADDED || event == LINK_CHANGED)
            (void)add_link(daemon, link);
        return;
    }
    registry_set_neighbours(entry, link);
    switch (event) {
    case LINK_REMOVED:
        remove_link(daemon, entry, "is gone");
        break;
    case LINK_ADDRESSES_CHANGED:
        update_identity(daemon, entry, link);
        break;
    case LINK_ADDED:
    case LINK_CHANGED:
        (void)snprintf(entry->device, sizeof entry->device, "%s", link->name);
        break;
    }
}

/* One that was attached is so again at once: what passes in between is not recorded. */
static void replace_link(struct daemon *daemon, struct registered *entry, const struct link *link)
{
    bool was_due = entry->due;
    remove_link(daemon, entry, "is another interface now");
    entry->rule = NULL;
    struct registered *fresh = add_link(daemon, link);
    if (fresh && fresh->due && !was_due)
        begin_capture(daemon, fresh, link);
}

static void apply_rule(struct daemon *daemon, struct registered *entry, const struct link *link)
{
    const struct topology_rule *rule = topology_rule_for(&daemon->config.topology, link);
    if (!rule) {
        remove_link(daemon, entry, "is no longer recorded");
        entry->rule = NULL;
    } else if (!topology_rule_equal(rule, entry->rule)) {
        replace_link(daemon, entry, link);
    } else {
        entry->rule = rule;
        update_identity(daemon, entry, link);
    }
}

void daemon_follow_rules(struct daemon *daemon)
{
    size_t position = 0;
    const struct link *link;
    while ((link = links_next(daemon->links, &position))) {
        uint16_t index;
        struct registered *entry = registry_find(&daemon->registry, link->ifindex, &index);
        if (entry && !entry->gone)
            apply_rule(daemon, entry, link);
        else
            (void)add_link(daemon, link);
    }
}
