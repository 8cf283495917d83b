/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/live.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "capture/accounts.h"
#include "capture/conntrack.h"
#include "capture/delta.h"
#include "flow.skel.h"

/* Not in the headers of Debian 12; values of the kernel's ABI (6.6). */
enum { TCX_INGRESS = 46, TCX_EGRESS = 47 };
enum { TCX_FIRST = 1U << 3, TCX_LAST = 1U << 4 };

enum { READ_BATCH = 8192 };

/* Our filter among those of clsact: first on the way in, last on the way out. */
enum { CLSACT_HANDLE = 0xf10, CLSACT_FIRST = 1, CLSACT_LAST = 0xffff };

#define CAPTURED_CLSACT_MADE                                                                                 \
    8U /* a value bit of the captured map that only user space reads: the qdisc is ours */

/* Types are read but once: the kernel's are megabytes. */
enum conntrack_sought { NOT_SOUGHT, SOUGHT_IN_KERNEL, SOUGHT_IN_MODULE };

struct live {
    struct flow_bpf *bpf;
    struct capture_state *state; /* the kernel's, mapped */
    struct account_slot *slots;  /* likewise */
    size_t slot_count;
    __u64 *tags; /* likewise, of both generations; and the slots */
    struct flow_slot *flow_slots;
    size_t bucket_count; /* of one generation */
    bool slots_read;     /* the quiescent ones, since the flip */
    struct ring_buffer *wake;
    struct bpf_link *drop_link;
    char pins[256]; /* "" when nothing is pinned */
    enum live_attach attach;
    const char *kind;
    bool adopted;
    enum conntrack_sought conntrack_sought;
    int flow_fds[2];
    unsigned active; /* index into flow_fds */
    __u64 position;  /* of a pass over the quiescent map: the kernel's cursor, a bucket number of 4 bytes */
    bool under_way;  /* the pass */
    int *links;      /* unpinned links by ifindex and direction, when there are no pins */
    size_t link_count;
    struct flow_key *keys; /* READ_BATCH of each */
    struct flow_value *values;
    struct flow_delta *deltas; /* twice as many */
};

static void pin_path(const struct live *live, char ret[static 320], const char *name)
{
    (void)snprintf(ret, 320, "%s/%s", live->pins, name);
}

static void link_pin_path(const struct live *live, char ret[static 320], uint32_t ifindex,
                          enum flow_direction direction)
{
    char name[32];
    (void)snprintf(name, sizeof name, "link-%u-%s", ifindex, direction == FLOW_INGRESS ? "in" : "out");
    pin_path(live, ret, name);
}

static struct bpf_map *pinned_map(struct flow_bpf *bpf, unsigned index)
{
    struct bpf_map *maps[] = {bpf->maps.flows_a,   bpf->maps.flows_b,   bpf->maps.active,
                              bpf->maps.accounts,  bpf->maps.discards,  bpf->maps.captured,
                              bpf->maps.state,     bpf->maps.wake,      bpf->maps.account_slots,
                              bpf->maps.flow_tags, bpf->maps.flow_slots};
    return index < ARRAY_SIZE(maps) ? maps[index] : NULL;
}

/* Takes over the maps of an earlier process: all of them, or none. */
static void adopt_maps(struct live *live)
{
    int fds[16];
    unsigned count = 0;
    struct bpf_map *map;
    while ((map = pinned_map(live->bpf, count))) {
        char path[320];
        pin_path(live, path, bpf_map__name(map));
        fds[count] = bpf_obj_get(path);
        if (fds[count] < 0)
            break;
        count++;
    }
    live->adopted = count > 0 && !pinned_map(live->bpf, count);
    for (unsigned i = 0; i < count; i++) {
        if (live->adopted && bpf_map__reuse_fd(pinned_map(live->bpf, i), fds[i]) < 0)
            live->adopted = false;
        close(fds[i]);
    }
}

