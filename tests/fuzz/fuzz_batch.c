/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "deliver/batch.h"

#include "harness.h"

/* A batch file of any bytes: its reader goes to the end, past damage, and what loads whole was undamaged. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct batch_reader *reader = NULL;
    struct batch_line line;
    struct batch batch;
    size_t lines = 0;
    bool damaged = false;
    int r;
    AUTO_CLOSE int fd = memfd_create("batch", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        return 0;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (batch_reader_open(&reader, path, NULL) == 0) {
        while ((r = batch_reader_next(reader, &line, NULL)) != 0) {
            damaged |= r < 0;
            lines += r > 0;
        }
        batch_reader_close(reader);
    }
    if (batch_load(&batch, path, NULL) == 0) {
        if (damaged || lines != batch.line_count)
            abort();
        batch_done(&batch);
    }
    return 0;
}
