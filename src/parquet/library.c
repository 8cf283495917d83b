/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/macro.h"

#define LIBRARY "libduckdb.so" /* found by the run path of the program */

static const struct {
    const char *name;
    size_t offset;
} rows[] = {
#define X(function) {"duckdb_" #function, offsetof(struct duckdb_functions, function)},
    DUCKDB_FUNCTIONS(X)
#undef X
};

static int look_up(void *library, struct duckdb_functions *to, struct fault *fault)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        void *address = dlsym(library, rows[i].name);
        if (!address)
            return fault_set(fault, -ELIBACC, "%s lacks %s: it is not of the version flowlog was built for",
                             LIBRARY, rows[i].name);
        memcpy((char *)to + rows[i].offset, &address, sizeof address);
    }
    return 0;
}

static int load(struct duckdb_functions *to, struct fault *fault)
{
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    if (!library)
        return fault_set(fault, -ELIBACC, "Parquet and SQL need DuckDB's library, which cannot be loaded: %s",
                         dlerror());
    int r = look_up(library, to, fault);
    if (r < 0)
        (void)dlclose(library);
    return r;
}

/* Filled once, under the mutex, and never changed. */
static struct duckdb_functions functions;

int library_load(const struct duckdb_functions **ret, struct fault *fault)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static bool loaded;
    (void)pthread_mutex_lock(&mutex);
    int r = loaded ? 0 : load(&functions, fault);
    loaded = r == 0;
    (void)pthread_mutex_unlock(&mutex);
    if (r < 0)
        return r;
    *ret = &functions;
    return 0;
}

const struct duckdb_functions *library_loaded(void)
{
    return &functions;
}
