/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/reasons.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REASON_PREFIX "SKB_DROP_REASON_"

static char (*names)[40];
static uint32_t name_count;

static int copy_names(const struct btf *btf, const struct btf_type *type)
{
    uint32_t count = btf_vlen(type);
    names = calloc(count, sizeof *names);
    if (!names)
        return -ENOMEM;
    name_count = count;
    const struct btf_enum *value = btf_enum(type);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = btf__name_by_offset(btf, value[i].name_off);
        if (value[i].val < 0 || (uint32_t)value[i].val >= count || !name)
            continue;
        if (strncmp(name, REASON_PREFIX, strlen(REASON_PREFIX)) == 0)
            name += strlen(REASON_PREFIX);
        (void)strncpy(names[value[i].val], name, sizeof *names - 1);
    }
    return 0;
}

int drop_reasons_load(struct fault *fault)
{
    struct btf *btf = btf__load_vmlinux_btf();
    if (!btf)
        return fault_set(fault, -errno,
                         "cannot read the kernel's type information (/sys/kernel/btf/vmlinux): %s",
                         strerror(errno));
    int id = btf__find_by_name_kind(btf, "skb_drop_reason", BTF_KIND_ENUM);
    int r = id > 0 ? copy_names(btf, btf__type_by_id(btf, (uint32_t)id)) : -ENOENT;
    btf__free(btf);
    return r < 0 ? fault_set(fault, r, "the kernel names no drop reasons: 5.17 or later is needed") : 0;
}

const char *drop_reason_name(uint16_t reason)
{
    return reason < name_count && names[reason][0] ? names[reason] : NULL;
}
