/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/destination.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "deliver/driver.h"

static const struct destination_driver *const drivers[] = {
    [DESTINATION_FILE] = &deliver_file_driver,
    [DESTINATION_STDOUT] = &deliver_stdout_driver,
};

struct destination {
    const struct destination_driver *driver;
    void *state; /* the driver's */
    uint64_t batch_records;
    struct delivery_counts counts;
};

int destination_open(struct destination **ret, const struct destination_settings *settings,
                     struct fault *fault)
{
    AUTO_FREE struct destination *destination = calloc(1, sizeof *destination);
    if (!destination)
        return fault_set(fault, -ENOMEM, "out of memory");
    destination->driver = drivers[settings->kind];
    int r = destination->driver->open(&destination->state, settings, fault);
    if (r == 0)
        *ret = TAKE(destination);
    return r;
}

void destination_close(struct destination *destination)
{
    if (!destination)
        return;
    destination->driver->close(destination->state);
    free(destination);
}

int destination_begin(struct destination *destination, uint64_t window, uint64_t sequence,
                      struct fault *fault)
{
    destination->batch_records = 0;
    return destination->driver->begin(destination->state, window, sequence, fault);
}

int destination_add(struct destination *destination, const struct record *record, struct fault *fault)
{
    int r = destination->driver->add(destination->state, record, fault);
    if (r == 0)
        destination->batch_records++;
    return r;
}

int destination_commit(struct destination *destination, struct fault *fault)
{
    struct delivery_counts *counts = &destination->counts;
    uint64_t objects = 0;
    int r = destination->driver->commit(destination->state, &objects, fault);
    counts->objects += objects;
    if (r < 0) {
        counts->failures++;
        return r;
    }
    counts->batches++;
    counts->records += destination->batch_records;
    counts->delivered_ns = clock_wall_ns();
    return 0;
}

void destination_abandon(struct destination *destination)
{
    destination->driver->abandon(destination->state);
}

void destination_counts(const struct destination *destination, struct delivery_counts *ret)
{
    *ret = destination->counts;
    ret->last_object = destination->driver->last_object(destination->state);
}