static int pin_maps(struct live *live, struct fault *fault)
{
    struct bpf_map *map;
    for (unsigned i = 0; !live->adopted && (map = pinned_map(live->bpf, i)); i++) {
        char path[320];
        pin_path(live, path, bpf_map__name(map));
        (void)unlink(path); /* a remnant of an incomplete set */
        int r = bpf_map__pin(map, path);
        if (r < 0)
            return fault_set(fault, r, "cannot pin %s: %s", path, strerror(-r));
    }
    return 0;
}

static uint32_t map_id(int fd)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof info;
    return bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? 0 : info.id;
}

/* The slots change first: the kernel lets the update of a map in a map return only after running programs
 * have ended, so that on return nobody uses what was in this place before. */
static int set_place(const struct live *live, __u32 place, unsigned index, struct fault *fault)
{
    int fd = live->flow_fds[index];
    __atomic_store_n(&live->state->slots[place], index, __ATOMIC_SEQ_CST);
    if (bpf_map_update_elem(bpf_map__fd(live->bpf->maps.active), &place, &fd, BPF_ANY) < 0)
        return fault_set(fault, -errno, "cannot flip the flow maps: %s", strerror(errno));
    return 0;
}

/* An earlier process may have ended in the middle of a flip, which this ends. */
static int find_active(struct live *live, struct fault *fault)
{
    __u32 place = FLOWS_ACTIVE;
    __u32 id = 0;
    live->flow_fds[0] = bpf_map__fd(live->bpf->maps.flows_a);
    live->flow_fds[1] = bpf_map__fd(live->bpf->maps.flows_b);
    if (bpf_map_lookup_elem(bpf_map__fd(live->bpf->maps.active), &place, &id) < 0)
        return fault_set(fault, -errno, "cannot read the active flow map: %s", strerror(errno));
    live->active = id == map_id(live->flow_fds[1]);
    int r = set_place(live, FLOWS_ACTIVE, live->active, fault);
    return r < 0 ? r : set_place(live, FLOWS_BEFORE, live->active, fault);
}

static uint32_t own_namespace(void)
{
    struct stat status;
    return stat("/proc/self/ns/net", &status) < 0 ? 0 : (uint32_t)status.st_ino;
}

/* NULL, with a fault, when it cannot be mapped. */
static void *map_array(const struct bpf_map *map, size_t size, struct fault *fault)
{
    void *array = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    if (array != MAP_FAILED)
        return array;
    (void)fault_set(fault, -errno, "cannot map the kernel's %s: %s", bpf_map__name(map), strerror(errno));
    return NULL;
}

static size_t tags_size(const struct live *live)
{
    return FLOW_GENERATIONS * live->bucket_count * sizeof *live->tags;
}

static size_t flow_slots_size(const struct live *live)
{
    return FLOW_GENERATIONS * live->bucket_count * FLOW_WAYS * sizeof *live->flow_slots;
}

static int map_arrays(struct live *live, uint32_t map_entries, struct fault *fault)
{
    live->slot_count = bpf_map__max_entries(live->bpf->maps.account_slots);
    live->state = map_array(live->bpf->maps.state, sizeof *live->state, fault);
    live->slots = map_array(live->bpf->maps.account_slots, live->slot_count * sizeof *live->slots, fault);
    live->bucket_count = bpf_map__max_entries(live->bpf->maps.flow_tags) / FLOW_GENERATIONS;
    live->tags = map_array(live->bpf->maps.flow_tags, tags_size(live), fault);
    live->flow_slots = map_array(live->bpf->maps.flow_slots, flow_slots_size(live), fault);
    if (!live->state || !live->slots || !live->tags || !live->flow_slots)
        return -ENOMEM;
    live->state->netns = own_namespace();
    live->state->stopped = 0;
    live->state->wake_at = map_entries / 2;
    live_set_clock(live);
    live_find_conntrack(live);
    return 0;
}

/* The new drop program is attached before it takes charge, and the old one goes after: no drop falls between.
 */
