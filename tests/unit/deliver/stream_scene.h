/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A driver of a stream destination, the service that it speaks to, and a batch. */

#include "deliver/driver.h"
#include "fake_service.h"
#include "stream_batch.h"

struct stream_scene {
    const struct delivery_driver *kind;
    struct fake_service *service;
    struct stream_batch made;
    void *driver;
    uint64_t progress;
    atomic_bool cancelled;
    struct batch_interface *refused_of; /* of the last outcome */
};

/* A service that `handler` answers for, and any key to ask it with. */
void stream_scene_begin(struct stream_scene *scene, const struct delivery_driver *kind, fake_handler *handler,
                        void *context);

/* `settings` without the endpoint; closes the driver that was open. */
void stream_scene_open(struct stream_scene *scene, const struct destination_settings *settings);
struct outcome stream_scene_send(struct stream_scene *scene);
void stream_scene_end(struct stream_scene *scene);
