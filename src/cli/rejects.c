/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/rejects.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

int rejects_open(struct rejects *rejects, const char *path, const char *mode, struct fault *fault)
{
    *rejects = (struct rejects){.path = path};
    if (!path)
        return 0;
    rejects->file = fopen(path, mode);
    return rejects->file ? 0 : fault_set(fault, -errno, "%s: cannot create: %s", path, strerror(errno));
}

void rejects_keep(struct rejects *rejects, const char *text, size_t len)
{
    if (rejects->file)
        (void)fwrite(text, 1, len, rejects->file);
}

int rejects_close(struct rejects *rejects, struct fault *fault)
{
    if (!rejects->file)
        return 0;
    bool failed = ferror(rejects->file) != 0;
    failed |= fclose(TAKE(rejects->file)) != 0;
    return failed ? fault_set(fault, -EIO, "%s: cannot write all of the bad lines", rejects->path) : 0;
}