static int attach_drop_program(struct live *live, uint32_t generation, struct fault *fault)
{
    live->drop_link = bpf_program__attach(live->bpf->progs.discarded);
    if (!live->drop_link)
        return fault_set(fault, -errno, "cannot follow discarded packets (tracepoint kfree_skb): %s",
                         strerror(errno));
    __atomic_store_n(&live->state->drop_program, generation, __ATOMIC_SEQ_CST);
    if (!live->pins[0])
        return 0;
    char path[320];
    pin_path(live, path, "link-drop");
    (void)unlink(path);
    int r = bpf_link__pin(live->drop_link, path);
    return r < 0 ? fault_set(fault, r, "cannot pin %s: %s", path, strerror(-r)) : 0;
}

void live_find_conntrack(struct live *live)
{
    struct conntrack_layout layout;
    enum conntrack_sought sought =
        access(CONNTRACK_TYPES "/nf_conntrack", R_OK) == 0 ? SOUGHT_IN_MODULE : SOUGHT_IN_KERNEL;
    if (live->state->conntrack.known || live->conntrack_sought == sought)
        return;
    live->conntrack_sought = sought;
    if (conntrack_layout_read(CONNTRACK_TYPES, &layout) < 0)
        return;
    layout.known = 0;
    live->state->conntrack = layout;
    __atomic_store_n(&live->state->conntrack.known, 1, __ATOMIC_SEQ_CST);
}

static uint32_t next_generation(const struct live *live)
{
    __u32 zero = 0;
    struct capture_state state = {0};
    if (live->adopted)
        (void)bpf_map_lookup_elem(bpf_map__fd(live->bpf->maps.state), &zero, &state);
    return state.drop_program + 1;
}

static int ignore_wake(void *context, void *data, size_t size)
{
    return 0;
}

static uint32_t possible_cpus(void)
{
    int cpus = libbpf_num_possible_cpus();
    return cpus > 0 ? (uint32_t)cpus : 1;
}

/* Slots for flows: a quarter of the map's places over all CPUs, as far as that is sensible for one. */
static void set_sizes(const struct flow_bpf *bpf, uint32_t map_entries)
{
    uint32_t cpus = possible_cpus();
    uint32_t buckets = FLOW_BUCKETS_MAX;
    while (buckets > 1 && buckets * cpus * FLOW_WAYS > map_entries / 4)
        buckets /= 2;
    (void)bpf_map__set_max_entries(bpf->maps.flows_a, map_entries);
    (void)bpf_map__set_max_entries(bpf->maps.flows_b, map_entries);
    (void)bpf_map__set_max_entries(bpf->maps.account_slots, cpus * ACCOUNT_SLOTS);
    (void)bpf_map__set_max_entries(bpf->maps.flow_tags, FLOW_GENERATIONS * cpus * buckets);
    (void)bpf_map__set_max_entries(bpf->maps.flow_slots, FLOW_GENERATIONS * cpus * buckets * FLOW_WAYS);
}

/* What is adopted has the size that an earlier process has given it. */
static void set_constants(const struct live *live, uint32_t generation)
{
    uint32_t buckets = bpf_map__max_entries(live->bpf->maps.flow_tags) / FLOW_GENERATIONS;
    live->bpf->rodata->drop_generation = generation;
    live->bpf->rodata->flow_cpus = possible_cpus();
    live->bpf->rodata->flow_buckets = buckets / possible_cpus();
}

