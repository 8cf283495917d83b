/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/library.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/dynamic.h"
#include "base/macro.h"

static const struct dynamic_function rows[] = {
#define X(function) {"duckdb_" #function, offsetof(struct duckdb_functions, function)},
    DUCKDB_FUNCTIONS(X)
#undef X
};

static int load(struct duckdb_functions *to, struct fault *fault)
{
    static const char *const libraries[] = {"libduckdb.so", NULL}; /* found by the run path of the program */
    return dynamic_load(to, libraries, rows, ARRAY_SIZE(rows), "Parquet and SQL need DuckDB's library",
                        fault);
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
