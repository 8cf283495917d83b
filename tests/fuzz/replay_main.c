/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Runs a fuzz target over a corpus, without a fuzzer: each file, and each of its beginnings up to a bound, so
 * that cut input is always tried. Links instead of libFuzzer's main in the plain test run.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

#include "harness.h"

#define INPUT_MAX (16 * 1024 * 1024)
#define BEGINNINGS_MAX 600

/* A copy of exactly that size, so that a sanitizer sees a step beyond it. */
static void run_target(const char *data, size_t size)
{
    AUTO_FREE uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
}

static bool run_file(const char *path)
{
    AUTO_BUF struct buf input = BUF_INIT(INPUT_MAX);
    struct fault fault;
    if (file_read(path, &input, &fault) < 0) {
        (void)fprintf(stderr, "%s\n", fault.text);
        return false;
    }
    const char *bytes = input.data ? input.data : "";
    for (size_t size = 0; size < input.len && size < BEGINNINGS_MAX; size++)
        run_target(bytes, size);
    run_target(bytes, input.len);
    return true;
}

static unsigned run_folder(const char *folder)
{
    AUTO_CLOSEDIR DIR *dir = opendir(folder);
    unsigned files = 0;
    if (!dir)
        return 0;
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (!run_file(path))
            return 0;
        files++;
    }
    return files;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        unsigned files = run_folder(argv[i]);
        printf("%s: %u files\n", argv[i], files);
        if (files == 0)
            return EXIT_FAILURE; /* a corpus that is not there tests nothing */
    }
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