static int start(struct live *live, const struct live_options *options, struct fault *fault)
{
    set_sizes(live->bpf, options->map_entries);
    if (live->pins[0])
        adopt_maps(live);
    uint32_t generation = next_generation(live);
    set_constants(live, generation);
    int r = flow_bpf__load(live->bpf);
    if (r < 0)
        return fault_set(
            fault, r,
            "the kernel refuses the capture programs: %s (needs kernel 5.17 or later with BTF, and "
            "CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON)",
            strerror(-r));
    r = live->pins[0] ? pin_maps(live, fault) : 0;
    if (r == 0)
        r = map_arrays(live, options->map_entries, fault);
    if (r == 0)
        r = find_active(live, fault);
    if (r < 0)
        return r;
    live->wake = ring_buffer__new(bpf_map__fd(live->bpf->maps.wake), ignore_wake, NULL, NULL);
    if (!live->wake)
        return fault_set(fault, -errno, "cannot open the wake-up buffer: %s", strerror(errno));
    return attach_drop_program(live, generation, fault);
}

/* Of a path with a folder: without its last component. */
static void parent_of(const char *path, char ret[static 256])
{
    const char *slash = strrchr(path, '/');
    (void)snprintf(ret, 256, "%.*s", slash ? (int)(slash - path) : 0, path);
}

/*
 * Daemons share the folder above their own pins: the lock is on the one above that, which nobody removes, and
 * held while the two below are made or removed. Without permission to open it there is nothing to lock, nor
 * anything to make or remove in it. Returns a descriptor that holds the lock until it is closed, or -1.
 */
static int lock_pins(const char *pins)
{
    char shared[256];
    char above[256];
    parent_of(pins, shared);
    parent_of(shared, above);
    int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)flock(fd, LOCK_EX);
    return fd;
}

static int make_pin_folder(const char *path, struct fault *fault)
{
    char shared[256];
    AUTO_CLOSE const int lock = lock_pins(path);
    (void)lock;
    parent_of(path, shared);
    if ((mkdir(shared, 0700) < 0 && errno != EEXIST) || (mkdir(path, 0700) < 0 && errno != EEXIST))
        return fault_set(fault, -errno, "%s: cannot create the folder for pins: %s", path, strerror(errno));
    return 0;
}

/* The shared folder stays as long as another daemon has pins in it. */
static void remove_pin_folder(const char *path)
{
    char shared[256];
    AUTO_CLOSE const int lock = lock_pins(path);
    (void)lock;
    parent_of(path, shared);
    if (rmdir(path) == 0)
        (void)rmdir(shared);
}

int live_open(struct live **ret, const struct live_options *options, struct fault *fault)
{
    struct live *live = calloc(1, sizeof *live);
    if (!live)
        return fault_set(fault, -ENOMEM, "out of memory");
    live->attach = options->attach;
    live->kind = "";
    live->keys = calloc(READ_BATCH, sizeof *live->keys);
    live->values = calloc(READ_BATCH, sizeof *live->values);
    live->deltas = calloc(READ_BATCH, 2 * sizeof *live->deltas);
    live->bpf = flow_bpf__open();
    int r = live->bpf && live->keys && live->values && live->deltas
                ? 0
                : fault_set(fault, -ENOMEM, "out of memory");
    if (r == 0 && options->pin_folder) {
        (void)snprintf(live->pins, sizeof live->pins, "%s", options->pin_folder);
        r = make_pin_folder(live->pins, fault);
    }
    if (r == 0)
        r = start(live, options, fault);
    if (r < 0) {
        live_close(live);
        return r;
    }
    *ret = live;
    return 0;
}

static int program_fd(const struct live *live, bool ethernet, enum flow_direction direction)
{
    const struct bpf_program *programs[2][2] = {
        {live->bpf->progs.ingress_ip, live->bpf->progs.egress_ip},
        {live->bpf->progs.ingress_ethernet, live->bpf->progs.egress_ethernet},
    };
    return bpf_program__fd(programs[ethernet][direction]);
}

/* Without pins the descriptor is all that keeps the link. */
static int keep_link(struct live *live, int fd)
{
    int *links = reallocarray(live->links, live->link_count + 1, sizeof *links);
    if (!links)
        return -ENOMEM;
    links[live->link_count++] = fd;
    live->links = links;
    return 0;
}

