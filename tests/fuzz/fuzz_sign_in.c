/* SPDX-License-Identifier: Apache-2.0 */

/* The headers of a signed request, "NAME: VALUE" lines, and behind an empty line its body: nobody is let in
 * without a key, and every refusal has its code. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/sign_in.h"
#include "base/cleanup.h"

#include "harness.h"

#define HEADERS 16
#define NOW_NS (1767323045ULL * NS_PER_S) /* 2026-01-02T03:04:05Z */

static struct access_keys *open_keys(void)
{
    static struct access_keys *keys;
    char folder[FOLDER_MAX];
    if (!keys) {
        make_folder(folder, "/tmp");
        require(access_keys_open(&keys, folder, NULL) == 0);
        require(rmdir(folder) == 0); /* without keys there is no file yet */
    }
    return keys;
}

/* In place; *rest becomes what follows the empty line. */
static size_t split_headers(char *text, struct http_header ret[HEADERS], char **rest)
{
    size_t count = 0;
    char *line;
    *rest = text;
    while ((line = strsep(rest, "\n")) && *line && count < HEADERS) {
        char *colon = strstr(line, ": ");
        if (!colon)
            continue;
        *colon = '\0';
        ret[count++] = (struct http_header){line, colon + 2};
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *text = strndup((const char *)data, size);
    require(text);
    struct http_header headers[HEADERS];
    char *body;
    size_t count = split_headers(text, headers, &body);
    const struct sign_in_request request = {.service = "ec2",
                                            .method = "POST",
                                            .path = "/",
                                            .query = "",
                                            .headers = headers,
                                            .header_count = count,
                                            .body = body ? body : "",
                                            .body_len = body ? strlen(body) : 0};
    unsigned rights = 0;
    struct ec2_error error = {0};
    require(!sign_in(open_keys(), &request, NOW_NS, &rights, &error));
    require(rights == 0 && error.code[0] && error.message[0] && error.status >= 400);
    return 0;
}
