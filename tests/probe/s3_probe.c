/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Puts a file into S3 as the worker of the configuration's first flow log does: s3_probe CONFIG STATE KEY
 * FILE Prints the outcome as a JSON object. SIGTERM is the daemon's stop.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "aws/sigv4.h"
#include "base/cleanup.h"
#include "daemon/config.h"
#include "deliver/driver.h"

static atomic_bool cancelled;

static void on_signal(int number)
{
    atomic_store(&cancelled, true);
}

static int describe_file(const char *path, struct object_file *object)
{
    struct stat found;
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &found) < 0)
        return -errno;
    object->size = (uint64_t)found.st_size;
    return sigv4_digest_file(fd, 0, object->size, object->sha256);
}

static void load(struct config *config, const char *path, const char *state)
{
    struct config_report report;
    if (config_load(config, path, state, &report) < 0) {
        (void)fprintf(stderr, "s3_probe: %s\n", buf_string(&report.mistakes));
        exit(2);
    }
    config_report_done(&report);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    struct config config = {0};
    load(&config, argv[1], argv[2]);
    const struct destination_settings settings = flow_log_destination(&config, &config.flow_logs[0], 1);
    const struct delivery_driver *driver = destination_driver(settings.kind);
    struct object_file object = {.key = argv[3], .path = argv[4], .content_type = "application/gzip"};
    struct outcome outcome = {0};
    struct fault fault = {0};
    void *state = NULL;
    (void)signal(SIGTERM, on_signal);
    if (describe_file(argv[4], &object) < 0 || driver->open(&state, &settings, &fault) < 0) {
        (void)fprintf(stderr, "s3_probe: %s\n", fault.text);
        return 2;
    }
    driver->put(state, &object, &cancelled, &outcome);
    driver->close(state);
    config_done(&config);
    json_t *answer =
        json_pack("{s:i, s:s, s:s, s:s}", "kind", (int)outcome.kind, "word", error_word_text(outcome.word),
                  "object", outcome.object, "fault", outcome.fault.text);
    (void)json_dumpf(answer, stdout, 0);
    json_decref(answer);
    return 0;
}
