/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"

#define FIRST_NS (500 * NS_PER_MS) /* short work shows nothing */
#define PERIOD_NS (200 * NS_PER_MS)

void progress_begin(struct progress *progress, const char *unit)
{
    uint64_t now = clock_monotonic_ns();
    *progress = (struct progress){
        .unit = unit, .on = isatty(STDERR_FILENO), .begun_ns = now, .next_ns = now + FIRST_NS};
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        (void)fprintf(stderr, "\r\033[K");
    progress->shown = false;
}

void progress_show(struct progress *progress, uint64_t bytes, uint64_t bytes_total, uint64_t units)
{
    if (!progress->on)
        return;
    uint64_t now = clock_monotonic_ns();
    if (now < progress->next_ns)
        return;
    progress->next_ns = now + PERIOD_NS;
    double seconds = (double)(now - progress->begun_ns) / (double)NS_PER_S;
    progress_clear(progress);
    (void)fprintf(stderr, "%.1f MB", (double)bytes / 1e6);
    if (bytes_total > 0)
        (void)fprintf(stderr, " of %.1f MB (%.0f %%)", (double)bytes_total / 1e6,
                      100.0 * (double)bytes / (double)bytes_total);
    (void)fprintf(stderr, ", %" PRIu64 " %s, %.0f %s/s", units, progress->unit, (double)units / seconds,
                  progress->unit);
    if (bytes > 0 && bytes_total > bytes)
        (void)fprintf(stderr, ", %.0f s left", seconds * (double)(bytes_total - bytes) / (double)bytes);
    (void)fflush(stderr);
    progress->shown = true;
}