/* An earlier process's link gets our program without a packet passing uncounted; a dead one is removed. */
static bool update_pinned_link(const char *path, int program)
{
    AUTO_CLOSE int fd = bpf_obj_get(path);
    if (fd >= 0 && bpf_link_update(fd, program, NULL) == 0)
        return true;
    (void)unlink(path);
    return false;
}

static int attach_tcx(struct live *live, uint32_t ifindex, bool ethernet, enum flow_direction direction)
{
    int program = program_fd(live, ethernet, direction);
    char path[320];
    link_pin_path(live, path, ifindex, direction);
    if (live->pins[0] && update_pinned_link(path, program))
        return 0;
    bool ingress = direction == FLOW_INGRESS;
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = ingress ? TCX_FIRST : TCX_LAST);
    AUTO_CLOSE int fd = bpf_link_create(program, (int)ifindex,
                                        (enum bpf_attach_type)(ingress ? TCX_INGRESS : TCX_EGRESS), &options);
    if (fd < 0)
        return -errno;
    if (live->pins[0])
        return bpf_obj_pin(fd, path) < 0 ? -errno : 0;
    int r = keep_link(live, fd);
    if (r == 0)
        (void)TAKE_FD(fd);
    return r;
}

/* Detached, as the kernel may take its time over a link that is merely let go of, and other hooks come next.
 */
static void detach_pinned_link(const struct live *live, uint32_t ifindex, enum flow_direction direction)
{
    char path[320];
    link_pin_path(live, path, ifindex, direction);
    AUTO_CLOSE int fd = bpf_obj_get(path);
    if (fd >= 0)
        (void)bpf_link_detach(fd);
    (void)unlink(path);
}

/* Both directions, or none: with one alone, clsact's filters would count its packets again. */
static int attach_tcx_links(struct live *live, uint32_t ifindex, bool ethernet)
{
    size_t links_before = live->link_count;
    int r = attach_tcx(live, ifindex, ethernet, FLOW_INGRESS);
    if (r < 0)
        return r;
    r = attach_tcx(live, ifindex, ethernet, FLOW_EGRESS);
    if (r == 0)
        return 0;
    if (live->pins[0])
        detach_pinned_link(live, ifindex, FLOW_INGRESS);
    while (live->link_count > links_before) {
        int fd = live->links[--live->link_count];
        (void)bpf_link_detach(fd);
        close(fd);
    }
    return r;
}

static void set_captured(struct live *live, uint32_t ifindex, __u32 flags)
{
    (void)bpf_map_update_elem(bpf_map__fd(live->bpf->maps.captured), &ifindex, &flags, BPF_ANY);
}

static __u32 captured_flags(const struct live *live, uint32_t ifindex)
{
    __u32 flags = 0;
    (void)bpf_map_lookup_elem(bpf_map__fd(live->bpf->maps.captured), &ifindex, &flags);
    return flags;
}

/* Filled in place over zeroes: libbpf refuses what it takes for members it does not know, padding included.
 */
static void clsact_hook(struct bpf_tc_hook *ret, uint32_t ifindex, enum bpf_tc_attach_point point)
{
    memset(ret, 0, sizeof *ret);
    ret->sz = sizeof *ret;
    ret->ifindex = (int)ifindex;
    ret->attach_point = point;
}

static void clsact_filter(struct bpf_tc_hook *ret_hook, struct bpf_tc_opts *ret_filter, uint32_t ifindex,
                          enum flow_direction direction)
{
    bool ingress = direction == FLOW_INGRESS;
    clsact_hook(ret_hook, ifindex, ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS);
    memset(ret_filter, 0, sizeof *ret_filter);
    ret_filter->sz = sizeof *ret_filter;
    ret_filter->handle = CLSACT_HANDLE;
    ret_filter->priority = ingress ? CLSACT_FIRST : CLSACT_LAST;
}

