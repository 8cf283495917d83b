/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/conntrack.h"

#include <bpf/btf.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_DEPTH = 3 };

/* One row per member: the structure, the way down to the member, and where its place is noted. */
struct place {
    const char *type;
    const char *path[PATH_DEPTH];
    size_t at; /* in struct conntrack_layout */
};

#define PLACE(member, ...)                                                                                   \
    {                                                                                                        \
        .at = offsetof(struct conntrack_layout, member), __VA_ARGS__                                         \
    }

static const struct place places[] = {
    PLACE(status, .type = "nf_conn", .path = {"status"}),
    PLACE(tuples, .type = "nf_conn", .path = {"tuplehash"}),
    PLACE(tuple, .type = "nf_conntrack_tuple_hash", .path = {"tuple"}),
    PLACE(source, .type = "nf_conntrack_tuple", .path = {"src", "u3"}),
    PLACE(source_port, .type = "nf_conntrack_tuple", .path = {"src", "u", "all"}),
    PLACE(destination, .type = "nf_conntrack_tuple", .path = {"dst", "u3"}),
    PLACE(destination_port, .type = "nf_conntrack_tuple", .path = {"dst", "u", "all"}),
    PLACE(protocol, .type = "nf_conntrack_tuple", .path = {"dst", "protonum"}),
};

/* The member's type, with its offset added to *offset; negative when there is no such member. */
static int step_into(const struct btf *btf, int id, const char *name, uint32_t *offset)
{
    int resolved = btf__resolve_type(btf, (uint32_t)id);
    const struct btf_type *type = resolved < 0 ? NULL : btf__type_by_id(btf, (uint32_t)resolved);
    if (!type || !btf_is_composite(type))
        return -ENOENT;
    const struct btf_member *members = btf_members(type);
    for (uint32_t i = 0; i < btf_vlen(type); i++) {
        const char *member = btf__name_by_offset(btf, members[i].name_off);
        if (!member || strcmp(member, name) != 0)
            continue;
        *offset += btf_member_bit_offset(type, i) / 8;
        return (int)members[i].type;
    }
    return -ENOENT;
}

static int find_place(const struct btf *btf, const struct place *place, uint32_t *ret)
{
    uint32_t offset = 0;
    int id = btf__find_by_name_kind(btf, place->type, BTF_KIND_STRUCT);
    for (unsigned i = 0; id > 0 && i < PATH_DEPTH && place->path[i]; i++)
        id = step_into(btf, id, place->path[i], &offset);
    if (id <= 0)
        return -ENOENT;
    *ret = offset;
    return 0;
}

static int read_layout(const struct btf *btf, struct conntrack_layout *ret)
{
    struct conntrack_layout layout = {.known = 1};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        int r = find_place(btf, &places[i], (uint32_t *)((char *)&layout + places[i].at));
        if (r < 0)
            return r;
    }
    int hash = btf__find_by_name_kind(btf, "nf_conntrack_tuple_hash", BTF_KIND_STRUCT);
    int64_t size = btf__resolve_size(btf, (uint32_t)hash);
    if (size <= 0)
        return -ENOENT;
    layout.tuple_size = (uint32_t)size;
    *ret = layout;
    return 0;
}

int conntrack_layout_read(const char *folder, struct conntrack_layout *ret)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/vmlinux", folder);
    struct btf *kernel = btf__parse(path, NULL);
    if (!kernel)
        return -errno;
    int r = read_layout(kernel, ret);
    (void)snprintf(path, sizeof path, "%s/nf_conntrack", folder);
    if (r == -ENOENT && access(path, R_OK) == 0) {
        struct btf *module = btf__parse_split(path, kernel);
        r = module ? read_layout(module, ret) : -errno;
        btf__free(module);
    }
    btf__free(kernel);
    return r;
}
