/* SPDX-License-Identifier: Apache-2.0 */

/* A request of the CloudWatch Logs API, the action's name and its body parted by a newline: answered as JSON
 * or refused so, by a store without records. */

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/logs.h"
#include "base/cleanup.h"

#include "harness.h"

static const char *empty_store(void)
{
    static char folder[FOLDER_MAX];
    if (!folder[0]) {
        make_folder(folder, "/tmp");
        require(rmdir(folder) == 0); /* a store that is not there yet is an empty one */
    }
    return folder;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct logs_queries *queries = logs_queries_new();
    const struct logs_host host = {.store = empty_store(),
                                   .group = "/flowlog/store",
                                   .account = "123456789012",
                                   .region = "eu-central-1",
                                   .queries = queries};
    AUTO_BUF struct buf answer = BUF_INIT(64 << 20);
    const uint8_t *newline = memchr(data, '\n', size);
    size_t name = newline ? (size_t)(newline - data) : size;
    AUTO_FREE char *target = NULL;
    require(queries);
    require(asprintf(&target, LOGS_TARGET_PREFIX "%.*s", (int)(name < 64 ? name : 64), (const char *)data) >
            0);
    const char *body = newline ? (const char *)newline + 1 : "";
    unsigned status = logs_answer(&host, target, body, newline ? size - name - 1 : 0, &answer);
    json_t *read = json_loadb(answer.data, answer.len, 0, NULL);
    require(read && (status == 200 || json_string_length(json_object_get(read, "__type"))));
    require(status == 200 || status == 400 || status == 500);
    json_decref(read);
    logs_queries_free(queries);
    return 0;
}