static int attach_clsact(struct live *live, uint32_t ifindex, bool ethernet, __u32 *flags)
{
    struct bpf_tc_hook hook;
    struct bpf_tc_opts filter;
    clsact_hook(&hook, ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
    int r = bpf_tc_hook_create(&hook);
    if (r == 0)
        *flags |= CAPTURED_CLSACT_MADE;
    else if (r != -EEXIST)
        return r;
    *flags |= CAPTURED_CLSACT;
    for (unsigned direction = 0; direction < FLOW_DIRECTIONS; direction++) {
        clsact_filter(&hook, &filter, ifindex, direction);
        filter.prog_fd = program_fd(live, ethernet, direction);
        filter.flags = BPF_TC_F_REPLACE;
        r = bpf_tc_attach(&hook, &filter);
        if (r < 0)
            return r;
    }
    return 0;
}

static void detach_clsact(uint32_t ifindex, __u32 flags)
{
    struct bpf_tc_hook hook;
    struct bpf_tc_opts filter;
    for (unsigned direction = 0; direction < FLOW_DIRECTIONS; direction++) {
        clsact_filter(&hook, &filter, ifindex, direction);
        (void)bpf_tc_detach(&hook, &filter);
    }
    clsact_hook(&hook, ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
    if (flags & CAPTURED_CLSACT_MADE)
        (void)bpf_tc_hook_destroy(&hook);
}

int live_attach(struct live *live, uint32_t ifindex, bool ethernet, bool bridge, struct fault *fault)
{
    __u32 before = captured_flags(live, ifindex);
    __u32 flags = CAPTURED | (bridge ? CAPTURED_BRIDGE : 0) | (before & CAPTURED_CLSACT_MADE);
    int r = -EOPNOTSUPP;
    if (live->attach != LIVE_ATTACH_CLSACT && !(before & CAPTURED_CLSACT)) {
        r = attach_tcx_links(live, ifindex, ethernet);
        live->kind = r == 0 ? "tcx" : live->kind;
    }
    /* Kernels before 6.6 know no tcx and answer EINVAL. */
    if (r < 0 && r != -ENODEV && live->attach != LIVE_ATTACH_TCX) {
        r = attach_clsact(live, ifindex, ethernet, &flags);
        if (r < 0 && flags & CAPTURED_CLSACT)
            detach_clsact(ifindex, flags);
        live->kind = r == 0 ? "clsact" : live->kind;
    }
    if (r < 0) {
        (void)bpf_map_delete_elem(bpf_map__fd(live->bpf->maps.captured), &ifindex);
        return fault_set(fault, r, "cannot attach to interface %u: %s", ifindex, strerror(-r));
    }
    set_captured(live, ifindex, flags);
    return 0;
}

void live_detach(struct live *live, uint32_t ifindex)
{
    __u32 flags = captured_flags(live, ifindex);
    (void)bpf_map_delete_elem(bpf_map__fd(live->bpf->maps.captured), &ifindex);
    if (flags & CAPTURED_CLSACT)
        detach_clsact(ifindex, flags);
    for (unsigned direction = 0; live->pins[0] && direction < FLOW_DIRECTIONS; direction++) {
        char path[320];
        link_pin_path(live, path, ifindex, direction);
        (void)unlink(path);
    }
}

bool live_captures(const struct live *live, uint32_t ifindex)
{
    return captured_flags(live, ifindex) & CAPTURED;
}

const char *live_attach_kind(const struct live *live)
{
    return live->kind;
}

bool live_adopted(const struct live *live)
{
    return live->adopted;
}

int live_wake_fd(const struct live *live)
{
    return ring_buffer__epoll_fd(live->wake);
}

void live_wake_clear(struct live *live)
{
    (void)ring_buffer__consume(live->wake);
}

void live_set_clock(struct live *live)
{
    live->state->wall_offset_ns = clock_wall_ns() - clock_monotonic_ns();
}

/*
 * Packets that arrive are counted and refused within one read-side section of the kernel's RCU: once the
 * first update has returned, those counted in the old map have been refused there, too.
 */
int live_flip(struct live *live, struct fault *fault)
{
    unsigned other = !live->active;
    /* Before the flip: too early a wake-up does no harm, but with one too few the map may fill up unseen. */
    __atomic_store_n(&live->state->inserted, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&live->state->slots_taken, 0, __ATOMIC_SEQ_CST);
    int r = set_place(live, FLOWS_ACTIVE, other, fault);
    if (r < 0)
        return r;
    live->active = other;
    live->slots_read = false;
    return set_place(live, FLOWS_BEFORE, other, fault);
}

static void visit_flows(struct live *live, __u32 count, live_flow_visitor *visit, void *context)
{
    if (count)
        visit(context, live->deltas, delta_split_all(live->keys, live->values, count, live->deltas));
}

/* One pass over the quiescent map by `step`, which is a batch lookup with or without deletion. After an error
 * the next call goes on where this one has stopped. */
typedef int batch_step(int fd, void *in, void *out, void *keys, void *values, __u32 *count,
                       const struct bpf_map_batch_opts *options);

static int for_each_batch(struct live *live, batch_step *step, live_flow_visitor *visit, void *context,
                          struct fault *fault)
{
    LIBBPF_OPTS(bpf_map_batch_opts, options);
    for (;;) {
        __u32 count = READ_BATCH;
        int r = step(live->flow_fds[!live->active], live->under_way ? &live->position : NULL, &live->position,
                     live->keys, live->values, &count, &options);
        bool end = r < 0 && errno == ENOENT;
        if (r < 0 && !end)
            return fault_set(fault, -errno, "cannot read the flow map: %s", strerror(errno));
        live->under_way = !end;
        if (visit)
            visit_flows(live, count, visit, context);
        if (end)
            return 0;
    }
}

static size_t first_quiescent_bucket(const struct live *live)
{
    return live->active ? 0 : live->bucket_count;
}

static void read_slots(struct live *live, live_flow_visitor *visit, void *context)
{
    size_t first = first_quiescent_bucket(live);
    __u32 count = 0;
    for (size_t i = first; i < first + live->bucket_count; i++) {
        for (unsigned way = 0; way < FLOW_WAYS && FLOW_TAG(live->tags[i], way); way++) {
            const struct flow_slot *slot = &live->flow_slots[i * FLOW_WAYS + way];
            live->keys[count] = slot->key;
            live->values[count++] = slot->value;
        }
        if (count <= READ_BATCH - FLOW_WAYS)
            continue;
        visit_flows(live, count, visit, context);
        count = 0;
    }
    visit_flows(live, count, visit, context);
    live->slots_read = true;
}

static void clear_slots(const struct live *live)
{
    size_t first = first_quiescent_bucket(live);
    for (size_t i = first; i < first + live->bucket_count; i++) {
        if (!live->tags[i])
            continue;
        memset(&live->flow_slots[i * FLOW_WAYS], 0, FLOW_WAYS * sizeof *live->flow_slots);
        live->tags[i] = 0;
    }
}

int live_read(struct live *live, live_flow_visitor *visit, void *context, struct fault *fault)
{
    if (!live->slots_read)
        read_slots(live, visit, context);
    return for_each_batch(live, bpf_map_lookup_batch, visit, context, fault);
}

int live_clear(struct live *live, struct fault *fault)
{
    clear_slots(live);
    return for_each_batch(live, bpf_map_lookup_and_delete_batch, NULL, NULL, fault);
}

static void visit_discards(int fd, const struct live_accounts *visit)
{
    struct discard_key key;
    struct discard_key next;
    int r = bpf_map_get_next_key(fd, NULL, &next);
    while (r == 0) {
        __u64 packets = 0;
        key = next;
        r = bpf_map_get_next_key(fd, &key, &next);
        if (key.window >= visit->before || bpf_map_lookup_elem(fd, &key, &packets) < 0)
            continue;
        visit->discard(visit->context, &key, packets);
        if (visit->take)
            (void)bpf_map_delete_elem(fd, &key);
    }
}

int live_visit_accounts(struct live *live, const struct live_accounts *visit, struct fault *fault)
{
    if (visit->discard)
        visit_discards(bpf_map__fd(live->bpf->maps.discards), visit);
    int r = accounts_visit(live->slots, live->slot_count, bpf_map__fd(live->bpf->maps.accounts), visit);
    return r < 0 ? fault_set(fault, r, "cannot read the accounts: %s", strerror(-r)) : 0;
}

void live_forget_account(struct live *live, const struct account_key *key)
{
    accounts_forget(live->slots, live->slot_count, bpf_map__fd(live->bpf->maps.accounts), key);
}

void live_forget_discard(struct live *live, const struct discard_key *key)
{
    (void)bpf_map_delete_elem(bpf_map__fd(live->bpf->maps.discards), key);
}

void live_state(const struct live *live, struct capture_state *ret)
{
    *ret = *live->state;
}

static void empty_folder(const char *path)
{
    AUTO_CLOSEDIR DIR *dir = opendir(path);
    for (const struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
}

static bool is_other_version(const char *pin_folder, const char *name)
{
    const char *own = strrchr(pin_folder, '/') + 1;
    const char *origin = strrchr(own, '-');
    const char *other = strrchr(name, '-');
    return origin && other && strcmp(origin, other) == 0 && strcmp(own, name) != 0;
}

unsigned live_remove_other_versions(const char *pin_folder)
{
    char shared[256];
    char path[512];
    unsigned removed = 0;
    parent_of(pin_folder, shared);
    AUTO_CLOSEDIR DIR *dir = opendir(shared);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        if (!is_other_version(pin_folder, entry->d_name))
            continue;
        (void)snprintf(path, sizeof path, "%s/%.200s", shared, entry->d_name);
        empty_folder(path);
        removed += rmdir(path) == 0;
    }
    return removed;
}

void live_unpin(struct live *live)
{
    char path[320];
    struct bpf_map *map;
    if (!live->pins[0])
        return;
    for (unsigned i = 0; (map = pinned_map(live->bpf, i)); i++) {
        pin_path(live, path, bpf_map__name(map));
        (void)unlink(path);
    }
    remove_pin_folder(live->pins);
}

void live_stop(struct live *live)
{
    __u32 ifindex;
    char path[320];
    /* Links go in the background: what they still counted would come after the last drain, or during it. */
    __atomic_store_n(&live->state->stopped, 1, __ATOMIC_SEQ_CST);
    while (bpf_map_get_next_key(bpf_map__fd(live->bpf->maps.captured), NULL, &ifindex) == 0)
        live_detach(live, ifindex);
    for (size_t i = 0; i < live->link_count; i++)
        close(live->links[i]);
    live->link_count = 0;
    if (live->pins[0]) {
        pin_path(live, path, "link-drop");
        (void)unlink(path);
    }
    bpf_link__destroy(TAKE(live->drop_link));
}

void live_close(struct live *live)
{
    if (!live)
        return;
    ring_buffer__free(live->wake);
    if (live->drop_link && live->pins[0])
        bpf_link__disconnect(live->drop_link); /* the pin holds it */
    bpf_link__destroy(live->drop_link);
    for (size_t i = 0; i < live->link_count; i++)
        close(live->links[i]);
    if (live->state)
        (void)munmap(live->state, sizeof *live->state);
    if (live->slots)
        (void)munmap(live->slots, live->slot_count * sizeof *live->slots);
    if (live->tags)
        (void)munmap(live->tags, tags_size(live));
    if (live->flow_slots)
        (void)munmap(live->flow_slots, flow_slots_size(live));
    flow_bpf__destroy(live->bpf);
    free(live->links);
    free(live->keys);
    free(live->values);
    free(live->deltas);
    free(live);
}
