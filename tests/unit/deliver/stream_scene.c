/* SPDX-License-Identifier: Apache-2.0 */
#include "stream_scene.h"

#include <stdio.h>
#include <stdlib.h>

void stream_scene_begin(struct stream_scene *scene, const struct delivery_driver *kind, fake_handler *handler,
                        void *context)
{
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "example", 1);
    *scene = (struct stream_scene){.kind = kind, .service = fake_service_start(handler, context)};
    stream_batch_init(&scene->made, 1);
}

void stream_scene_open(struct stream_scene *scene, const struct destination_settings *settings)
{
    struct fault fault = {0};
    struct destination_settings here = *settings;
    here.aws.endpoint = fake_service_endpoint(scene->service);
    if (scene->driver)
        scene->kind->close(scene->driver);
    if (scene->kind->open(&scene->driver, &here, &fault) < 0) {
        (void)fprintf(stderr, "%s\n", fault.text);
        abort();
    }
}

struct outcome stream_scene_send(struct stream_scene *scene)
{
    struct outcome outcome = {0};
    scene->kind->send(scene->driver, &scene->made.batch, &scene->progress, &scene->cancelled, &outcome);
    free(scene->refused_of);
    scene->refused_of = outcome.refused_of;
    return outcome;
}

void stream_scene_end(struct stream_scene *scene)
{
    scene->kind->close(scene->driver);
    fake_service_stop(scene->service);
    stream_batch_done(&scene->made);
    free(scene->refused_of);
}
