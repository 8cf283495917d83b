/* SPDX-License-Identifier: Apache-2.0 */

/* A store's manifest, whose paths stay below the store whoever wrote it; and names of objects. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "deliver/layout.h"
#include "store/manifest.h"

#include "harness.h"

static void check_path(const char *path)
{
    assert(path && path[0] && path[0] != '/' && strncmp(path, "../", 3) != 0 && !strstr(path, "/../"));
}

static void check_manifest(const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++) {
        const struct change *change = &manifest->changes[i];
        assert(!change->made == !change->key);
        if (change->made) {
            check_path(change->made);
            check_path(change->key);
        }
        for (size_t k = 0; k < change->replaced_count; k++)
            check_path(change->replaced[k]);
    }
}

static void check_manifest_text(const char *text, size_t len)
{
    struct manifest manifest;
    struct manifest again;
    AUTO_BUF struct buf printed = BUF_INIT(16UL << 20);
    if (manifest_parse(&manifest, text, len, NULL) < 0)
        return;
    check_manifest(&manifest);
    assert(manifest_print(&manifest, &printed) == 0);
    assert(manifest_parse(&again, printed.data, printed.len, NULL) == 0 && again.count == manifest.count);
    manifest_done(&manifest);
    manifest_done(&again);
}

static void check_name(const char *text, size_t len)
{
    char name[256];
    struct layout_name parsed;
    if (len >= sizeof name)
        return;
    memcpy(name, text, len);
    name[len] = '\0';
    if (layout_parse_name(name, &parsed))
        assert(parsed.account[0] && parsed.region[0] && parsed.flow_log_id[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_manifest_text((const char *)data, size);
    check_name((const char *)data, size);
    return 0;
}
